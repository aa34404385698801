"""The gobgpd that the speaker drives, wherever it runs: of its own (see `embedded`), or beside it as a container.

Neither ends when the speaker dies: routes stay until the next speaker is there. So that they do not stay for ever,
the embedded one has a guard (see `guard`), and for one in a container the speaker keeps a lease: a file that it
touches every two seconds. The container's command ends gobgpd when that gets old:

    rm -f api.sock; touch speaker.lease
    gobgpd -p --pprof-disable --metrics-path '' --api-hosts unix:///run/gobgp/api.sock & pid=$!
    trap 'kill $pid' TERM
    while kill -0 $pid; do
        sleep 5 & wait $!
        [ -z "$(find speaker.lease -mmin +1)" ] || kill $pid
    done
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import structlog

from metalpy.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = structlog.get_logger()

LEASE_S = 2.0


class Daemon(Protocol):
    """A gobgpd, wherever it runs."""

    @property
    def target(self) -> str:
        """Where its API is, as gRPC writes it: `unix:///path`."""

    @property
    def is_heard(self) -> bool:
        """Whether its log can be had."""

    async def start(self, hear: Callable[[str], None]) -> None:
        """Make sure that it is there, or will be; `hear` gets lines of its log, where they can be had."""

    async def keep(self) -> None:
        """Keep it there, for ever."""

    def kill(self) -> bool:
        """End one that hangs at once, where it is ours to end: then it is started anew. Tells whether it is."""

    async def end(self) -> None:
        """End it for good, where it is ours to end."""

    def leave(self) -> None:
        """Let go of it; it goes on."""


class RemoteGobgpd:
    """A gobgpd that somebody else runs, at `unix:///path`; with a `lease` file that is touched as long as we live."""

    is_heard = False

    def __init__(self, target: str, *, lease: Path | None = None) -> None:
        if not target.startswith("unix:///"):
            raise RouterError(f"gobgpd: {target}: its API must be a Unix socket, as unix:///run/gobgp/api.sock")
        self.target = target
        self._lease = lease

    async def start(self, hear: Callable[[str], None]) -> None:
        """Nothing is to be started; its log is not ours to read."""

    async def keep(self) -> None:
        """Touch the lease."""
        while True:
            if self._lease:
                try:
                    self._lease.touch()
                except OSError as error:
                    log.error("cannot touch the lease of gobgpd", op="lease", error=str(error))
            await asyncio.sleep(LEASE_S)

    def kill(self) -> bool:
        """It stays."""
        return False

    async def end(self) -> None:
        """It stays, without peers."""

    def leave(self) -> None:
        """It stays."""
