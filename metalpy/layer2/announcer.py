"""Announcing addresses on the LAN: the speaker says which, and this keeps the network in that state.

    async with Announcer() as announcer:
        await announcer.announce(frozenset({IPv4Address("192.168.1.240")}))

Promises: `announce` takes the complete set, and returns when exactly that set is answered for. Only addresses
gained are announced unasked; nothing else happens on the network when a set is repeated, when the reply
process has to be started anew, or when an interface comes. Interfaces come and go by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Self

import structlog

from metalpy.errors import CapabilityError
from metalpy.layer2 import arp
from metalpy.layer2.bursts import INTERVAL_S, Bursts
from metalpy.layer2.child import Child
from metalpy.layer2.control import Kind
from metalpy.layer2.interfaces import Interface, watch

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping, Sequence
    from types import TracebackType

    from metalpy.layer2.control import Row
    from metalpy.model import IPAddress

log = structlog.get_logger()

RETRY_S = 1.0
"""Pause before an interface that failed is opened again, and between starts of a reply process that dies at once."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened for one address since this speaker started, over all interfaces."""

    requests_received: int = 0
    responses_sent: int = 0
    gratuitous_sent: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.requests_received + other.requests_received,
            self.responses_sent + other.responses_sent,
            self.gratuitous_sent + other.gratuitous_sent,
        )


_NOTHING = Counts()
_ADDRESSES_AT_ONCE = 256
"""How many addresses' frames are built between two turns of the event loop: about a millisecond's worth."""


