"""Announcing addresses on the LAN: the speaker says which, and this keeps the network in that state.

    async with Announcer() as announcer:
        await announcer.announce(frozenset({IPv4Address("192.168.1.240")}))

Promises: `announce` takes the complete set, and returns when exactly that set is answered for. Only addresses
gained are announced unasked; nothing else happens on the network when a set is repeated, when the reply
process has to be started anew, or when an interface comes; but for one question, some seconds after the gain,
whether another host answers for the address. Interfaces come and go by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, Self

from metalpy.layer2 import arp, ndp
from metalpy.layer2.bursts import INTERVAL_S, Bursts
from metalpy.layer2.conflicts import GRACE_S, Conflict, Conflicts
from metalpy.layer2.control import Protocol
from metalpy.layer2.interfaces import watch
from metalpy.layer2.reply_path import Counts, ReplyPath

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from metalpy.layer2.control import Row
    from metalpy.layer2.interfaces import Interface
    from metalpy.model import IPAddress

__all__ = ["ORPHAN_S", "Announcer", "Conflict", "Counts"]

ORPHAN_S = 10.0
"""How long addresses are answered for after the speaker died without a word: time enough to be started anew."""
_ADDRESSES_AT_ONCE = 256
"""How many addresses' frames are built between two turns of the event loop: about a millisecond's worth."""


class Announcer:
    """Announces addresses on the interfaces of the given names, or on all that can; an async context manager.

    `interval_s` lies between two rounds of a burst. Entering starts the reply process and returns when it
    answers on the interfaces of now; raises `CapabilityError` where it may not. Leaving ends all answers at once,
    unless `retire` asked otherwise.

    Should this process die, the reply process goes on for `orphan_s` seconds. The next announcer on this node
    (rather, in this network namespace) ends that with its first `announce`, once it answers itself. Announcers
    that work side by side on one node have different names as `instance`. Claims of other hosts are no conflict
    within `grace_s` of the gain.
    """

    def __init__(
        self,
        interfaces: Sequence[str] = (),
        *,
        interval_s: float = INTERVAL_S,
        orphan_s: float = ORPHAN_S,
        instance: str = "",
        grace_s: float = GRACE_S,
    ) -> None:
        self._names = tuple(interfaces)
        self._linger_s = 0.0
        self._grace_s = grace_s
        self._bursts = Bursts(interval_s)
        self._checks = Bursts(rounds=1)
        """When it is asked whether another host has an address."""
        self._changed = asyncio.Event()
        """Something may be due earlier than it was."""
        self._conflicts = Conflicts(grace_s)
        self._own_macs: frozenset[str] = frozenset()
        self._addresses: frozenset[IPAddress] = frozenset()
        self._macs: dict[int, str] = {}
        """The last MAC of every interface there ever was."""
        self._replies = ReplyPath(self._spawn, self._hear_claim, orphan_s=orphan_s, instance=instance)
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._replies.start()
        await self._group.__aenter__()
        ready = asyncio.Event()
        self._spawn(self._replies.keep())
        self._spawn(self._follow_interfaces(ready))
        self._spawn(self._announce_unasked())
        try:
            await ready.wait()
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        # A task group needs to know of a cancellation, which may be its own; other errors are not its business.
        own = (kind, error, trace) if kind and issubclass(kind, asyncio.CancelledError) else (None, None, None)
        try:
            await self._group.__aexit__(*own)
        finally:
            await self._replies.end(self._linger_s)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._group.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def pid(self) -> int:
        """The process id of the reply process that runs now."""
        return self._replies.pid

    async def announce(self, addresses: frozenset[IPAddress]) -> None:
        """Make `addresses` the complete set that is announced; returns when it is in force.

        Those gained are announced unasked, five times from now on; those lost are not mentioned again. Should the
        reply process die just now, this returns without waiting for the next one, which gets the set first of all.
        """
        gained, lost = addresses - self._addresses, self._addresses - addresses
        self._addresses = self._replies.addresses = addresses
        self._bursts.stop(lost)
        self._checks.stop(lost)
        self._conflicts.lose(lost)
        await self._replies.fill()
        gained &= self._addresses  # another call may have taken some away meanwhile
        now_s = asyncio.get_running_loop().time()
        self._conflicts.gain(gained, now_s)
        self._checks.start(_in_order(gained), now_s + self._grace_s)
        self._burst(gained)

    async def retire(self, still: frozenset[IPAddress], linger_s: float) -> None:
        """Announce `still` only, and go on answering for that for `linger_s` seconds after this announcer is left.

        Nothing is announced unasked any more. An announcer that starts on this node meanwhile takes over.
        """
        await self.announce(self._addresses & still)
        self._bursts.stop(self._addresses)
        self._checks.stop(self._addresses)
        self._linger_s = linger_s

    async def counts(self) -> Mapping[IPAddress, Counts]:
        """Return the counters that are not all 0, of addresses announced now or earlier; they never decrease.

        What a reply process that died had counted since the last call is missing.
        """
        return await self._replies.counts()

    async def conflicts(self) -> AsyncIterator[Conflict]:
        """Yield, for ever, when another host claims an announced address: each address once a minute at most.

        They are logged in any case. For one listener.
        """
        while True:
            yield await self._conflicts.next()

    def _hear_claim(self, address: IPAddress, interface: str, mac: str) -> None:
        if mac not in self._own_macs:
            self._conflicts.claim(address, interface, mac, asyncio.get_running_loop().time())

    def _burst(self, addresses: Iterable[IPAddress]) -> None:
        self._bursts.start(_in_order(addresses), asyncio.get_running_loop().time())
        self._changed.set()

    async def _announce_unasked(self) -> None:
        """Send the rounds of bursts, and the questions whether another host has an address, when they are due."""
        loop = asyncio.get_running_loop()
        while True:
            await self._send_round(self._bursts.due(loop.time()), _announcements)
            await self._send_round(self._checks.due(loop.time()), _questions)
            self._changed.clear()
            due_s = [at_s for at_s in (self._bursts.next_at_s, self._checks.next_at_s) if at_s is not None]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(due_s, default=None)):
                    await self._changed.wait()

    async def _send_round(
        self, addresses: Sequence[IPAddress], build: Callable[[IPAddress, Interface], Iterable[bytes]]
    ) -> None:
        for start in range(0, len(addresses), _ADDRESSES_AT_ONCE):
            some = addresses[start : start + _ADDRESSES_AT_ONCE]
            # One may have been lost since the round began.
            await self._replies.send(self._frames([each for each in some if each in self._addresses], build))
            await asyncio.sleep(0)  # the event loop has other things to do too

    def _frames(
        self, addresses: Iterable[IPAddress], build: Callable[[IPAddress, Interface], Iterable[bytes]]
    ) -> Iterator[Row]:
        interfaces = {protocol: self._replies.open_interfaces(protocol) for protocol in Protocol}
        for address in addresses:
            protocol = Protocol(address.version)
            for interface in interfaces[protocol]:
                for frame in build(address, interface):
                    yield protocol, interface.index, frame

    async def _follow_interfaces(self, ready: asyncio.Event) -> None:
        """Keep to the interfaces that there are; sets `ready` once those of the start are answered on."""
        async with contextlib.aclosing(watch(self._names)) as changes:
            async for interfaces, own_macs in changes:
                self._own_macs = own_macs
                # Imports scapy at the first time, beside the event loop.
                await asyncio.to_thread(_build_templates, interfaces)
                has_new_mac = any(self._macs.get(each.index, each.mac) != each.mac for each in interfaces)
                self._macs.update((each.index, each.mac) for each in interfaces)
                self._replies.interfaces = interfaces
                await self._replies.fill()
                if has_new_mac:  # neighbours still send to the old one
                    self._burst(self._addresses)
                ready.set()


def _build_templates(interfaces: Iterable[Interface]) -> None:
    for each in interfaces:
        _announcements(IPv4Address(0), each)
        _announcements(IPv6Address(0), each)


def _announcements(address: IPAddress, interface: Interface) -> Sequence[bytes]:
    if isinstance(address, IPv4Address):
        return arp.gratuitous(address, interface.mac)
    return (ndp.unsolicited(address, interface.mac, interface.link_local),) if interface.link_local else ()


def _questions(address: IPAddress, interface: Interface) -> Sequence[bytes]:
    if isinstance(address, IPv4Address):
        return (arp.probe(address, interface.mac),)
    return (ndp.probe(address, interface.mac, interface.link_local),) if interface.link_local else ()


def _in_order(addresses: Iterable[IPAddress]) -> list[IPAddress]:
    return sorted(addresses, key=lambda address: (address.version, int(address)))
