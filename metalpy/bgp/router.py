"""The node's BGP router: the speaker says which sessions and routes there are to be, and gobgpd is kept in that state.

    async with Router(EmbeddedGobgpd(Path("/usr/bin/gobgpd"), Path("/run/metalpy/gobgp"))) as router:
        router.keep(sessions)
        router.announce(announcements)
        router.ready()

What belongs together is said without an `await` in between: nothing goes out before the event loop turns.

Promises: a gobgpd that runs is not touched before `ready`, so a speaker that starts over it changes nothing that need
not change; an empty one may begin its sessions, with the routes that are known by then. From then on gobgpd has what
is wanted, also after it was away, and one that hangs is noticed. Sessions that are not edited stay up when others are.
What cannot be had (a refused peer, a source address that this node has not) is named in the log and tried again;
everything else goes on. Routes that peers send are not taken.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from metalpy.background import Background
from metalpy.bgp.addresses import LocalAddresses, local_addresses
from metalpy.bgp.chronicle import Chronicle, Complaint, SessionChange
from metalpy.bgp.diagnosis import PATIENCE_S, Diagnosis
from metalpy.bgp.reconciler import Pace, Reconciler
from metalpy.bgp.wanted import Wanted
from metalpy.errors import RouterError
from metalpy.model import Community, host_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
    from types import TracebackType

    from metalpy.announcement.routes import Announcement, Session
    from metalpy.bgp.codec import Status
    from metalpy.bgp.daemon import Daemon
    from metalpy.model import IPAddress

__all__ = ["GRACEFUL_SHUTDOWN", "Complaint", "Pace", "Router", "SessionChange", "SessionCounts"]

GRACEFUL_SHUTDOWN = Community(0xFFFF0000, "graceful-shutdown")
"""RFC 8326: the route is about to go, use another if there is one."""
STOP_S = 5.0
"""How long each step of a planned stop may take."""


@dataclass(frozen=True, slots=True)
class SessionCounts:
    """What metrics say of a session. `updates_sent` never decreases while the session is wanted."""

    is_up: bool = False
    updates_sent: int = 0
    announced_prefixes: int = 0
    pending_prefixes: int = 0
    """Prefixes that the peer is to have, as MetalLB's native mode counts them."""


class Router:
    """Keeps a gobgpd in the wanted state; an async context manager.

    Entering takes over or starts the gobgpd where that is ours to do, and raises `RouterError` if it cannot be run at
    all. Leaving lets go of it: sessions and routes stay, as they do when this process dies, for the next speaker;
    `withdraw_and_stop` is for good. With `restart_s` all sessions restart gracefully (RFC 4724), so that routers keep
    the routes for so many seconds when gobgpd dies. A peer with which there is no session for `patience_s` seconds is
    asked why.
    """

    def __init__(
        self,
        daemon: Daemon,
        *,
        restart_s: int = 0,
        pace: Pace = Pace(),  # noqa: B008 - a value, like any constant
        patience_s: float = PATIENCE_S,
        addresses: Callable[[], Awaitable[LocalAddresses]] = local_addresses,
    ) -> None:
        self._daemon = daemon
        self._wanted = Wanted()
        self._chronicle = Chronicle(self._name)
        self._reconciler = Reconciler(daemon, self._wanted, self._chronicle, addresses, restart_s=restart_s, pace=pace)
        self._diagnosis = Diagnosis(
            self._wanted, self._chronicle, lambda: self._reconciler.client is not None, patience_s=patience_s
        )
        self._background = Background()
        self._updates: dict[IPAddress, tuple[int, int]] = {}
        """UPDATE messages of earlier runs of gobgpd, and of this one when it was last asked."""

    async def __aenter__(self) -> Self:
        await self._daemon.start(self._chronicle.hear)
        await self._background.__aenter__()
        for work in (self._daemon.keep(), self._reconciler.run(), self._diagnosis.run()):
            self._background.spawn(work)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._background.__aexit__(kind, error, trace)
        finally:
            self._daemon.leave()

    def _name(self, address: IPAddress) -> str | None:
        session = self._wanted.sessions.get(address)
        return host_port(address, session.peer.port) if session else None

    def keep(self, sessions: Iterable[Session]) -> None:
        """Keep these sessions and no others."""
        for refused in self._wanted.keep(sessions):
            self._chronicle.complain(refused.what, refused.why)
        self._reconciler.ask()

    def announce(self, changes: Iterable[Announcement]) -> None:
        """Announce these prefixes so, or no more; other prefixes stay as they are."""
        self._wanted.announce(changes)
        self._reconciler.ask()

    def ready(self) -> None:
        """Say that what was said so far is the whole state: it is announced, and what gobgpd has beyond that goes."""
        self._reconciler.ready()

    async def settled(self) -> None:
        """Wait until gobgpd has what was wanted when this was called, but for what it refuses. Not before `ready`."""
        await self._reconciler.settled()

    async def withdraw_and_stop(self, drain_s: float = 0, *, graceful_shutdown: bool = False) -> None:
        """Withdraw everything and end all sessions, after `drain_s` seconds, and gobgpd too if it is ours.

        With `graceful_shutdown` the routes say during that time that they are going (RFC 8326). Where gobgpd does not
        answer, this goes on after a while.
        """
        self.ready()
        if graceful_shutdown:
            self._wanted.add_community(GRACEFUL_SHUTDOWN)
            await self._settle()
        await asyncio.sleep(drain_s)
        self._wanted.withdraw_all()
        if await self._settle():
            self._wanted.keep(())
            await self._settle()
        await self._background.cancel()
        await self._daemon.end()

    async def _settle(self) -> bool:
        self._reconciler.ask()
        try:
            await asyncio.wait_for(self.settled(), STOP_S)
        except TimeoutError:
            return False
        return True

    async def states(self) -> AsyncIterator[SessionChange | Complaint]:
        """Yield, for ever, when a session comes up or goes down, and what cannot be had as it is wanted.

        For one listener; they are logged in any case.
        """
        while True:
            yield await self._chronicle.next()

    async def counts(self) -> Mapping[str, SessionCounts]:
        """Return the counters of every wanted session, by the peer's name in metrics; asks gobgpd if it is there."""
        statuses: Mapping[IPAddress, Status] = {}
        if self._reconciler.client:
            with suppress(RouterError):
                statuses = await self._reconciler.client.peers(counted=True)
        for address in self._updates.keys() - self._wanted.sessions.keys():
            del self._updates[address]
        return {
            host_port(address, session.peer.port): self._count(address, statuses.get(address))
            for address, session in self._wanted.sessions.items()
        }

    def _count(self, address: IPAddress, status: Status | None) -> SessionCounts:
        pending = self._wanted.prefixes(address)
        before, last = self._updates.get(address, (0, 0))
        if status is None:
            return SessionCounts(updates_sent=before + last, pending_prefixes=pending)
        if status.updates_sent < last:  # gobgpd, or the session in it, is another than it was
            before += last
        self._updates[address] = (before, status.updates_sent)
        prefixes = status.prefixes if status.is_up else 0
        return SessionCounts(status.is_up, before + status.updates_sent, prefixes, pending)
