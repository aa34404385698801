"""A node's BGP router in memory: what the speaker says to it is there to look at, what it says a test puts in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from metalpy.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from metalpy.announcement.routes import Announcement, Session
    from metalpy.bgp.chronicle import Complaint, SessionChange


class FakeRouter:
    """Stands in for `metalpy.bgp.router.Router`. With `error` it cannot be run."""

    def __init__(self, error: str = "") -> None:
        self.error = error
        self.said: list[str] = []
        """Everything, in order: `keep ADDRESS...`, `announce +PREFIX -PREFIX...`, `ready`, `enter`, `leave`, `stop`."""
        self.routes: dict[str, set[str]] = {}
        """Prefixes as the router now has them, and the addresses of those peers who see them."""
        self.peers: set[str] = set()
        self.news: asyncio.Queue[SessionChange | Complaint] = asyncio.Queue()

    def keep(self, sessions: Iterable[Session]) -> None:
        """Note the sessions."""
        addresses = [str(session.peer.address) for session in sessions]
        self.peers = set(addresses)
        self.said.append(" ".join(("keep", *addresses)))

    def announce(self, changes: Iterable[Announcement]) -> None:
        """Note the changes, if there are any."""
        words = []
        for change in changes:
            seen = {str(peer.address) for _, peers in change.variants for peer in peers}
            words.append(f"{'+' if seen else '-'}{change.prefix}")
            self.routes.pop(str(change.prefix), None)
            if seen:
                self.routes[str(change.prefix)] = seen
        if words:
            self.said.append(" ".join(("announce", *sorted(words))))

    def ready(self) -> None:
        """Note it."""
        self.said.append("ready")

    async def __aenter__(self) -> Self:
        self.said.append("enter")
        if self.error:
            raise RouterError(self.error)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.said.append("leave")

    async def states(self) -> AsyncIterator[SessionChange | Complaint]:
        """Yield what the test puts in."""
        while True:
            yield await self.news.get()

    async def withdraw_and_stop(self, drain_s: float = 0, *, graceful_shutdown: bool = False) -> None:
        """Note how."""
        self.said.append(f"stop {drain_s} {graceful_shutdown}")
