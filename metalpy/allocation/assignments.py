"""All Services of a cluster and what each holds, brought to rest after every change.

The controller, `plan` and the converter's proof feed the same changes in and read the same outcomes. The result
depends on the configuration, the Services and the order of changes alone, never on hashing or timing.
"""

from __future__ import annotations

from dataclasses import fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING

from metalpy.allocation.allocator import Allocator, OnConflict
from metalpy.allocation.converge import Outcome, adopts, converge
from metalpy.allocation.demand import status_addresses
from metalpy.model import NO_NEWER_WISHES, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from metalpy.allocation.allocator import Holding, PoolCounts
    from metalpy.model import Config, IPAddress, ObjectKey

_AFTER_ALL_TIMES = "~"
"""Sorts after every RFC 3339 time: a Service without a creation time counts as the youngest."""


_asked_by = attrgetter(*(each.name for each in fields(Service) if each.name not in {"resource_version", "ingress"}))
"""Gives everything that a Service says, but for its version number and its status."""


def _seniority(service: Service) -> tuple[str, str, str]:
    return service.created or _AFTER_ALL_TIMES, service.key.namespace, service.key.name


def _version(service: Service) -> int:
    """Give the order in which an API server wrote Services; those of a file have none."""
    return int(service.resource_version) if service.resource_version.isdecimal() else 0


def _asks(service: Service) -> bool:
    return bool(service.load_balancer_ip or service.wanted_ips)


def _turn(service: Service) -> tuple[bool, str, str, str]:
    """Order in which Services are served: those that ask for an address by name first, then by age."""
    return not _asks(service), *_seniority(service)


