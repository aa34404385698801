"""Wanted sessions in gobgpd's terms, kept up to date with this node's addresses and interfaces."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from metalpy.bgp.addresses import LocalAddresses
from metalpy.bgp.neighbors import neighbor, what

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Mapping, Sequence

    from metalpy.announcement.routes import Session
    from metalpy.bgp.chronicle import Chronicle
    from metalpy.bgp.neighbors import Neighbor
    from metalpy.model import Family, IPAddress

_CALM = 6
"""How many times rarer the addresses are looked at as long as nothing is missing."""


class Translation:
    """Translates sessions, and says when to do so again: every `recheck_s` seconds while something is missing."""

    def __init__(
        self,
        addresses: Callable[[], Awaitable[LocalAddresses]],
        chronicle: Chronicle,
        *,
        restart_s: int,
        recheck_s: float,
    ) -> None:
        self.look_again_s = math.inf
        """When something could be had that could not be had before, by the event loop's clock."""
        self._addresses = addresses
        self._chronicle = chronicle
        self._restart_s = restart_s
        self._recheck_s = recheck_s
        self._sessions: Mapping[IPAddress, Session] | None = None
        self._neighbors: Sequence[Neighbor] = ()

    def forget(self) -> None:
        """Translate anew the next time."""
        self._sessions = None

    def try_again(self) -> None:
        """Look again before long: gobgpd refused something."""
        self.look_again_s = min(self.look_again_s, asyncio.get_running_loop().time() + self._recheck_s)

    async def neighbors(
        self, sessions: Mapping[IPAddress, Session], announced: Container[Family]
    ) -> Sequence[Neighbor]:
        """Translate these sessions but for those that cannot be, which are complained of. Raises `RouterError`."""
        now_s = asyncio.get_running_loop().time()
        if sessions is self._sessions and now_s < self.look_again_s:
            return self._neighbors
        depend = any(each.peer.source_address or each.peer.vrf or len(each.families) > 1 for each in sessions.values())
        local = await self._addresses() if depend else LocalAddresses()
        self._neighbors = [
            each for session in sessions.values() if (each := self._translate(session, local, announced))
        ]
        self._sessions = sessions
        if len(self._neighbors) < len(sessions):
            self.look_again_s = now_s + self._recheck_s
        else:
            self.look_again_s = now_s + self._recheck_s * _CALM if depend else math.inf
        return self._neighbors

    def _translate(self, session: Session, local: LocalAddresses, announced: Container[Family]) -> Neighbor | None:
        name = what(session.peer)
        result, problems = neighbor(session, local, self._restart_s, announced)
        if problems:
            self._chronicle.complain(name, "; ".join(problems), "settings")
        else:
            self._chronicle.recover(name, "settings")
        return result
