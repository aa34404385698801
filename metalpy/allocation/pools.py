"""The free-address index of one pool.

Addresses of a family are numbered by *position*: the usable ones, in the order in which they are handed out,
from 0 to capacity - 1 without gaps. So the first fit is the smallest free position, whatever the prefixes are
and whichever addresses `avoid-buggy-ips` leaves out, and a /0 or an IPv6 /64 costs no more than a /32: only runs
of free positions are stored.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sortedcontainers import SortedDict, SortedSet

from metalpy.model import Family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from metalpy.allocation.demand import Demand
    from metalpy.model import IPAddress, IPNetwork, Labels, Pool, ServicePort

_LAST_OCTETS = 256
_USABLE_OCTETS = 254
"""Of each /24 when `avoid-buggy-ips` leaves out .0 and .255."""
_SLICE_LENGTH = 24
_ADDRESS_TYPES: dict[int, type[IPAddress]] = {4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}


class FreeRuns:
    """The free positions from 0 to `capacity` - 1, as disjoint runs. Every operation is O(log runs)."""

    def __init__(self, capacity: int) -> None:
        # Keyed by the position after a run's last, so that taking from the front moves no key.
        self._start_by_end: SortedDict[int, int] = SortedDict({capacity: 0} if capacity else {})

    def first(self) -> int | None:
        """Give the smallest free position, None if all are taken."""
        return self._start_by_end.peekitem(0)[1] if self._start_by_end else None

    def take(self, position: int) -> None:
        """Mark a free position as taken."""
        end = self._start_by_end.keys()[self._start_by_end.bisect_right(position)]
        start = self._start_by_end[end]
        if position + 1 == end:
            del self._start_by_end[end]
        else:
            self._start_by_end[end] = position + 1
        if start < position:
            self._start_by_end[position] = start

    def release(self, position: int) -> None:
        """Mark a taken position as free, joining it with its neighbours."""
        start, end = position, position + 1
        if position in self._start_by_end:
            start = self._start_by_end.pop(position)
        after = self._start_by_end.bisect_right(position)
        if after < len(self._start_by_end):
            next_end, next_start = self._start_by_end.peekitem(after)
            if next_start == end:
                end = next_end
        self._start_by_end[end] = start


@dataclass(frozen=True, slots=True)
class _Block:
    """The usable addresses of one prefix, as numbers from `start` on: `size` of them, positions from `first` on.

    A sliced block is whole /24 networks of which .0 and .255 are left out; `start` is then its first .1.
    """

    order: int
    version: int
    start: int
    size: int
    first: int
    sliced: bool

    def address(self, position: int) -> IPAddress:
        offset = position - self.first
        if self.sliced:
            slices, octet = divmod(offset, _USABLE_OCTETS)
            offset = slices * _LAST_OCTETS + octet
        return _ADDRESS_TYPES[self.version](self.start + offset)

    def position(self, number: int) -> int | None:
        offset = number - self.start
        if self.sliced:
            slices, octet = divmod(offset, _LAST_OCTETS)
            if octet >= _USABLE_OCTETS:
                return None
            offset = slices * _USABLE_OCTETS + octet
        return self.first + offset if 0 <= offset < self.size else None


def _block(order: int, network: IPNetwork, first: int, *, avoid_buggy_ips: bool) -> _Block:
    start, size = int(network.network_address), network.num_addresses
    sliced = avoid_buggy_ips and network.prefixlen <= _SLICE_LENGTH
    if sliced:
        start, size = start + 1, size // _LAST_OCTETS * _USABLE_OCTETS
    elif avoid_buggy_ips:
        last = start + size - 1
        start += start % _LAST_OCTETS == 0
        last -= last % _LAST_OCTETS == _LAST_OCTETS - 1
        size = max(0, last - start + 1)
    return _Block(order, network.version, start, size, first, sliced)


@dataclass(slots=True)
class _Search:
    """What is known for one set of ports: positions below `bound` clash, but for those `reopened` since."""

    bound: int = 0
    reopened: SortedSet[int] = field(default_factory=SortedSet)


class SharedPositions:
    """The positions in use under one sharing key and backend key, searchable by the ports still free on them.

    What a search has found to clash is remembered per set of ports, so that no search walks over it again.
    """

    def __init__(self) -> None:
        self._positions: SortedSet[int] = SortedSet()
        self._searches: dict[frozenset[ServicePort], _Search] = {}

    def __len__(self) -> int:
        return len(self._positions)

    def add(self, position: int) -> None:
        """Add a position that came into use, or on which ports became free."""
        self._positions.add(position)
        for search in self._searches.values():
            if position < search.bound:
                search.reopened.add(position)

    def discard(self, position: int) -> None:
        """Forget a position that is no longer in use under these keys."""
        self._positions.discard(position)

    def first(self, ports: frozenset[ServicePort], fits: Callable[[int], bool], below: int | None) -> int | None:
        """Give the smallest position under `below` for which `fits` holds; `fits` depends on `ports` alone."""
        search = self._searches.setdefault(ports, _Search())
        for position in list(search.reopened.irange(None, below, inclusive=(True, False))):
            if fits(position):
                return int(position)
            search.reopened.discard(position)
        for position in self._positions.irange(search.bound, below, inclusive=(True, False)):
            if fits(position):
                search.bound = position
                return int(position)
            search.bound = position + 1
        return None


class FamilySpace:
    """All addresses of one family in a pool: positions, free runs, and which are shareable."""

    def __init__(self, prefixes: Sequence[tuple[int, IPNetwork]], *, avoid_buggy_ips: bool) -> None:
        self._blocks: list[_Block] = []
        self.capacity = 0
        for order, network in prefixes:
            block = _block(order, network, self.capacity, avoid_buggy_ips=avoid_buggy_ips)
            if block.size:
                self._blocks.append(block)
                self.capacity += block.size
        self.free = FreeRuns(self.capacity)
        self.shared: dict[tuple[str, Labels], SharedPositions] = {}
        self._firsts = [block.first for block in self._blocks]
        self._by_start = sorted(self._blocks, key=lambda block: block.start)
        self._starts = [block.start for block in self._by_start]

    def address(self, position: int) -> IPAddress:
        """Give the address at a position below the capacity."""
        return self._blocks[bisect_right(self._firsts, position) - 1].address(position)

    def position(self, address: IPAddress) -> int | None:
        """Give the position of an address, None if it is not a usable one of this space."""
        block = self._nearest(int(address))
        return block.position(int(address)) if block else None

    def _known_position(self, address: IPAddress) -> int:
        position = self.position(address)
        if position is None:
            raise ValueError(f"{address} is not a usable address of this pool")
        return position

    def order(self, address: IPAddress) -> int:
        """Tell in which of the pool's prefixes, counted as written, a usable address of this space lies."""
        block = self._nearest(int(address))
        return block.order if block else -1

    def _nearest(self, number: int) -> _Block | None:
        index = bisect_right(self._starts, number) - 1
        return self._by_start[index] if index >= 0 else None

    def take(self, address: IPAddress, demand: Demand) -> None:
        """Note that a free address is now in use by this demand."""
        self.free.take(self._known_position(address))
        self.offer(address, demand)

    def offer(self, address: IPAddress, demand: Demand) -> None:
        """Note that an address in use may be shared by demands like this one, as far as ports allow."""
        if demand.sharing_key:
            key = (demand.sharing_key, demand.backend_key)
            self.shared.setdefault(key, SharedPositions()).add(self._known_position(address))

    def release(self, address: IPAddress, demand: Demand) -> None:
        """Note that nobody uses an address any more; `demand` was its last user's."""
        position = self._known_position(address)
        self.free.release(position)
        key = (demand.sharing_key, demand.backend_key)
        if key in self.shared:
            self.shared[key].discard(position)
            if not self.shared[key]:
                del self.shared[key]

    def first_fit(self, demand: Demand, fits: Callable[[IPAddress], bool]) -> IPAddress | None:
        """Find the first address that is free, or in use and shareable with this demand."""
        free = self.free.first()
        shared = self.shared.get((demand.sharing_key, demand.backend_key))
        position = free
        if shared is not None:
            shareable = shared.first(demand.ports, lambda candidate: fits(self.address(candidate)), free)
            position = free if shareable is None else shareable
        return None if position is None else self.address(position)