class Assignments:
    """The state of allocation for one cluster. Does nothing before the first configuration."""

    def __init__(self, on_conflict: OnConflict = OnConflict.REFUSE) -> None:
        self._on_conflict = on_conflict
        self._allocator = Allocator()
        self._configured = False
        self._services: dict[ObjectKey, Service] = {}
        """As the configuration in force has them read."""
        self._as_written: dict[ObjectKey, Service] = {}
        """Those of them with newer annotations."""
        self._reads_newer = False
        self._waiting: set[ObjectKey] = set()
        self._spares = False
        self._spared: set[ObjectKey] = set()
        self._unread: set[ObjectKey] = set()
        """Those of which the status was written and not read since."""

    def holding(self, key: ObjectKey) -> Holding | None:
        """Give what a Service holds."""
        return self._allocator.holding(key)

    def knows(self, key: ObjectKey) -> bool:
        """Tell whether this Service was taken in and is not gone."""
        return key in self._services

    def counts(self) -> dict[str, PoolCounts]:
        """Give the figures of every pool, by name."""
        return self._allocator.counts()

    def configure(self, config: Config) -> list[Outcome]:
        """Put a configuration in force and bring every Service to rest under it.

        The first one adopts the addresses that statuses hold before anybody gets a new one: elders first, so
        of two that claim one address the elder keeps it. Raises `PoolsConflict` if a later one would take
        addresses away; the former then stays in force.
        """
        self._allocator.set_pools(config.pools, self._on_conflict)
        self._read_all(newer=config.reads_newer_annotations)
        if not self._configured:
            self._configured = True
            self._adopt(self._services.values())
        else:
            self._adopt(self._services[key] for key in self._spared)
        return self._settle(self._services.values())

    def _read_all(self, *, newer: bool) -> None:
        """Have newer annotations count, or not."""
        if newer == self._reads_newer:
            return
        self._reads_newer = newer
        for key, written in self._as_written.items():
            seen = self._services[key]
            self._services[key] = self._read(replace(written, ingress=seen.ingress))

    def _read(self, service: Service) -> Service:
        return service.with_newer_first() if self._reads_newer else service

    def spare_strangers(self) -> None:
        """Leave Services whose addresses no pool has as they are, from now on: their pools may be on their way."""
        self._spares = True

    def spare_no_more(self) -> list[Outcome]:
        """Bring those Services to rest as well."""
        self._spares = False
        spared, self._spared = self._spared, set()
        return self._settle(self._services[key] for key in spared)

    def update(
        self,
        changes: Mapping[ObjectKey, Service | None],
        is_pending: Callable[[ObjectKey], bool] = lambda _: False,
    ) -> list[Outcome]:
        """Take in changed Services (None: gone) and bring them, and all that wait, to rest.

        A Service whose new status names addresses that fit keeps them, before another gets a new one, and also
        before one to which they are promised only. `is_pending` tells for which Services there is an outcome still to
        be carried out. It may be for a version that is no more: there is a new one even where all is as it should be.
        """
        freed = False
        changed: list[Service] = []
        displaced: set[ObjectKey] = set()
        for key in (key for key, service in changes.items() if service is None):
            freed |= self._forget(key)
        for written in sorted((service for service in changes.values() if service), key=_version):
            key, service = written.key, written
            if written.newer == NO_NEWER_WISHES:
                self._as_written.pop(key, None)
            else:
                self._as_written[key] = written
                service = self._read(written)
            if is_pending(key) or not self._is_echo(service):
                changed.append(service)
                if self._configured:
                    displaced |= self._displaced_by(service)
            self._services[key] = service
            self._unread.discard(key)
        if not self._configured:
            return []
        self._adopt(service for service in changed if self._allocator.holding(service.key) is None)
        return self._settle([*changed, *(self._services[key] for key in displaced)], freed=freed or bool(displaced))

    def _forget(self, key: ObjectKey) -> bool:
        """Take in that a Service is gone. Tells whether it held anything."""
        self._services.pop(key, None)
        self._as_written.pop(key, None)
        self._waiting.discard(key)
        self._spared.discard(key)
        self._unread.discard(key)
        return self._allocator.release(key)

    def _displaced_by(self, service: Service) -> set[ObjectKey]:
        """Let a Service have what another writer put into its status, although it was decided to give it to others.

        Gives those others. Where two controllers write without an election, the first write that names an address
        counts for both: it is the first that is read. If each stood by what it has decided, they would undo each
        other's writes for ever.
        """
        known = self._services.get(service.key)
        addresses = status_addresses(service) or ()
        if known and addresses == status_addresses(known):
            return set()
        holdings = self._allocator.holdings_of(addresses)
        later = {key for key in holdings if key != service.key and not self._is_read_to_have(key, addresses)}
        if not later or adopts(service, self._allocator):
            return set()
        for key in later:
            self._allocator.release(key)
        demand = adopts(service, self._allocator)
        if demand is None:
            for key in later:
                self._allocator.hold(holdings[key].addresses, holdings[key].demand)
            return set()
        self._allocator.hold(addresses, demand)
        return later

    def _is_read_to_have(self, key: ObjectKey, addresses: Iterable[IPAddress]) -> bool:
        """Tell whether a Service's status was read, not only written, with one of these addresses."""
        return key not in self._unread and not set(addresses).isdisjoint(status_addresses(self._services[key]) or ())

    def _is_echo(self, service: Service) -> bool:
        """Tell whether a Service comes back with a new version number alone, and has what it should have.

        Every write comes back so, with fields that the API server adds to each address. One that was refused does
        too, but what it would have said is not there.
        """
        known = self._services.get(service.key)
        if known is None or known.resource_version == service.resource_version or not self._configured:
            return False
        if service.key in self._waiting:
            return False
        holding = self._allocator.holding(service.key)
        held = [str(address) for address in holding.addresses] if holding else []
        shown, written = ([entry.ip for entry in each.ingress] for each in (service, known))
        return held == shown == written and _asked_by(service) == _asked_by(known)

    def wrote(self, outcome: Outcome) -> None:
        """Note that an outcome's status was written, unless the Service has changed since."""
        key = outcome.service.key
        if self._services.get(key) is outcome.service:
            self._services[key] = replace(outcome.service, ingress=outcome.ingress)
            self._unread.add(key)

    def _adopt(self, services: Iterable[Service]) -> None:
        for service in sorted(services, key=_seniority):
            demand = adopts(service, self._allocator)
            addresses = status_addresses(service)
            if demand and addresses:
                self._allocator.hold(addresses, demand)

    def _settle(self, services: Iterable[Service], *, freed: bool = False) -> list[Outcome]:
        """Converge Services, and those that wait if anything is freed, until all are at rest.

        Who asks by name or holds something comes first, since moving frees addresses: then a freed address goes
        to the first in turn of all that have none, not to whoever happens to come next.
        """
        outcomes: dict[ObjectKey, Outcome] = {}
        due = {service.key: service for service in services}
        first = {
            key
            for key, service in due.items()
            if _asks(service) or (self._allocator.holding(key) and key not in self._waiting)
        }
        freed |= self._serve(first, outcomes)
        freed = self._serve((due.keys() - first) | (self._waiting if freed else set()), outcomes)
        while freed:
            freed = self._serve(self._waiting, outcomes)
        return list(outcomes.values())

    def _serve(self, keys: AbstractSet[ObjectKey], outcomes: dict[ObjectKey, Outcome]) -> bool:
        """Converge Services in their turn, each once. Tells whether an address or a port became free."""
        freed = False
        for service in sorted((self._services[key] for key in keys), key=_turn):
            if self._is_spared(service):
                continue
            outcome = converge(service, self._allocator)
            outcomes[service.key] = outcome
            freed |= self._commit(outcome)
        return freed

    def _is_spared(self, service: Service) -> bool:
        """Tell whether a Service is a stranger to be left alone, and remember it for later."""
        self._spared.discard(service.key)
        if not self._spares or service.type != "LoadBalancer" or self._allocator.holding(service.key):
            return False
        addresses = status_addresses(service)
        if not addresses or self._allocator.pool_of(addresses):
            return False
        self._spared.add(service.key)
        return True

    def _commit(self, outcome: Outcome) -> bool:
        """Make an outcome the allocator's memory. Tells whether an address or a port became free."""
        key = outcome.service.key
        if outcome.waiting:
            self._waiting.add(key)
        else:
            self._waiting.discard(key)
        before = self._allocator.holding(key)
        if before and before.addresses == outcome.addresses and before.demand == outcome.demand:
            return False
        if outcome.demand is None:
            return self._allocator.release(key)
        self._allocator.hold(outcome.addresses, outcome.demand)
        return before is not None
