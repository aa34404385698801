"""Announcing addresses on the LAN: the speaker says which, and this keeps the network in that state.

    async with Announcer() as announcer:
        await announcer.announce(frozenset({IPv4Address("192.168.1.240")}))

Promises: `announce` takes the complete set, and returns when exactly that set is answered for (less what it is
first asked for who has it, which is an option). Only addresses
gained are announced unasked; nothing else happens on the network when a set is repeated, when the reply
process has to be started anew, or when an interface comes; but for one question, some seconds after the gain,
whether another host answers for the address. An interface that gets another MAC, or its carrier back, announces
all addresses again. Interfaces come and go by themselves; an address may be for some of them only, by name.
"""

from __future__ import annotations

import asyncio
import contextlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from metalpy.background import Background
from metalpy.layer2.absences import Absence, Absences
from metalpy.layer2.conflicts import Conflict, Conflicts
from metalpy.layer2.interfaces import ALL, watch
from metalpy.layer2.reply_path import Counts, ReplyPath
from metalpy.layer2.unasked import Timing, Unasked, build_templates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from types import TracebackType

    from metalpy.layer2.interfaces import Choice, Interface, Interfaces
    from metalpy.model import IPAddress

__all__ = ["ORPHAN_S", "Absence", "Announcer", "Conflict", "Counts", "Timing"]

ORPHAN_S = 10.0
"""How long addresses are answered for after the speaker died without a word: time enough to be started anew."""
EVERY_INTERFACE: Mapping[IPAddress, frozenset[str]] = MappingProxyType({})
"""No address is for some interfaces only."""


