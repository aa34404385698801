"""What the change of MetalLB means to the Services and nodes that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from configmaptocrs.findings import Finding
from configmaptocrs.targets import READS_NEW_ANNOTATIONS
from metalpy.allocation.pools import AddressBook, PoolSpace
from metalpy.model import EXCLUDE_LABEL, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from configmaptocrs.cluster_files import KnownService
    from configmaptocrs.targets import Target
    from metalpy.model import Config, Node

_GIVES_PENDING_FIRST = (0, 14, 0)
_FAMILIES = 2


def service_findings(
    config: Config, renamed: Mapping[str, str], services: Sequence[KnownService], target: Target
) -> Iterator[Finding]:
    """Tell of Services that would lose or change their address, and of those that need a look."""
    book = AddressBook(PoolSpace(pool) for pool in config.pools)
    for known in services:
        service = known.service
        name = f"Service {service.key}"
        new_name = renamed.get(service.wanted_pool, service.wanted_pool)
        if new_name != service.wanted_pool:
            is_told = known.new_pool == new_name and target.version >= READS_NEW_ANNOTATIONS
            if not is_told:
                text = f"asks for pool {service.wanted_pool}, which is named {new_name} now, and would lose its IP"
                yield Finding("D-NAME", name, text, f"add the annotation metallb.io/address-pool: {new_name}")
        texts = [entry.ip for entry in service.ingress if entry.ip]
        try:
            addresses = [parse_address(text) for text in texts]
        except ValueError:
            yield Finding("D-SVC", name, f"has a status that is no IP: {' '.join(texts)}")
            continue
        space = book.common_pool(addresses)
        if addresses and space is None:
            yield Finding("D-SVC", name, f"has {' '.join(texts)}, which no pool contains")
        elif space is not None and service.wanted_pool not in {"", space.pool.name}:
            text = f"has {' '.join(texts)} of pool {space.pool.name}, and asks for pool {service.wanted_pool}"
            yield Finding("D-SVC", name, f"{text}: a newer MetalLB takes that away")
        if service.load_balancer_ip and service.wanted_ips:
            yield Finding("D-SVC", name, "has both spec.loadBalancerIP and the annotation loadBalancerIPs")
        if service.load_balancer_class is not None:
            yield Finding("W-E1", name, "has a loadBalancerClass: a newer MetalLB leaves it alone without --lb-class")
        if not addresses and target.version < _GIVES_PENDING_FIRST:
            yield Finding("W-E9", name, "is pending, and may be given the IP of another Service at a restart")
        if (
            service.ip_family_policy == "PreferDualStack"
            and len(addresses) == 1
            and len(service.cluster_ips) == _FAMILIES
        ):
            yield Finding("W-E12", name, "holds one IP and prefers two: it may get a second one")


def node_findings(nodes: Sequence[Node]) -> Iterator[Finding]:
    """Tell of nodes that will not announce any more."""
    for node in nodes:
        if EXCLUDE_LABEL in dict(node.labels):
            text = "is labelled out of load balancing: it will not announce without --ignore-exclude-lb"
            yield Finding("W-E3", f"node {node.name}", text)
        if node.network_unavailable:
            yield Finding("W-E2", f"node {node.name}", "has no network: it will not announce")
