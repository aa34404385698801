"""One Service's next state: which addresses it holds, what its status says, what its users are told.

The steps and their order are those of MetalLB 0.12's controller, so that a cluster taken over from it keeps every
address. Where it differs on purpose: what a Service holds already is preferred over a lower free address, status
entries that stay keep their other fields, and a Service that prefers two families takes one rather than none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metalpy.allocation.demand import (
    demand_of,
    families_of,
    quoted,
    requested_addresses,
    status_addresses,
    status_texts,
)
from metalpy.errors import AllocationError
from metalpy.model import Event, Family, Ingress, Severity, parse_address

if TYPE_CHECKING:
    from metalpy.allocation.allocator import Allocator
    from metalpy.allocation.demand import Demand
    from metalpy.model import IPAddress, Service


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has to become of one Service.

    `addresses` are to be held under `demand` (nothing if empty), `ingress` is to be its status. `reason` is the
    reference's log word for why addresses were cleared, empty if none were. `waiting` Services want to be looked
    at again when an address is freed or the pools change.
    """

    service: Service
    addresses: tuple[IPAddress, ...]
    demand: Demand | None
    ingress: tuple[Ingress, ...]
    pool: str = ""
    events: tuple[Event, ...] = ()
    reason: str = ""
    waiting: bool = False

    @property
    def writes_status(self) -> bool:
        """Tell whether the Service's status has to change."""
        return self.ingress != self.service.ingress


def converge(service: Service, allocator: Allocator) -> Outcome:
    """Decide one Service's next state. Changes nothing: the caller commits the outcome."""
    if service.type != "LoadBalancer":
        return _cleared(service, "notLoadBalancer")
    if not service.cluster_ips:
        return _cleared(service, "noClusterIPs")
    texts = status_texts(service)
    try:
        held_families = families_of(texts)
    except AllocationError as error:
        message = f"Failed to retrieve LBIPs IPFamily for {_plain(texts)}: {error}"
        return _stuck(service, allocator, "nolbIPsIPFamily", message)
    try:
        demand = demand_of(service)
    except AllocationError as error:
        if not texts:
            message = f'Failed to allocate IP for "{service.key}": IPFamilyForAddresses: {error}'
            return _stuck(service, allocator, "AllocationFailed", message)
        message = f"Failed to retrieve ClusterIPs IPFamily for {_plain(service.cluster_ips)}: {error}"
        return _stuck(service, allocator, "noclusterIPsIPFamily", message)
    return _Step(service, demand, allocator).converge(texts, held_families)


def adopts(service: Service, allocator: Allocator) -> Demand | None:
    """Tell whether a Service may keep what its status says, before anybody else is served: the demand it has.

    None if it has nothing, is no load balancer, its addresses do not fit (any more), or it asks for others by now:
    those that it leaves may have been written to the next one already, before a crash.
    """
    if service.type != "LoadBalancer" or not service.cluster_ips or not service.ingress:
        return None
    try:
        families_of(status_texts(service))
        demand = demand_of(service)
    except AllocationError:
        return None
    step = _Step(service, demand, allocator)
    kept, _ = step.kept()
    return demand if kept and not step.asks_for_others(kept) else None