class Announcer:
    """Announces addresses on the chosen interfaces that can; an async context manager.

    Entering starts the reply process and returns when it answers on the interfaces of now; raises
    `CapabilityError` where it may not. Leaving ends all answers at once, unless `retire` asked otherwise.

    Should this process die, the reply process goes on for `orphan_s` seconds. The next announcer on this node
    (rather, in this network namespace) ends that with its first `announce`, once it answers itself. Announcers
    that work side by side on one node have different names as `instance`. Claims of other hosts are no conflict
    unless they go on for `timing.grace_s`. With `asks_first` a gained address is not announced, nor answered for, while
    another host answers for it: 0.3 s at least (holds.py).
    """

    def __init__(
        self,
        choice: Choice = ALL,
        *,
        timing: Timing = Timing(),  # noqa: B008 - a value, like any constant
        orphan_s: float = ORPHAN_S,
        instance: str = "",
        asks_first: bool = False,
    ) -> None:
        self._choice = choice
        self._asks_first = asks_first
        self._linger_s = 0.0
        self._conflicts = Conflicts(timing.grace_s)
        self._own_macs: frozenset[str] = frozenset()
        self._addresses: frozenset[IPAddress] = frozenset()
        self._absences = Absences()
        self._macs: dict[int, str] = {}
        """The last MAC with which each interface that there is announced."""
        self._carriers: Mapping[int, int] = {}
        self._background = Background()
        self._is_prepared = False
        """Frames to announce with are built beforehand, for each interface."""
        self._has_templates = asyncio.Event()
        self._replies = ReplyPath(self._background.spawn, self._hear_claim, orphan_s=orphan_s, instance=instance)
        self._unasked = Unasked(self._replies, timing, self._announce_freed)

    async def __aenter__(self) -> Self:
        await self._replies.start()
        await self._background.__aenter__()
        ready = asyncio.Event()
        self._background.spawn(self._replies.keep())
        self._background.spawn(self._follow_interfaces(ready))
        self._background.spawn(self._unasked.run())
        try:
            await ready.wait()
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._background.__aexit__(kind, error, trace)
        finally:
            await self._replies.end(self._linger_s)

    @property
    def pid(self) -> int:
        """The process id of the reply process that runs now."""
        return self._replies.pid

    def prepare(self) -> None:
        """Have at hand what announcing takes, before there is anything to announce: scapy takes 0.2 s and 40 MB."""
        if not self._is_prepared:
            self._is_prepared = True
            self._background.spawn(self._build_templates(self._replies.interfaces))

    async def _build_templates(self, interfaces: frozenset[Interface]) -> None:
        await asyncio.to_thread(build_templates, interfaces)  # beside the event loop
        self._has_templates.set()

    async def announce(
        self, addresses: frozenset[IPAddress], only: Mapping[IPAddress, frozenset[str]] = EVERY_INTERFACE
    ) -> None:
        """Make `addresses` the complete set that is announced; returns when it is in force.

        `only` names the interfaces of those that are not for every one. Those gained, or gained for an interface,
        are announced unasked, five times from now on; those lost are not mentioned again. Should the
        reply process die just now, this returns without waiting for the next one, which gets the set first of all.
        """
        if addresses:
            self.prepare()
            await self._has_templates.wait()
        gained, lost = addresses - self._addresses, self._addresses - addresses
        widened = (addresses - gained) & _widened(self._replies.only, only)
        self._addresses = addresses
        self._replies.only = {address: only[address] for address in only.keys() & addresses}
        self._unasked.stop(lost)
        self._conflicts.lose(lost)
        if self._asks_first:
            self._conflicts.gain(gained, asyncio.get_running_loop().time())
            self._unasked.hold(gained)
        await self._fill()
        self._look_for_absent()
        # Another call may have taken some away meanwhile. What is held is announced when it is free.
        self._announce_unasked((gained | widened) & self._addresses - self._unasked.holds.addresses)

    def _look_for_absent(self) -> None:
        self._absences.look(self._replies.only, {each.name for each in self._replies.interfaces})

    async def _fill(self) -> None:
        """Bring the reply process up to date.

        While all that is announced is held for the first time, the reply process of an earlier speaker is left alone.
        """
        self._replies.watched = frozenset(self._unasked.holds.addresses)
        answered = self._addresses - self._replies.watched
        if answered or not self._replies.watched or self._replies.addresses is not None:
            self._replies.addresses = answered
        await self._replies.fill()

    async def _announce_freed(self, addresses: Sequence[IPAddress]) -> None:
        """Announce what was held and is claimed by nobody."""
        await self._fill()
        self._announce_unasked(self._addresses.intersection(addresses))

    def _announce_unasked(self, addresses: frozenset[IPAddress]) -> None:
        self._conflicts.gain(addresses, asyncio.get_running_loop().time())
        self._unasked.announce(addresses)

    async def retire(self, still: frozenset[IPAddress], linger_s: float) -> None:
        """Announce `still` only, and go on answering for that for `linger_s` seconds after this announcer is left.

        Nothing is announced unasked any more. An announcer that starts on this node meanwhile takes over.
        """
        await self.announce(self._addresses & still, self._replies.only)
        self._unasked.stop(self._addresses)
        self._linger_s = linger_s

    async def counts(self) -> Mapping[IPAddress, Counts]:
        """Return the counters that are not all 0, of addresses announced now or earlier; they never decrease.

        What a reply process that died had counted since the last call is missing.
        """
        return await self._replies.counts()

    @property
    def conflict_counts(self) -> Mapping[IPAddress, int]:
        """How many conflicts there were, by address."""
        return self._conflicts.counts

    async def conflicts(self) -> AsyncIterator[Conflict]:
        """Yield, for ever, when another host claims an announced address: each address once a minute at most.

        They are logged in any case. For one listener.
        """
        while True:
            yield await self._conflicts.next()

    async def absences(self) -> AsyncIterator[Absence]:
        """Yield, for ever, when an announced address has none of the interfaces that it is for.

        They are logged in any case. For one listener.
        """
        while True:
            yield await self._absences.next()

    def _hear_claim(self, address: IPAddress, interface: str, mac: str) -> None:
        if mac not in self._own_macs and self._replies.is_for(address, interface):
            self._unasked.claim(address)
            if self._conflicts.claim(address, interface, mac, asyncio.get_running_loop().time()):
                self._unasked.check([address])

    async def _follow_interfaces(self, ready: asyncio.Event) -> None:
        """Keep to the interfaces that there are; sets `ready` once those of the start are answered on."""
        async with contextlib.aclosing(watch(self._choice)) as changes:
            async for current in changes:
                self._own_macs = current.macs
                if self._is_prepared:
                    await self._build_templates(current.announcing)
                renewed = self._note_renewed(current)
                self._replies.interfaces = current.announcing
                await self._replies.fill()
                self._look_for_absent()
                for index in renewed:
                    self._unasked.renew(index, self._addresses - self._unasked.holds.addresses)
                ready.set()

    def _note_renewed(self, current: Interfaces) -> list[int]:
        """Give the interfaces that the LAN knows otherwise: by another MAC, or from before a cable was out."""

        def is_renewed(each: Interface) -> bool:
            changes = current.carriers.get(each.index)
            has_new_carrier = changes is not None and changes != self._carriers.get(each.index)
            return each.index in self._macs and (self._macs[each.index] != each.mac or has_new_carrier)

        renewed = [each.index for each in current.announcing if is_renewed(each)]
        self._macs = {index: mac for index, mac in self._macs.items() if index in current.indexes}
        self._macs.update((each.index, each.mac) for each in current.announcing)
        self._carriers = current.carriers
        return renewed


def _widened(
    before: Mapping[IPAddress, frozenset[str]], after: Mapping[IPAddress, frozenset[str]]
) -> frozenset[IPAddress]:
    """Give the addresses that are for an interface now that they were not for."""
    return frozenset(address for address, names in before.items() if address not in after or after[address] - names)
