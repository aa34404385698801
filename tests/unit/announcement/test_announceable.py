"""The checks before any protocol is asked, in the reference speaker's order and with its reasons."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from metalpy.allocation.pools import AddressBook, PoolSpace
from metalpy.announcement.announceable import Announceable, Withheld, announceable, losing_pool
from metalpy.model import AddressRange, Ingress, L2Advertisement, ObjectKey, Pool, Service, parse_address


def pool(name: str, *prefixes: str) -> Pool:
    return Pool(name, (AddressRange(tuple(ip_network(text) for text in prefixes)),), layer2=(L2Advertisement(),))


POOLS = AddressBook([PoolSpace(pool("p", "10.3.0.0/30", "fc00::/124")), PoolSpace(pool("q", "10.4.0.0/30"))])


def service(*ips: str) -> Service:
    return Service(ObjectKey("default", "nginx"), ingress=tuple(Ingress(ip) for ip in ips))


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        pytest.param(None, "serviceDeleted", id="deleted"),
        pytest.param(replace(service("10.3.0.1"), type="ClusterIP"), "notLoadBalancer", id="type"),
        pytest.param(service(), "noIPAllocated", id="no-status"),
        pytest.param(service("zork"), "invalidIP", id="no-address"),
        pytest.param(Service(ObjectKey("d", "n"), ingress=(Ingress(hostname="x"),)), "invalidIP", id="host-name"),
        pytest.param(service("10.9.0.1"), "ipNotAllowed", id="of-no-pool"),
        pytest.param(service("10.3.0.1", "10.4.0.1"), "ipNotAllowed", id="of-two-pools"),
    ],
)
def test_service_is_withheld_with_the_reference_reason(candidate: Service | None, reason: str) -> None:
    assert announceable(candidate, POOLS) == Withheld(reason)


def test_service_with_both_families_of_one_pool_is_announceable() -> None:
    result = announceable(service("10.3.0.1", "fc00::1"), POOLS)

    assert isinstance(result, Announceable)
    assert result.addresses == (parse_address("10.3.0.1"), parse_address("fc00::1"))
    assert result.pool.name == "p"


def test_only_services_that_have_a_pool_now_can_lose_it() -> None:
    held, foreign = service("10.4.0.1"), replace(service("10.9.0.1"), key=ObjectKey("default", "foreign"))
    coming = AddressBook([PoolSpace(pool("p", "10.3.0.0/30"))])

    assert losing_pool([held, foreign], POOLS, coming) == {held.key: (parse_address("10.4.0.1"),)}
    assert losing_pool([held, foreign], POOLS, POOLS) == {}