@dataclass(frozen=True, slots=True)
class _Step:
    """The part of the decision in which the families of a load balancer are known."""

    service: Service
    demand: Demand
    allocator: Allocator

    def converge(self, texts: tuple[str, ...], held_families: tuple[Family, ...]) -> Outcome:
        if not texts:
            return self._allocated("")
        fallback = self._prefers_two and set(held_families) < set(self.demand.families)
        if not fallback and set(held_families) != set(self.demand.families):
            return self._allocated("familyChanged")
        kept, reason = self.kept()
        try:
            requested = requested_addresses(self.service)
        except AllocationError as error:
            event = self._warning("LoadBalancerFailed", f"invalid requested loadbalancer IPs: {error}")
            return self._outcome(kept, (event,), reason)
        if kept and requested and set(requested) != set(kept):
            kept, reason = (), "differentIPRequested"
        if kept and not fallback:
            return self._outcome(kept, self._pool_warning(kept), reason)
        return self._allocated(reason or "familyChanged")

    @property
    def _prefers_two(self) -> bool:
        return self.service.ip_family_policy == "PreferDualStack" and len(self.demand.families) > 1

    def kept(self) -> tuple[tuple[IPAddress, ...], str]:
        """Decide which of the addresses in the status stay, and if none, why."""
        addresses = status_addresses(self.service)
        if addresses is None or self.allocator.refusal(addresses, self.demand):
            return (), "notAllowedByConfig"
        wanted = self.service.wanted_pool
        if wanted and wanted != self.allocator.pool_of(addresses) and not self._requests(addresses):
            return (), "differentPoolRequested"
        return addresses, ""

    def asks_for_others(self, addresses: tuple[IPAddress, ...]) -> bool:
        """Tell whether other addresses than these are asked for by name; an unreadable request asks for none."""
        try:
            requested = requested_addresses(self.service)
        except AllocationError:
            return False
        return bool(requested) and set(requested) != set(addresses)

    def _requests(self, addresses: tuple[IPAddress, ...]) -> bool:
        try:
            return set(requested_addresses(self.service)) == set(addresses)
        except AllocationError:
            return False

    def _allocated(self, reason: str) -> Outcome:
        try:
            addresses, events = self._addresses()
        except AllocationError as error:
            message = f'Failed to allocate IP for "{self.service.key}": {error}'
            return self._outcome((), (self._warning("AllocationFailed", message),), reason, waiting=True)
        if addresses != status_addresses(self.service):
            told = Event(
                "Service",
                self.service.key,
                Severity.NORMAL,
                "IPAllocated",
                f"Assigned IP {quoted(addresses)}",
                uid=self.service.uid,
            )
            events = (told, *events)
        return self._outcome(
            addresses,
            (*events, *self._pool_warning(addresses)),
            reason,
            waiting=len(addresses) < len(self.demand.families),
        )

    def _addresses(self) -> tuple[tuple[IPAddress, ...], tuple[Event, ...]]:
        """Choose addresses, and warnings that go with the choice. Raises `AllocationError`."""
        requested = requested_addresses(self.service)
        if requested:
            if {Family.of(address) for address in requested} != set(self.demand.families):
                raise AllocationError(
                    f"requested loadBalancer IP(s) {quoted(requested)} does not match the ipFamily of the service: "
                    f"it has {' and '.join(self.demand.families)}"
                )
            if refusal := self.allocator.refusal(requested, self.demand):
                raise AllocationError(refusal)
            return requested, ()
        pool = self.service.wanted_pool
        if not self._prefers_two:
            return self.allocator.find(self.demand, pool), ()
        held = self.allocator.holding(self.service.key)
        if held and held.demand == self.demand:
            pool = pool or held.pool  # at rest with one family: it waits for the other, but does not move for it
        try:
            return self.allocator.find(self.demand, pool), ()
        except AllocationError as error:
            return self._one_family(pool, error)

    def _one_family(self, pool: str, both_failed: AllocationError) -> tuple[tuple[IPAddress, ...], tuple[Event, ...]]:
        held = self.allocator.holding(self.service.key)
        held_families = {Family.of(address) for address in held.addresses} if held else set()
        for family in sorted(self.demand.families, key=lambda family: family not in held_families):
            try:
                addresses = self.allocator.find(replace(self.demand, families=(family,)), pool)
            except AllocationError:
                continue
            message = f"assigned an {family} address only, ipFamilyPolicy is PreferDualStack: {both_failed}"
            return addresses, (self._warning("SingleStackFallback", message),)
        raise both_failed

    def _pool_warning(self, addresses: tuple[IPAddress, ...]) -> tuple[Event, ...]:
        wanted = self.service.wanted_pool
        owner = self.allocator.pool_of(addresses) if wanted else None
        if wanted == (owner or ""):
            return ()
        message = (
            f'annotation {self.service.pool_annotation} asks for pool "{wanted}", but the requested '
            f'{quoted(addresses)} is of pool "{owner}": the address wins, remove one of the two'
        )
        return (self._warning("PoolIgnored", message),)

    def _outcome(
        self,
        addresses: tuple[IPAddress, ...],
        events: tuple[Event, ...],
        reason: str,
        *,
        waiting: bool = False,
    ) -> Outcome:
        ingress = _ingress(self.service, addresses)
        return Outcome(
            self.service,
            addresses,
            self.demand if addresses else None,
            ingress,
            pool=(self.allocator.pool_of(addresses) or "") if addresses else "",
            events=events,
            reason=reason if ingress != self.service.ingress else "",
            waiting=waiting,
        )

    def _warning(self, reason: str, message: str) -> Event:
        return _warning(self.service, reason, message)


def _cleared(service: Service, reason: str) -> Outcome:
    return Outcome(service, (), None, (), reason=reason if service.ingress else "")


def _stuck(service: Service, allocator: Allocator, reason: str, message: str) -> Outcome:
    """Leave a Service alone that cannot be understood; what it held before it goes on holding."""
    held = allocator.holding(service.key)
    event = _warning(service, reason, message)
    return Outcome(
        service,
        held.addresses if held else (),
        held.demand if held else None,
        service.ingress,
        events=(event,),
    )


def _warning(service: Service, reason: str, message: str) -> Event:
    return Event("Service", service.key, Severity.WARNING, reason, message, uid=service.uid)


def _ingress(service: Service, addresses: tuple[IPAddress, ...]) -> tuple[Ingress, ...]:
    """Write one entry an address; an entry that is there already stays as it is."""
    present: dict[IPAddress, Ingress] = {}
    for entry in service.ingress:
        try:
            present.setdefault(parse_address(entry.ip), entry)
        except ValueError:
            continue
    return tuple(present.get(address, Ingress(ip=str(address))) for address in addresses)


def _plain(texts: tuple[str, ...]) -> str:
    return f"[{' '.join(texts)}]"