class PoolSpace:
    """One pool's addresses of both families."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        prefixes = list(enumerate(pool.prefixes))
        self.families = {
            family: FamilySpace(
                [(order, network) for order, network in prefixes if Family.of(network) is family],
                avoid_buggy_ips=pool.avoid_buggy_ips and family is Family.IPV4,
            )
            for family in Family
        }

    @property
    def capacity(self) -> int:
        """How many addresses the pool can hand out, both families together."""
        return sum(space.capacity for space in self.families.values())

    def space(self, address: IPAddress) -> FamilySpace:
        """Give the space of an address's family."""
        return self.families[Family.of(address)]

    def contains(self, address: IPAddress) -> bool:
        """Tell whether the pool may hand out this address."""
        return self.space(address).position(address) is not None

    def order(self, address: IPAddress) -> int:
        """Tell in which prefix, as written, an address of the pool lies."""
        return self.space(address).order(address)


class AddressBook:
    """Finds the pool of an address: the pools' prefixes never overlap."""

    def __init__(self, spaces: Iterable[PoolSpace]) -> None:
        entries: dict[Family, list[tuple[int, int, PoolSpace]]] = {family: [] for family in Family}
        for space in spaces:
            for prefix in space.pool.prefixes:
                bounds = int(prefix.network_address), int(prefix.broadcast_address)
                entries[Family.of(prefix)].append((*bounds, space))
        self._entries = {family: sorted(found, key=lambda entry: entry[0]) for family, found in entries.items()}
        self._starts = {family: [entry[0] for entry in found] for family, found in self._entries.items()}

    def pool_of(self, address: IPAddress) -> PoolSpace | None:
        """Give the pool that may hand out this address."""
        family, number = Family.of(address), int(address)
        index = bisect_right(self._starts[family], number) - 1
        if index < 0:
            return None
        _, last, space = self._entries[family][index]
        return space if number <= last and space.contains(address) else None

    def common_pool(self, addresses: Sequence[IPAddress]) -> PoolSpace | None:
        """Give the one pool that may hand out all these addresses."""
        spaces = [self.pool_of(address) for address in addresses]
        return spaces[0] if spaces and all(space is spaces[0] for space in spaces) else None