class Announcer:
    """Announces addresses on the interfaces of the given names, or on all that can; an async context manager.

    `interval_s` lies between two rounds of a burst. Entering starts the reply process and returns when it
    answers on the interfaces of now; raises `CapabilityError` where it may not. Leaving ends all answers at once.
    """

    def __init__(self, interfaces: Sequence[str] = (), *, interval_s: float = INTERVAL_S) -> None:
        self._names = tuple(interfaces)
        self._bursts = Bursts(interval_s)
        self._burst_started = asyncio.Event()
        self._wanted: frozenset[IPAddress] = frozenset()
        self._addresses: set[IPv4Address] = set()
        """The wanted addresses that are answered for."""
        self._interfaces: dict[int, Interface] = {}
        self._macs: dict[int, str] = {}
        """The last MAC of every interface there ever was."""
        # What the running reply process was told, and what it counted; `_earlier` is what those before it counted.
        self._told: set[IPv4Address] = set()
        self._open: dict[int, Interface] = {}
        self._answering: set[int] = set()
        """Indices of the open interfaces that it reported as opened."""
        self._counts: dict[IPv4Address, Counts] = {}
        self._earlier: dict[IPv4Address, Counts] = {}
        self._filling = asyncio.Lock()
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()
        self._child: Child

    async def __aenter__(self) -> Self:
        self._child = await Child.start()
        await self._group.__aenter__()
        ready = asyncio.Event()
        self._spawn(self._keep_child())
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
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            await self._group.__aexit__(kind, error, trace)
        else:
            await self._group.__aexit__(None, None, None)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._group.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def pid(self) -> int:
        """The process id of the reply process that runs now."""
        return self._child.pid

    async def announce(self, addresses: frozenset[IPAddress]) -> None:
        """Make `addresses` the complete set that is announced; returns when it is in force.

        Those gained are announced unasked, five times from now on; those lost are not mentioned again. Should the
        reply process die just now, this returns without waiting for the next one, which gets the set first of all.
        """
        gained, lost = addresses - self._wanted, self._wanted - addresses
        self._wanted = addresses
        for address in sorted(address for address in gained if address.version != 4):  # noqa: PLR2004 - IP version
            log.warning("IPv6 address is not announced: NDP is not there yet", op="setBalancer", ip=str(address))
        new = sorted(address for address in gained if isinstance(address, IPv4Address))
        old = [address for address in lost if isinstance(address, IPv4Address)]
        self._addresses.update(new)
        self._addresses.difference_update(old)
        self._bursts.stop(old)
        await self._fill()
        self._burst([address for address in new if address in self._addresses])

    async def counts(self) -> Mapping[IPAddress, Counts]:
        """Return the counters that are not all 0, of addresses announced now or earlier; they never decrease.

        What a reply process that died had counted since the last call is missing.
        """
        await self._child.tell(Kind.COUNT)
        await self._child.settle()
        return {
            address: self._earlier.get(address, _NOTHING) + self._counts.get(address, _NOTHING)
            for address in {**self._earlier, **self._counts}
        }

    def _burst(self, addresses: list[IPv4Address]) -> None:
        self._bursts.start(addresses, asyncio.get_running_loop().time())
        self._burst_started.set()

    async def _announce_unasked(self) -> None:
        """Send the rounds of bursts when they are due."""
        loop = asyncio.get_running_loop()
        while True:
            await self._send_round(self._bursts.due(loop.time()))
            self._burst_started.clear()
            next_at_s = self._bursts.next_at_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_at_s):
                    await self._burst_started.wait()

    async def _send_round(self, addresses: Sequence[IPv4Address]) -> None:
        for start in range(0, len(addresses), _ADDRESSES_AT_ONCE):
            await self._child.tell(Kind.SEND, self._frames(addresses[start : start + _ADDRESSES_AT_ONCE]))
            await asyncio.sleep(0)  # the event loop has other things to do too

    def _frames(self, addresses: Sequence[IPv4Address]) -> Iterator[Row]:
        for address in addresses:
            if address in self._addresses:  # it may have been lost since the round began
                for interface in self._open.values():
                    for frame in arp.gratuitous(address, interface.mac):
                        yield interface.index, frame

    async def _follow_interfaces(self, ready: asyncio.Event) -> None:
        """Keep to the interfaces that there are; sets `ready` once those of the start are answered on."""
        async with contextlib.aclosing(watch(self._names)) as changes:
            async for interfaces in changes:
                for mac in {interface.mac for interface in interfaces}:
                    # Builds the templates now, and imports scapy at the first time, beside the event loop.
                    await asyncio.to_thread(arp.gratuitous, IPv4Address(0), mac)
                has_new_mac = any(self._macs.get(each.index, each.mac) != each.mac for each in interfaces)
                self._macs.update((each.index, each.mac) for each in interfaces)
                self._interfaces = {each.index: each for each in interfaces}
                await self._fill()
                if has_new_mac:  # neighbours still send to the old one
                    self._burst(sorted(self._addresses))
                ready.set()

    async def _fill(self) -> None:
        """Tell the reply process the difference between what it was told and what is wanted, and wait for it."""
        async with self._filling:
            child, wanted = self._child, dict(self._interfaces)
            closed = [each for index, each in self._open.items() if wanted.get(index) != each]
            opened = [each for index, each in wanted.items() if self._open.get(index) != each]
            lost, gained = self._told - self._addresses, self._addresses - self._told
            self._open, self._told = wanted, set(self._addresses)
            await child.tell(Kind.CLOSE, [(each.index,) for each in closed])
            await child.tell(Kind.REMOVE, [(address.packed,) for address in lost])
            await child.tell(Kind.ADD, [(address.packed,) for address in gained])
            await child.tell(Kind.OPEN, [(each.index, arp.mac_bytes(each.mac)) for each in opened])
            for each in closed:
                self._answering.discard(each.index)
                log.info("deleted ARP responder", event_name="deleteARPResponder", interface=each.name)
            await child.settle()

    async def _fill_later(self) -> None:
        await asyncio.sleep(RETRY_S)
        await self._fill()

    async def _keep_child(self) -> None:
        """Hear what the reply process reports; when it dies, start it anew and give it all that is in force."""
        loop = asyncio.get_running_loop()
        while True:
            started_s = loop.time()
            try:
                async for kind, rows in self._child.messages():
                    self._hear(kind, rows)
            finally:
                status = await self._child.close()
            log.error("ARP reply process died; starting it anew", op="arpReply", status=status)
            for address, counts in self._counts.items():
                self._earlier[address] = self._earlier.get(address, _NOTHING) + counts
            self._counts, self._told, self._open, self._answering = {}, set(), {}, set()
            if loop.time() - started_s < RETRY_S:
                await asyncio.sleep(RETRY_S)
            self._child = await self._start_again()
            self._spawn(self._fill())

    async def _start_again(self) -> Child:
        while True:
            try:
                return await Child.start()
            except (CapabilityError, OSError) as error:
                log.error("cannot start the ARP reply process", op="arpReply", error=str(error))
                await asyncio.sleep(RETRY_S)

    def _hear(self, kind: Kind, rows: Sequence[Row]) -> None:
        match kind:
            case Kind.OPENED:
                for (index,) in rows:
                    self._answering.add(index)
                    log.info("created ARP responder", event_name="createARPResponder", interface=self._name(index))
            case Kind.LOST:
                for index, code in rows:
                    self._lose(index, os.strerror(code))
            case Kind.UNSENT:
                for index, code, many in rows:
                    log.error(
                        "cannot announce addresses unasked",
                        op="gratuitousAnnounce",
                        interface=self._name(index),
                        error=os.strerror(code),
                        frames=many,
                    )
            case Kind.COUNTS:
                self._counts.update((IPv4Address(address), Counts(*numbers)) for address, *numbers in rows)

    def _lose(self, index: int, error: str) -> None:
        """Note that an interface failed; it is opened again later, or at once when netlink reports it back."""
        name = self._name(index)
        if not self._open.pop(index, None):
            return  # closed already: netlink was faster
        if index in self._answering:
            self._answering.discard(index)
            log.warning("deleted ARP responder", event_name="deleteARPResponder", interface=name, error=error)
        else:
            log.error("cannot create ARP responder", op="createARPResponder", interface=name, error=error)
        self._spawn(self._fill_later())

    def _name(self, index: int) -> str:
        interface = self._open.get(index) or self._interfaces.get(index)
        return interface.name if interface else f"#{index}"
