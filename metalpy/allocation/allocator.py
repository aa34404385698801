"""The allocator's memory: which Service holds which addresses, and what still fits.

Queries change nothing; `hold` and `release` do. Message texts start with the reference's words, since people
search for them, and then say more.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metalpy.allocation.demand import Demand, quoted
from metalpy.allocation.pinning import fits, in_order_of_trial
from metalpy.allocation.pools import AddressBook, PoolSpace
from metalpy.errors import AllocationError, PoolsConflict
from metalpy.model import SHARING_ANNOTATION, Family

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metalpy.model import IPAddress, Labels, ObjectKey, Pool, ServicePort

MOST_NAMED = 5
"""How many Services a message names before it only counts the rest."""


class OnConflict(enum.StrEnum):
    """What to do with new pools that would take addresses away from Services."""

    REFUSE = "refuse"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Holding:
    """What one Service holds. All addresses are of one pool."""

    pool: str
    addresses: tuple[IPAddress, ...]
    demand: Demand


@dataclass(slots=True)
class _Use:
    """One address in use: the keys that sharers need, and who uses which port."""

    sharing_key: str
    backend_key: Labels
    users: dict[ObjectKey, frozenset[ServicePort]] = field(default_factory=dict)

    def is_shareable(self, demand: Demand) -> bool:
        """Tell whether a demand may be a further user as far as the keys go."""
        return (
            bool(demand.sharing_key)
            and self.sharing_key == demand.sharing_key
            and self.backend_key == demand.backend_key
        )


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """Figures of one pool. `capacity` and `in_use` count addresses, `services` those that hold one."""

    capacity: int
    in_use: int
    services: int


class Allocator:
    """Pools, in the order in which they are tried, and the addresses in use."""

    def __init__(self) -> None:
        self._pools: dict[str, PoolSpace] = {}
        self._book = AddressBook(())
        self._holdings: dict[ObjectKey, Holding] = {}
        self._uses: dict[IPAddress, _Use] = {}
        self._services: dict[str, int] = {}
        self._in_use: dict[str, int] = {}

    # --- pools ---

    def set_pools(self, pools: Sequence[Pool], on_conflict: OnConflict = OnConflict.REFUSE) -> None:
        """Take new pools into use; everybody keeps what he holds.

        A Service stands in the way if no single new pool that is for it contains all its addresses. Then
        `PoolsConflict` is raised, names every such Service with its addresses, and nothing has changed; with
        `OnConflict.RELEASE` those Services lose their addresses instead. No pools at all take from nobody.
        """
        spaces = [PoolSpace(pool) for pool in pools]
        book = AddressBook(spaces)
        owners = {key: book.common_pool(holding.addresses) for key, holding in self._holdings.items()}
        for key, owner in owners.items():
            if owner and not fits(owner.pool, self._holdings[key].demand):
                owners[key] = None
        homeless = sorted(key for key, owner in owners.items() if owner is None)
        if homeless and (on_conflict is OnConflict.REFUSE or not pools):
            named = ", ".join(f"{key} holds {quoted(self._holdings[key].addresses)}" for key in homeless)
            raise PoolsConflict(
                f"new config not compatible with assigned IPs: no pool of it contains what these Services hold: "
                f"{named}; keep these addresses in one pool, or delete or move the Services first"
            )
        holdings = self._holdings
        self._pools = {space.pool.name: space for space in spaces}
        self._book = book
        self._holdings, self._uses = {}, {}
        self._services = dict.fromkeys(self._pools, 0)
        self._in_use = dict.fromkeys(self._pools, 0)
        for key, owner in owners.items():
            if owner is not None:
                self.hold(holdings[key].addresses, holdings[key].demand)

    def counts(self) -> dict[str, PoolCounts]:
        """Give the figures of every pool, by name."""
        return {
            name: PoolCounts(space.capacity, self._in_use[name], self._services[name])
            for name, space in self._pools.items()
        }

    # --- queries ---

    def holding(self, key: ObjectKey) -> Holding | None:
        """Give what a Service holds."""
        return self._holdings.get(key)

    def holdings_of(self, addresses: Iterable[IPAddress]) -> dict[ObjectKey, Holding]:
        """Give what everybody holds who holds one of these addresses."""
        users = (self._uses[address].users for address in addresses if address in self._uses)
        return {key: self._holdings[key] for keys in users for key in keys}

    def pool_of(self, addresses: Sequence[IPAddress]) -> str | None:
        """Name the one pool that contains all these addresses, if there is one."""
        space = self._book.common_pool(addresses)
        return space.pool.name if space else None

    def refusal(self, addresses: Sequence[IPAddress], demand: Demand) -> str | None:
        """Say why exactly these addresses cannot be the demand's; None if they can."""
        space = self._book.common_pool(addresses)
        if space is None:
            return f"{quoted(addresses)} is not allowed in config{self._why_not_allowed(addresses)}"
        if not fits(space.pool, demand):
            return f'pool "{space.pool.name}" not compatible for ip assignment: it is for other Services'
        return next((cause for address in addresses if (cause := self._clash(address, demand))), None)

    def find(self, demand: Demand, pool: str = "") -> tuple[IPAddress, ...]:
        """Find the addresses that a demand gets, from one pool or from any that assigns by itself.

        What the Service holds already is taken first if it fits; then pools are tried, those pinned to it by
        priority and then the others, in the order written, and addresses in ascending order in each prefix.
        Raises `AllocationError` if there are none.
        """
        held = self._holdings.get(demand.key)
        if pool:
            if pool not in self._pools:
                raise AllocationError(f'unknown pool "{pool}"{self._known_pools()}')
            spaces = [self._pools[pool]]
            if not fits(spaces[0].pool, demand):
                raise AllocationError(f'pool "{pool}" not compatible for ip assignment: it is for other Services')
        else:
            spaces = in_order_of_trial(self._pools.values(), demand)
            if held:
                spaces.sort(key=lambda space: space.pool.name != held.pool)
        for space in spaces:
            if addresses := self._find_in(space, demand, held):
                return addresses
        raise AllocationError(self._exhausted(demand, pool, spaces))

    def _find_in(self, space: PoolSpace, demand: Demand, held: Holding | None) -> tuple[IPAddress, ...]:
        found: list[IPAddress] = []
        for family in demand.families:
            address = next(
                (
                    address
                    for address in (held.addresses if held else ())
                    if Family.of(address) is family and space.contains(address) and self._fits(address, demand)
                ),
                None,
            ) or space.families[family].first_fit(demand, lambda candidate: self._fits(candidate, demand))
            if address is None:
                return ()
            found.append(address)
        return tuple(sorted(found, key=space.order))

    def _fits(self, address: IPAddress, demand: Demand) -> bool:
        use = self._uses.get(address)
        if use is None or use.users.keys() <= {demand.key}:
            return True
        return use.is_shareable(demand) and all(
            demand.ports.isdisjoint(ports) or key == demand.key for key, ports in use.users.items()
        )

    def _clash(self, address: IPAddress, demand: Demand) -> str | None:
        """Say why an address does not fit; None if it does."""
        if self._fits(address, demand):
            return None
        use = self._uses[address]
        users = {key: ports for key, ports in use.users.items() if key != demand.key}
        if not use.is_shareable(demand):
            why = _why_not_shared(use, demand)
            others = _names(users)
            return f'can\'t change sharing key for "{demand.key}", address also in use by {others}: {address} {why}'
        port, holder = min((min(wanted), key) for key, ports in users.items() if (wanted := ports & demand.ports))
        return f'port {port} is already in use on "{address}" by {holder}'

    # --- changes ---

    def hold(self, addresses: tuple[IPAddress, ...], demand: Demand) -> None:
        """Make the demand's Service hold exactly these addresses, for which `refusal` gave None."""
        space = self._book.common_pool(addresses)
        if space is None:
            raise ValueError(f"{quoted(addresses)} are not of one pool")
        self.release(demand.key)
        name = space.pool.name
        self._holdings[demand.key] = Holding(name, addresses, demand)
        self._services[name] += 1
        for address in addresses:
            use = self._uses.get(address)
            if use is None:
                use = self._uses[address] = _Use(demand.sharing_key, demand.backend_key)
                self._in_use[name] += 1
                space.space(address).take(address, demand)
            use.users[demand.key] = demand.ports

    def release(self, key: ObjectKey) -> bool:
        """Take everything from a Service. Tells whether it held anything."""
        holding = self._holdings.pop(key, None)
        if holding is None:
            return False
        space = self._pools[holding.pool]
        self._services[holding.pool] -= 1
        for address in holding.addresses:
            use = self._uses[address]
            del use.users[key]
            if use.users:
                space.space(address).offer(address, holding.demand)
            else:
                del self._uses[address]
                self._in_use[holding.pool] -= 1
                space.space(address).release(address, holding.demand)
        return True

    # --- words ---

    def _why_not_allowed(self, addresses: Sequence[IPAddress]) -> str:
        owners = [self._book.pool_of(address) for address in addresses]
        if all(owners):
            return ": its addresses lie in different pools, one pool must contain both"
        missing = next(address for address, owner in zip(addresses, owners, strict=True) if owner is None)
        for space in self._pools.values():
            if any(missing in prefix for prefix in space.pool.prefixes):
                return f': pool "{space.pool.name}" has avoid-buggy-ips, which leaves out {missing}'
        return f": no pool contains {missing}{self._known_pools()}"

    def _known_pools(self) -> str:
        names = [f'"{name}"' for name in list(self._pools)[:MOST_NAMED]]
        more = len(self._pools) - len(names)
        return (
            f"; pools are {', '.join(names)}{f' and {more} more' if more else ''}" if names else "; there are no pools"
        )

    def _exhausted(self, demand: Demand, pool: str, spaces: Sequence[PoolSpace]) -> str:
        family = "dual" if len(demand.families) > 1 else demand.families[0].lower()
        if pool:
            return f'no available IPs in pool "{pool}" for {family} IPFamily: it{self._why_none(demand, spaces[0])}'
        if not spaces:
            return f"no available IPs: no pool assigns by itself (auto-assign) to this Service{self._known_pools()}"
        tried = "; ".join(f'pool "{space.pool.name}"{self._why_none(demand, space)}' for space in spaces[:MOST_NAMED])
        more = len(spaces) - MOST_NAMED
        return f"no available IPs for {family} IPFamily: {tried}{f' and {more} more pools' if more > 0 else ''}"

    def _why_none(self, demand: Demand, space: PoolSpace) -> str:
        for family in demand.families:
            capacity = space.families[family].capacity
            if not capacity:
                return f" has no {family} addresses"
            if space.families[family].free.first() is None:
                return f" is full: all its {capacity} {family} addresses are in use"
        return " has no address that fits"


def _names(keys: Iterable[ObjectKey]) -> str:
    ordered = sorted(keys)
    more = len(ordered) - MOST_NAMED
    return ",".join(str(key) for key in ordered[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _why_not_shared(use: _Use, demand: Demand) -> str:
    if not use.sharing_key and not demand.sharing_key:
        return f"is not shared: for that, give all its Services the same {SHARING_ANNOTATION}"
    if use.sharing_key != demand.sharing_key:
        return f'has sharing key "{use.sharing_key}", the Service has "{demand.sharing_key}"'
    return "is shared only by Services with the same selector, or with externalTrafficPolicy Cluster on all of them"
