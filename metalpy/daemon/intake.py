"""How a daemon takes in its configuration: a bad edit is told and the last good one stays in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from metalpy.config.configmap import config_text
from metalpy.config.legacy import parse_legacy
from metalpy.errors import ConfigError, PoolsConflict
from metalpy.model import Event, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from metalpy.cluster.interface import ConfigChanged
    from metalpy.model import Config
    from metalpy.observe.metrics import ClientMetrics

_log = structlog.get_logger()


class ConfigIntake:
    """Parses what comes and hands it to `apply`, which may refuse it with `PoolsConflict`.

    A configuration so refused is kept and tried again by `retry` when something changed that stood in its way.
    Each method returns the Events to emit on the ConfigMap.
    """

    def __init__(self, apply: Callable[[Config], None], metrics: ClientMetrics) -> None:
        self._apply = apply
        self._metrics = metrics
        self._refused: tuple[ConfigChanged, Config] | None = None

    def take(self, change: ConfigChanged) -> list[Event]:
        """Put a new version of the ConfigMap in force, or say why not."""
        self._refused = None
        if change.data is None:
            self._metrics.config_stale.set(1)
            _log.error("configuration is missing, MetalLB will not function", op="setConfig", configmap=str(change.key))
            return []
        try:
            parsed = parse_legacy(config_text(change.data))
        except ConfigError as error:
            lines = [problem.describe() for problem in error.problems]
            return [self._stale(change, "ConfigInvalid", lines)]
        for warning in parsed.warnings:
            line = warning.describe(warning=True)
            _log.warning("doubtful configuration", configmap=str(change.key), warning=line)
        return self._put_in_force(change, parsed.config)

    def retry(self) -> list[Event]:
        """Try a refused configuration again; says nothing if it is still refused."""
        if self._refused is None:
            return []
        change, config = self._refused
        return self._put_in_force(change, config, again=True)

    def _put_in_force(self, change: ConfigChanged, config: Config, *, again: bool = False) -> list[Event]:
        try:
            self._apply(config)
        except PoolsConflict as conflict:
            self._refused = change, config
            if again:
                return []
            _log.error("applying new configuration failed", op="setConfig", error=str(conflict))
            return [self._stale(change, "ConfigConflict", [str(conflict)])]
        self._refused = None
        self._metrics.config_loaded.set(1)
        self._metrics.config_stale.set(0)
        _log.info("config (re)loaded", event_name="configLoaded", configmap=str(change.key))
        return []

    def _stale(self, change: ConfigChanged, reason: str, lines: list[str]) -> Event:
        self._metrics.config_stale.set(1)
        _log.error(
            "config (re)load failed, config marked stale",
            event_name="configStale",
            configmap=str(change.key),
            error="; ".join(lines),
        )
        message = "the last good configuration stays in force: " + "; ".join(lines)
        return Event("ConfigMap", change.key, Severity.WARNING, reason, message, uid=change.uid)
