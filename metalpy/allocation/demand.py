"""What one Service asks of the allocator, read from its spec and annotations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalpy.errors import AllocationError
from metalpy.model import Family, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metalpy.model import IPAddress, Labels, ObjectKey, Service, ServicePort

MOST_ADDRESSES = 2
"""A Service has at most one address of each family."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What decides which addresses fit a Service.

    Services may share an address when their `sharing_key` is the same and not empty, their `backend_key` is the
    same and no port is wanted twice.
    """

    key: ObjectKey
    families: tuple[Family, ...]
    """In the order of the Service's cluster addresses."""
    ports: frozenset[ServicePort] = frozenset()
    sharing_key: str = ""
    backend_key: Labels = ()
    labels: Labels = ()
    """Of the Service, for pools that are pinned to some."""


def quoted(addresses: Iterable[object]) -> str:
    """Render addresses as the reference's Events do: `["10.0.0.1" "fc00::1"]`."""
    return "[" + " ".join(f'"{address}"' for address in addresses) + "]"


def families_of(texts: Sequence[str]) -> tuple[Family, ...]:
    """Tell the families of a Service's cluster addresses, or of the addresses in its status.

    A single text that is no IPv4 address counts as IPv6, `None` of a headless Service included: so the
    reference does. Raises `AllocationError` for more than two texts, two of one family, or one of two that is
    no address.
    """
    if len(texts) > MOST_ADDRESSES:
        raise AllocationError(f"invalid ips length {len(texts)} {quoted(texts)}: at most one of each family")
    families = tuple(_family(text, alone=len(texts) == 1) for text in texts)
    if len(set(families)) != len(families):
        raise AllocationError(f"same address family {quoted(texts)}: want one IPv4 and one IPv6 address")
    return families


def _family(text: str, *, alone: bool) -> Family:
    try:
        return Family.of(parse_address(text))
    except ValueError:
        if alone:
            return Family.IPV6
        raise AllocationError(f'invalid address "{text}": want an IPv4 or IPv6 address') from None


def requested_addresses(service: Service) -> tuple[IPAddress, ...]:
    """Read the addresses that a Service asks for by name; empty if it takes any.

    Raises `AllocationError` if the request cannot be understood.
    """
    if service.load_balancer_ip and service.wanted_ips:
        raise AllocationError(
            f"service can not have both {service.addresses_annotation} and svc.Spec.LoadBalancerIP: remove one of them"
        )
    if service.load_balancer_ip:
        try:
            return (parse_address(service.load_balancer_ip),)
        except ValueError:
            text = service.load_balancer_ip
            raise AllocationError(f'invalid spec.loadBalancerIP "{text}": want one IP address') from None
    if not service.wanted_ips:
        return ()
    try:
        addresses = tuple(parse_address(text.strip()) for text in service.wanted_ips.split(","))
    except ValueError:
        raise AllocationError(
            f'invalid {service.addresses_annotation}: "{service.wanted_ips}": want one address, or an IPv4 and an '
            "IPv6 address with a comma between"
        ) from None
    try:
        families_of([str(address) for address in addresses])
    except AllocationError as error:
        raise AllocationError(f"IPFamilyForAddresses: {error}") from None
    return addresses


def demand_of(service: Service) -> Demand:
    """Read a Service's demand. Raises `AllocationError` if its cluster addresses have no clear families."""
    return Demand(
        key=service.key,
        families=families_of(service.cluster_ips),
        ports=frozenset(service.ports),
        sharing_key=service.sharing_key,
        backend_key=service.selector if service.external_traffic_policy == "Local" else (),
        labels=service.labels,
    )


def status_texts(service: Service) -> tuple[str, ...]:
    """Give the address texts in a Service's status, as they stand; entries with a host name only are left out."""
    return tuple(entry.ip for entry in service.ingress if entry.ip)


def status_addresses(service: Service) -> tuple[IPAddress, ...] | None:
    """Give the addresses in a Service's status; None if one of them is no address."""
    try:
        return tuple(parse_address(text) for text in status_texts(service))
    except ValueError:
        return None


def is_ours(service: Service, lb_class: str) -> bool:
    """Tell whether a Service is this load balancer's: it names its class, or none where it has none.

    So MetalLB does since 0.13; before, it took every Service whatever its class. A Service of another class is
    left alone, its status too.
    """
    return (service.load_balancer_class or "") == lb_class
