"""Whether a Service can be announced at all, before any protocol is asked: the reference speaker's first checks.

Reasons are the words that MetalLB 0.12's speaker logs when it withdraws a Service.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalpy.model import parse_address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalpy.allocation.pools import AddressBook
    from metalpy.model import IPAddress, ObjectKey, Pool, Service


@dataclass(frozen=True, slots=True)
class Announceable:
    """A Service whose addresses, all of one pool, may be announced. The first address decides elections."""

    addresses: tuple[IPAddress, ...]
    pool: Pool


@dataclass(frozen=True, slots=True)
class Withheld:
    """A Service that is not announced, and why."""

    reason: str


def announceable(service: Service | None, pools: AddressBook) -> Announceable | Withheld:
    """Check a Service's type, status and pool."""
    if service is None:
        return Withheld("serviceDeleted")
    if service.type != "LoadBalancer":
        return Withheld("notLoadBalancer")
    if not service.ingress:
        return Withheld("noIPAllocated")
    try:
        addresses = tuple(parse_address(entry.ip) for entry in service.ingress)
    except ValueError:
        return Withheld("invalidIP")
    space = pools.common_pool(addresses)
    if space is None:
        return Withheld("ipNotAllowed")
    return Announceable(addresses, space.pool)


def losing_pool(
    services: Iterable[Service], present: AddressBook, coming: AddressBook
) -> dict[ObjectKey, tuple[IPAddress, ...]]:
    """List the Services, with their addresses, that have a pool at present and would have none among the coming."""
    losing = {}
    for service in services:
        now = announceable(service, present)
        if isinstance(now, Announceable) and isinstance(announceable(service, coming), Withheld):
            losing[service.key] = now.addresses
    return losing
