"""Which claims of other hosts to our addresses are worth a word to the operator.

While an address changes nodes, its last owner may still answer and repeat its announcements, and its next owner may
announce it before we know. Neither is a conflict unless it goes on, and so we ask again. We only warn. RFC 5227
section 2.4 would let us defend the address or give it up, but which node owns it is decided elsewhere, and whoever
misconfigured a host has to put it right.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalpy.model import IPAddress

log = structlog.get_logger()

GRACE_S = 6.0
"""For how long claims are taken for a last or next owner's, from the gain or the first claim: longer than a burst."""
ANSWER_S = 2.0
"""How long after that a claim counts as an answer to our question."""
REPEAT_S = 60.0
"""Pause between two reports of one address."""
_MOST_WAITING = 256


@dataclass(frozen=True, slots=True)
class Conflict:
    """Another host claims an address that this node announces."""

    address: IPAddress
    interface: str
    mac: str
    """What the other host says its MAC is."""
    at: datetime


class Conflicts:
    """Takes claims, and gives conflicts. Knows no clock but the wall's: every call says what time it is."""

    def __init__(self, grace_s: float = GRACE_S, repeat_s: float = REPEAT_S) -> None:
        self._grace_s = grace_s
        self._repeat_s = repeat_s
        self._quiet_until_s: dict[IPAddress, float] = {}
        self.counts: Counter[IPAddress] = Counter()
        """How many conflicts there were."""
        self._waiting: asyncio.Queue[Conflict] = asyncio.Queue(_MOST_WAITING)

    def gain(self, addresses: Iterable[IPAddress], now_s: float) -> None:
        """Mind claims to these once their last owner had the time to go, when it is to be asked who else has them."""
        self._quiet_until_s.update(dict.fromkeys(addresses, now_s + self._grace_s))

    def lose(self, addresses: Iterable[IPAddress]) -> None:
        """No longer mind claims to these."""
        for address in addresses:
            self._quiet_until_s.pop(address, None)

    def claim(self, address: IPAddress, interface: str, mac: str, now_s: float) -> bool:
        """Take in a claim; log and report it if it is a conflict and news.

        Returns whether it might become one: then it is to be asked who has the address when the grace is over.
        """
        quiet_until_s = self._quiet_until_s.get(address)
        if quiet_until_s is None or now_s < quiet_until_s:
            return False
        if now_s > quiet_until_s + ANSWER_S:
            self.gain([address], now_s)
            return True
        self._quiet_until_s[address] = now_s + self._repeat_s
        self.counts[address] += 1
        log.warning(
            "another host claims an address that is this node's to announce; one of the two has to give it up",
            event_name="addressConflict",
            ip=str(address),
            interface=interface,
            mac=mac,
        )
        if not self._waiting.full():  # nobody listens: the log has it
            self._waiting.put_nowait(Conflict(address, interface, mac, datetime.now(UTC)))
        return False

    async def next(self) -> Conflict:
        """Wait for the next conflict."""
        return await self._waiting.get()
