"""What goes out without a question from the LAN: announcements, and questions whether another host has an address."""

from __future__ import annotations

import asyncio
import contextlib
import math
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, NamedTuple

from metalpy.layer2 import arp, ndp
from metalpy.layer2.bursts import INTERVAL_S, Bursts
from metalpy.layer2.conflicts import GRACE_S
from metalpy.layer2.control import Protocol
from metalpy.layer2.holds import Holds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from metalpy.layer2.control import Row
    from metalpy.layer2.interfaces import Interface
    from metalpy.layer2.reply_path import ReplyPath
    from metalpy.model import IPAddress

_ADDRESSES_AT_ONCE = 256
"""How many addresses' frames are built between two turns of the event loop: about a millisecond's worth."""


class Timing(NamedTuple):
    """When something is sent unasked, in seconds."""

    interval_s: float = INTERVAL_S
    """Between two rounds of a burst."""
    grace_s: float = GRACE_S
    """From the gain of an address, or a claim to it, to the question who else has it."""
    repeat_s: float = 0.0
    """Between two announcements of what does not change; 0: there are none."""


class Unasked:
    """Sends through a reply path, when it is due. `freed` is called with held addresses that nobody claims."""

    def __init__(
        self, replies: ReplyPath, timing: Timing, freed: Callable[[Sequence[IPAddress]], Awaitable[None]]
    ) -> None:
        self._replies = replies
        self._timing = timing
        self._freed = freed
        self._bursts = Bursts(timing.interval_s)
        self._renewals: dict[int, Bursts] = {}
        """Bursts on one interface alone, by its index."""
        self._repetitions = Bursts(timing.repeat_s, math.inf)
        self._checks = Bursts(rounds=1)
        """When it is asked whether another host has an address that was announced."""
        self.holds = Holds()
        self._due_earlier = asyncio.Event()
        """Something may be due earlier than it was."""

    def announce(self, addresses: Iterable[IPAddress]) -> None:
        """Announce these five times from now on, and ask later who else has them."""
        now_s, ordered = self._now_s(), in_order(addresses)
        self._bursts.start(ordered, now_s)
        self.check(ordered)
        if repeat_s := self._timing.repeat_s:
            # In pieces, one after the other, so that thousands of addresses make no storm together.
            for start in range(0, len(ordered), _ADDRESSES_AT_ONCE):
                due_s = now_s + repeat_s * (1 + start / len(ordered))
                self._repetitions.start(ordered[start : start + _ADDRESSES_AT_ONCE], due_s)
        self._due_earlier.set()

    def renew(self, index: int, addresses: Iterable[IPAddress]) -> None:
        """Announce these five times from now on, on that interface only."""
        bursts = self._renewals.setdefault(index, Bursts(self._timing.interval_s))
        bursts.start(in_order(addresses), self._now_s())
        self._due_earlier.set()

    def check(self, addresses: Iterable[IPAddress]) -> None:
        """Ask who else has these when the grace is over."""
        self._checks.start(addresses, self._now_s() + self._timing.grace_s)
        self._due_earlier.set()

    def hold(self, addresses: Iterable[IPAddress]) -> None:
        """Ask who has these, until nobody does."""
        self.holds.start(in_order(addresses), self._now_s())
        self._due_earlier.set()

    def claim(self, address: IPAddress) -> None:
        """Take in that another host claims an address."""
        self.holds.claim(address, self._now_s())

    def stop(self, addresses: Iterable[IPAddress]) -> None:
        """Say nothing more of these."""
        gone = list(addresses)
        for each in self._plans:
            each.stop(gone)

    async def run(self) -> None:
        """Send for ever."""
        while True:
            self._due_earlier.clear()
            await self._send_round(self._bursts.due, _announcements)
            for index, renewal in list(self._renewals.items()):
                await self._send_round(renewal.due, _announcements, index)
                if renewal.next_at_s is None:
                    del self._renewals[index]
            await self._send_round(self._repetitions.due, _announcements)
            await self._send_round(self._checks.due, _questions)
            await self._send_round(self.holds.questions, _probes)
            if free := self.holds.free(self._now_s()):
                await self._freed(free)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._next_at_s()):
                    await self._due_earlier.wait()

    @property
    def _plans(self) -> list[Bursts | Holds]:
        return [self._bursts, self._repetitions, self._checks, self.holds, *self._renewals.values()]

    def _next_at_s(self) -> float | None:
        return min((each.next_at_s for each in self._plans if each.next_at_s is not None), default=None)

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()

    async def _send_round(
        self,
        due: Callable[[float], Sequence[IPAddress]],
        build: Callable[[IPAddress, Interface], Iterable[bytes]],
        only: int | None = None,
    ) -> None:
        addresses = due(self._now_s())
        for start in range(0, len(addresses), _ADDRESSES_AT_ONCE):
            some = addresses[start : start + _ADDRESSES_AT_ONCE]
            # One may have been lost since the round began.
            spoken_of = [each for each in some if self._replies.knows(each)]
            await self._replies.send(self._frames(spoken_of, build, only))
            await asyncio.sleep(0)  # the event loop has other things to do too

    def _frames(
        self,
        addresses: Iterable[IPAddress],
        build: Callable[[IPAddress, Interface], Iterable[bytes]],
        only: int | None,
    ) -> Iterator[Row]:
        interfaces = {protocol: self._replies.open_interfaces(protocol) for protocol in Protocol}
        for address in addresses:
            protocol = Protocol(address.version)
            for interface in interfaces[protocol]:
                if only in (None, interface.index) and self._replies.is_for(address, interface.name):
                    for frame in build(address, interface):
                        yield protocol, interface.index, frame


def build_templates(interfaces: Iterable[Interface]) -> None:
    """Build what is the same in all announcements on these interfaces; imports scapy at the first time."""
    for each in interfaces:
        _announcements(IPv4Address(0), each)
        _announcements(IPv6Address(0), each)


def in_order(addresses: Iterable[IPAddress]) -> list[IPAddress]:
    """Sort addresses of both families."""
    return sorted(addresses, key=lambda address: (address.version, int(address)))


def _announcements(address: IPAddress, interface: Interface) -> Sequence[bytes]:
    if isinstance(address, IPv4Address):
        return arp.gratuitous(address, interface.mac)
    return (ndp.unsolicited(address, interface.mac, interface.link_local),) if interface.link_local else ()


def _questions(address: IPAddress, interface: Interface) -> Sequence[bytes]:
    if isinstance(address, IPv4Address):
        return (arp.probe(address, interface.mac),)
    return (ndp.probe(address, interface.mac, interface.link_local),) if interface.link_local else ()


def _probes(address: IPAddress, interface: Interface) -> Sequence[bytes]:
    if isinstance(address, IPv4Address):
        return (arp.probe(address, interface.mac),)
    return (ndp.duplicate_probe(address, interface.mac),)
