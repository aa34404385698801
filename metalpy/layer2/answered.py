"""What the reply process answers for: addresses on every interface, and others on some only."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from metalpy.layer2 import ndp
from metalpy.layer2.control import Protocol, narrow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from metalpy.layer2.control import Row
    from metalpy.layer2.ports import Table

EVERYWHERE = 0
"""In the place of an interface's index, which is never 0: on every interface."""


class Answered:
    """Addresses with their counters, by interface; one thread changes them, others look things up meanwhile."""

    def __init__(self) -> None:
        self.counts: Table = {}
        """The counters of withdrawn addresses too: they go on when the address is back."""
        self._tables: dict[int, Table] = {EVERYWHERE: {}}
        self._groups: defaultdict[int, Counter[bytes]] = defaultdict(Counter)
        """How many addresses need each multicast group."""

    def __bool__(self) -> bool:
        return any(self._tables.values())

    def table(self, index: int) -> Table:
        """Give the addresses of one interface alone, or those of every one; it stays the same object."""
        return self._tables.setdefault(index, {})

    def add(self, index: int, addresses: Collection[bytes]) -> set[bytes]:
        """Answer for these there; gives the groups that were not needed there before."""
        table, needed = self.table(index), self._groups[index]
        new = [address for address in addresses if address not in table]
        for address in new:
            table[address] = self.counts.setdefault(address, [0, 0, 0])
        groups = Counter(_groups_of(new))
        before = needed.keys() & groups.keys()
        needed += groups
        return groups.keys() - before

    def remove(self, index: int, addresses: Iterable[bytes]) -> tuple[list[bytes], set[bytes]]:
        """No longer answer for these there; gives those that were, and the groups that are not needed there now."""
        table = self._tables.get(index, {})
        gone = [address for address in addresses if table.pop(address, None)]
        groups, needed = Counter(_groups_of(gone)), self._groups[index]
        needed -= groups
        return gone, groups.keys() - needed.keys()

    def forget(self, index: int) -> None:
        """Keep nothing for an interface on which nobody answers any more, unless there are addresses for it."""
        if index != EVERYWHERE and not self._tables.get(index):
            self._tables.pop(index, None)
            self._groups.pop(index, None)

    @property
    def places(self) -> set[int]:
        """The interfaces for which something is kept."""
        return {*self._tables, *self._groups}

    def give_up(self, address: bytes) -> None:
        """No longer answer for an address anywhere."""
        for table in list(self._tables.values()):
            table.pop(address, None)

    def has(self, address: bytes, index: int) -> bool:
        """Tell whether an address is answered for on an interface."""
        return address in self._tables[EVERYWHERE] or address in self._tables.get(index, ())

    def groups(self, index: int) -> set[bytes]:
        """Give the groups that an interface has to be in."""
        return {*self._groups[EVERYWHERE], *self._groups.get(index, ())}

    def addresses(self, protocol: Protocol) -> set[bytes]:
        """Give all addresses of a protocol."""
        return {address for table in self._tables.values() for address in table if Protocol.of(address) is protocol}


def by_interface(rows: Iterable[Row]) -> dict[int, list[bytes]]:
    """Sort the addresses of rows of `Kind.ADD` or `Kind.REMOVE`."""
    result: dict[int, list[bytes]] = {}
    for index, address in rows:
        result.setdefault(index, []).append(narrow(address))
    return result


def by_protocol(addresses: Iterable[bytes]) -> dict[Protocol, list[bytes]]:
    """Sort packed addresses."""
    result: dict[Protocol, list[bytes]] = {}
    for address in addresses:
        result.setdefault(Protocol.of(address), []).append(address)
    return result


def _groups_of(addresses: Iterable[bytes]) -> Iterable[bytes]:
    return (ndp.solicited_node(address) for address in addresses if Protocol.of(address) is Protocol.NDP)
