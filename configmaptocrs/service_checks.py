"""What the change of MetalLB means to the Services that there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from configmaptocrs.findings import Finding
from configmaptocrs.targets import (
    COMPLETES_DUAL_STACK,
    GIVES_PENDING_FIRST,
    HEEDS_LOAD_BALANCER_CLASS,
    READS_NEW_ANNOTATIONS,
    WANTS_IP_OF_POOL,
)
from metalpy.allocation.pools import AddressBook, PoolSpace
from metalpy.model import parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from configmaptocrs.targets import Target
    from metalpy.model import Config, IPAddress, Service

_FAMILIES = 2


def service_findings(
    config: Config, renamed: Mapping[str, str], services: Sequence[Service], target: Target
) -> Iterator[Finding]:
    """Tell of Services that would lose or change their address, and of those that need a look."""
    checks = _Checks(AddressBook(PoolSpace(pool) for pool in config.pools), renamed, target)
    for service in services:
        yield from checks.all_of(service)


@dataclass(frozen=True, slots=True)
class _Checks:
    """Checks one Service after the other. Pools of `book` have their old names, `renamed` are the new ones."""

    book: AddressBook
    renamed: Mapping[str, str]
    target: Target

    def all_of(self, service: Service) -> Iterator[Finding]:
        name = f"Service {service.key}"
        yield from self._renamed(service, name)
        texts = [entry.ip for entry in service.ingress if entry.ip]
        try:
            addresses = [parse_address(text) for text in texts]
        except ValueError:
            yield Finding("D-SVC", name, f"has a status that is no IP: {' '.join(texts)}")
            return
        yield from self._of_pool(service, name, addresses)
        yield from self._environment(service, name, addresses)

    def _asked(self, service: Service) -> str:
        """Give the new name of the pool that the target will take to be asked for."""
        if service.newer.pool and self.target.version >= READS_NEW_ANNOTATIONS:
            return service.newer.pool
        return self.renamed.get(service.wanted_pool, service.wanted_pool)

    def _renamed(self, service: Service, name: str) -> Iterator[Finding]:
        old = service.wanted_pool
        new = self.renamed.get(old, old)
        is_told = service.newer.pool == new and self.target.version >= READS_NEW_ANNOTATIONS
        if new != old and not is_told:
            text = f"asks for pool {old}, which is named {new} now, and would lose its IP"
            yield Finding("D-NAME", name, text, f"add the annotation metallb.io/address-pool: {new}")

    def _of_pool(self, service: Service, name: str, addresses: Sequence[IPAddress]) -> Iterator[Finding]:
        """Compare what a Service has, what it asks for, and the pool that it asks for."""
        shown = " ".join(map(str, addresses))
        asked, wanted = self._asked(service), self._wanted(service)
        space = self.book.common_pool(addresses)
        if addresses and space is None:
            yield Finding("D-SVC", name, f"has {shown}, which no pool contains")
        if service.load_balancer_ip and (service.wanted_ips or self._new_ips(service)):
            yield Finding("D-SVC", name, "has both spec.loadBalancerIP and the annotation loadBalancerIPs")
        is_strict = self.target.version >= WANTS_IP_OF_POOL
        if space is not None and asked not in {"", self._new_name(space)} and (is_strict or not wanted):
            text = f"has {shown} of pool {space.pool.name}, and asks for pool {asked}"
            yield Finding("D-SVC", name, f"{text}: a newer MetalLB takes that away")
        elif asked and is_strict:
            for address in wanted:
                home = self.book.pool_of(address)
                if home is None or self._new_name(home) != asked:
                    text = f"asks for {address} and for pool {asked}, which has it not: a newer MetalLB refuses that"
                    yield Finding("D-SVC", name, text, "W-E8: drop one of the two wishes")
        if service.newer.ips and self._new_ips(service) and addresses and set(wanted) != set(addresses):
            text = f"has {shown}, and {service.newer.ips} is what its metallb.io annotation asks for"
            yield Finding("D-SVC", name, text, "W-E10: this MetalLB reads that annotation first")

    def _environment(self, service: Service, name: str, addresses: Sequence[IPAddress]) -> Iterator[Finding]:
        version = self.target.version
        if service.load_balancer_class is not None and version >= HEEDS_LOAD_BALANCER_CLASS:
            yield Finding("W-E1", name, "has a loadBalancerClass: a newer MetalLB leaves it alone without --lb-class")
        if not addresses and version < GIVES_PENDING_FIRST:
            yield Finding("W-E9", name, "is pending, and may be given the IP of another Service at a restart")
        is_half = len(addresses) == 1 and len(service.cluster_ips) == _FAMILIES
        if service.ip_family_policy == "PreferDualStack" and is_half and version >= COMPLETES_DUAL_STACK:
            yield Finding("W-E12", name, "holds one IP and prefers two: it may get a second one")

    def _new_name(self, space: PoolSpace) -> str:
        return self.renamed.get(space.pool.name, space.pool.name)

    def _new_ips(self, service: Service) -> str:
        return service.newer.ips if self.target.version >= READS_NEW_ANNOTATIONS else ""

    def _wanted(self, service: Service) -> list[IPAddress]:
        """Give the addresses that a Service asks for; what is none was never given by anybody."""
        text = self._new_ips(service) or service.wanted_ips or service.load_balancer_ip
        wanted = []
        for part in text.split(","):
            try:
                wanted.append(parse_address(part.strip()))
            except ValueError:
                continue
        return wanted
