"""The reply path as the announcer sees it: a process that is kept running and told what there is to answer for."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import structlog

from metalpy.errors import CapabilityError
from metalpy.layer2.child import Child
from metalpy.layer2.control import Kind, Protocol, narrow
from metalpy.layer2.rows import everywhere, on_interfaces, opening, ports_of, restricted, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence

    from metalpy.layer2.control import Row
    from metalpy.layer2.interfaces import Interface
    from metalpy.model import IPAddress

log = structlog.get_logger()

RETRY_S = 1.0
"""Pause before a port that failed is opened again, and between starts of a reply process that dies at once."""


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


class ReplyPath:
    """Keeps a reply process in the state that `addresses` and `interfaces` say, after each call of `fill`.

    `spawn` starts a task that ends with the announcer's others; `claimed` is told the address, the interface's name
    and the MAC when another host claims an address.
    """

    def __init__(
        self,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        claimed: Callable[[IPAddress, str, str], None],
        *,
        orphan_s: float = 0,
        instance: str = "",
    ) -> None:
        self.addresses: frozenset[IPAddress] | None = None
        """What to answer for; None as long as nobody has said."""
        self.watched: frozenset[IPAddress] = frozenset()
        """What to report claims to without answering for it."""
        self.only: Mapping[IPAddress, frozenset[str]] = {}
        """The interfaces that an address is for, by name; one that is not here is for every one."""
        self.interfaces: frozenset[Interface] = frozenset()
        self._spawn = spawn
        self._claimed = claimed
        self._orphan_s = orphan_s
        self._instance = instance
        self._filling = asyncio.Lock()
        self._counts: dict[IPAddress, Counts] = {}
        self._earlier: dict[IPAddress, Counts] = {}
        """What the processes before the running one counted."""
        self._child: Child
        self._begin()

    def _begin(self) -> None:
        """Forget what the process that ran was told."""
        self._told: frozenset[IPAddress] = frozenset()
        self._told_here: frozenset[tuple[int, IPAddress]] = frozenset()
        """The addresses that are not for every interface, each by the index of one that it is for."""
        self._told_watched: frozenset[IPAddress] = frozenset()
        self._took_over = False
        self._open: dict[tuple[Protocol, int], Interface] = {}
        self._answering: set[tuple[Protocol, int]] = set()
        """The open ports that it reported as opened."""

    async def start(self) -> None:
        """Start the process. Raises `CapabilityError` if it may not open packet sockets."""
        self._child = await Child.start(self._orphan_s, self._instance)

    async def end(self, linger_s: float) -> None:
        """End the process at once, or leave it behind for so long."""
        await (self._child.leave(linger_s) if linger_s > 0 else self._child.close())

    @property
    def pid(self) -> int:
        """The process id of the reply process that runs now."""
        return self._child.pid

    def open_interfaces(self, protocol: Protocol) -> list[Interface]:
        """Give the interfaces that this protocol is spoken on."""
        return [each for (spoken, _), each in self._open.items() if spoken is protocol]

    def knows(self, address: IPAddress) -> bool:
        """Tell whether an address is to be answered for, or watched."""
        return address in self.watched or (self.addresses is not None and address in self.addresses)

    def is_for(self, address: IPAddress, interface: str) -> bool:
        """Tell whether an address, if it is announced, is announced on the interface of that name."""
        names = self.only.get(address)
        return names is None or interface in names

    async def send(self, frames: Iterable[Row]) -> None:
        """Put frames on the wire; rows as `Kind.SEND` has them."""
        await self._child.tell(Kind.SEND, frames)

    async def counts(self) -> Mapping[IPAddress, Counts]:
        """Return the counters that are not all 0; without what a process that died counted since the last call."""
        await self._child.tell(Kind.COUNT)
        await self._child.settle()
        return {
            address: self._earlier.get(address, _NOTHING) + self._counts.get(address, _NOTHING)
            for address in {**self._earlier, **self._counts}
        }

    async def fill(self) -> None:
        """Tell the process the difference between what it was told and what is wanted, and wait for it."""
        async with self._filling:
            child, wanted, addresses = self._child, ports_of(self.interfaces), self.addresses or frozenset()
            here = restricted(addresses, self.only, self.interfaces)
            addresses = addresses.difference(self.only)
            closed = {port: each for port, each in self._open.items() if wanted.get(port) != each}
            opened = {port: each for port, each in wanted.items() if self._open.get(port) != each}
            lost, gained = self._told - addresses, addresses - self._told
            lost_here, gained_here = self._told_here - here, here - self._told_here
            unwatched, watched = self._told_watched - self.watched, self.watched - self._told_watched
            self._open, self._told, self._told_watched = wanted, addresses, self.watched
            self._told_here = here
            await child.tell(Kind.CLOSE, closed)
            # First what is added: an address that is for other interfaces now is answered for all the time.
            await child.tell(Kind.ADD, [*everywhere(gained), *on_interfaces(gained_here)])
            await child.tell(Kind.REMOVE, [*everywhere(lost), *on_interfaces(lost_here)])
            await child.tell(Kind.UNWATCH, rows_of(unwatched))
            await child.tell(Kind.WATCH, rows_of(watched))
            await child.tell(Kind.OPEN, [opening(protocol, each) for (protocol, _), each in opened.items()])
            for (protocol, index), each in closed.items():
                self._answering.discard((protocol, index))
                _log_deleted(protocol, each.name)
            if self.addresses is not None and not self._took_over:
                self._took_over = True
                await child.tell(Kind.TAKE_OVER)
            await child.settle()

    async def _fill_later(self) -> None:
        await asyncio.sleep(RETRY_S)
        await self.fill()

    async def keep(self) -> None:
        """Hear what the process reports; when it dies, start it anew and give it all that is in force."""
        loop = asyncio.get_running_loop()
        while True:
            started_s = loop.time()
            async for kind, rows in self._child.messages():
                self._hear(kind, rows)
            status = await self._child.close()
            log.error("ARP reply process died; starting it anew", op="arpReply", status=status)
            for address, counts in self._counts.items():
                self._earlier[address] = self._earlier.get(address, _NOTHING) + counts
            self._counts = {}
            if loop.time() - started_s < RETRY_S:
                await asyncio.sleep(RETRY_S)
            await self._start_again()
            async with self._filling:  # what was told until now, the process that died was told
                self._begin()
            self._spawn(self.fill())

    async def _start_again(self) -> None:
        while True:
            try:
                await self.start()
            except (CapabilityError, OSError) as error:
                log.error("cannot start the ARP reply process", op="arpReply", error=str(error))
                await asyncio.sleep(RETRY_S)
            else:
                return

    def _hear(self, kind: Kind, rows: Sequence[Row]) -> None:
        match kind:
            case Kind.OPENED:
                for number, index in rows:
                    self._note_opened(Protocol(number), index)
            case Kind.LOST:
                for number, index, code in rows:
                    self._lose(Protocol(number), index, os.strerror(code))
            case Kind.UNSENT:
                for number, index, code, many in rows:
                    name, error = self._name(Protocol(number), index), os.strerror(code)
                    text = "cannot announce addresses unasked"
                    log.error(text, op="gratuitousAnnounce", interface=name, error=error, frames=many)
            case Kind.UNJOINED:
                for index, code, many in rows:
                    name, error = self._name(Protocol.NDP, index), os.strerror(code)
                    text = "cannot join the multicast groups in which hosts ask for IPv6 addresses"
                    log.error(text, op="watchMulticastGroup", interface=name, error=error, groups=many)
            case Kind.CLAIMED:
                for index, address, mac in rows:
                    name = self._name(Protocol.of(narrow(address)), index)
                    self._claimed(ip_address(narrow(address)), name, mac.hex(":"))
            case Kind.COUNTS:
                for address, *numbers in rows:
                    self._counts[ip_address(narrow(address))] = Counts(*numbers)

    def _note_opened(self, protocol: Protocol, index: int) -> None:
        self._answering.add((protocol, index))
        text, event = f"created {protocol.name} responder", f"create{protocol.name}Responder"
        log.info(text, event_name=event, interface=self._name(protocol, index))

    def _lose(self, protocol: Protocol, index: int, error: str) -> None:
        """Note that a port failed; it is opened again later, or at once when netlink reports its interface back."""
        name = self._name(protocol, index)
        if not self._open.pop((protocol, index), None):
            return  # closed already: netlink was faster
        if (protocol, index) in self._answering:
            self._answering.discard((protocol, index))
            _log_deleted(protocol, name, error=error)
        else:
            text, event = f"cannot create {protocol.name} responder", f"create{protocol.name}Responder"
            log.error(text, op=event, interface=name, error=error)
        self._spawn(self._fill_later())

    def _name(self, protocol: Protocol, index: int) -> str:
        if interface := self._open.get((protocol, index)):
            return interface.name
        return next((each.name for each in self.interfaces if each.index == index), f"#{index}")


def _log_deleted(protocol: Protocol, name: str, **error: str) -> None:
    tell = log.warning if error else log.info
    text, event = f"deleted {protocol.name} responder", f"delete{protocol.name}Responder"
    tell(text, event_name=event, interface=name, **error)
