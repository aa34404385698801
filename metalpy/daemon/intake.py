"""How a daemon takes in its configuration: a bad edit is told and the last good one stays in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from metalpy.announcement.states import Verdict
from metalpy.daemon.origins import ResourcesOrigin, origin_of
from metalpy.errors import ConfigError, PoolsConflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from metalpy.cluster.interface import AnyConfigChanged
    from metalpy.daemon.origins import Origin
    from metalpy.model import Config, Event
    from metalpy.observe.metrics import ClientMetrics

_log = structlog.get_logger()


class ConfigIntake:
    """Parses what comes and hands it to `apply`, which may refuse it with `PoolsConflict`.

    A configuration so refused is kept and tried again by `retry` when something changed that stood in its way.
    Each method returns the Events to emit on the objects that it was written in.
    """

    def __init__(self, apply: Callable[[Config], None], metrics: ClientMetrics) -> None:
        self._apply = apply
        self._metrics = metrics
        self._refused: tuple[Origin, Config] | None = None
        self.is_loaded = False
        """Whether a configuration is in force."""
        self.verdict = Verdict()
        """What came of the newest configuration."""

    def take(self, change: AnyConfigChanged) -> list[Event]:
        """Put a new state of the configuration in force, or say why not."""
        self._refused = None
        origin = origin_of(change)
        # Pools that all go are taken out of force where nobody holds an address of theirs: `apply` knows.
        is_emptied = self.is_loaded and isinstance(origin, ResourcesOrigin)
        if not origin.is_there and not is_emptied:
            self._metrics.config_stale.set(1)
            self.verdict = Verdict()
            _log.error("configuration is missing, MetalLB will not function", op="setConfig", **origin.place)
            return []
        try:
            parsed = origin.parse()
        except ConfigError as error:
            self._stale(origin, [problem.describe() for problem in error.problems])
            return origin.invalid(error.problems)
        for warning in parsed.warnings:
            _log.warning("doubtful configuration", **origin.place, warning=warning.describe(warning=True))
        return self._put_in_force(origin, parsed.config)

    def retry(self) -> list[Event]:
        """Try a refused configuration again; says nothing if it is still refused."""
        if self._refused is None:
            return []
        origin, config = self._refused
        return self._put_in_force(origin, config, again=True)

    def _put_in_force(self, origin: Origin, config: Config, *, again: bool = False) -> list[Event]:
        try:
            self._apply(config)
        except PoolsConflict as conflict:
            self._refused = origin, config
            if again:
                return []
            _log.error("applying new configuration failed", op="setConfig", error=str(conflict))
            self._stale(origin, [str(conflict)])
            return origin.tell("ConfigConflict", f"the last good configuration stays in force: {conflict}")
        self._refused = None
        self.is_loaded = True
        self._metrics.config_loaded.set(1)
        self._metrics.config_stale.set(0)
        self.verdict = Verdict(is_valid=True)
        _log.info("config (re)loaded", event_name="configLoaded", **origin.place)
        return []

    def _stale(self, origin: Origin, lines: list[str]) -> None:
        self._metrics.config_stale.set(1)
        self.verdict = Verdict(is_valid=False, message="\n".join(lines))
        _log.error(
            "config (re)load failed, config marked stale",
            event_name="configStale",
            **origin.place,
            error="; ".join(lines),
        )
