"""Pools that are for some Services only, as custom resources can say."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, ip_network

import pytest

from metalpy.allocation.allocator import Allocator
from metalpy.allocation.demand import Demand
from metalpy.errors import AllocationError
from metalpy.model import AddressRange, Family, LabelSelector, ObjectKey, Pool, ServiceAllocation

BLUE = LabelSelector((("team", "blue"),))
WEB = Demand(ObjectKey("shop", "web"), (Family.IPV4,), labels=(("team", "blue"),))
OTHER = Demand(ObjectKey("dev", "web"), (Family.IPV4,))


def pool(index: int, allocation: ServiceAllocation | None = None, *, auto_assign: bool = True) -> Pool:
    addresses = (AddressRange((ip_network(f"10.{index}.0.0/30"),)),)
    return Pool(f"p{index}", addresses, allocation=allocation, auto_assign=auto_assign)


def tried(allocator: Allocator, demand: Demand) -> int:
    (address,) = allocator.find(demand)
    assert isinstance(address, IPv4Address)
    return address.packed[1]


def allocator(*pools: Pool, **namespaces: dict[str, str]) -> Allocator:
    made = Allocator()
    made.set_pools(pools)
    made.set_namespaces(namespaces)
    return made


def test_a_pinned_pool_is_tried_before_one_for_everybody() -> None:
    both = allocator(pool(1), pool(2, ServiceAllocation(namespaces=("shop",))))
    assert tried(both, WEB) == 2
    assert tried(both, OTHER) == 1


def test_priority_1_is_first_and_0_is_last() -> None:
    pinned = [pool(index, ServiceAllocation(priority)) for index, priority in ((1, 0), (2, 7), (3, 1))]
    assert tried(allocator(*pinned), WEB) == 3
    assert tried(allocator(*pinned[:2]), WEB) == 2


def test_an_allocation_that_restricts_nothing_is_pinned_all_the_same() -> None:
    assert tried(allocator(pool(1), pool(2, ServiceAllocation())), OTHER) == 2


def test_service_labels_choose() -> None:
    blue = pool(2, ServiceAllocation(service_selectors=(BLUE,)))
    assert tried(allocator(pool(1), blue), WEB) == 2
    assert tried(allocator(pool(1), blue), OTHER) == 1


def test_namespace_labels_choose_and_a_selector_of_none_never_does() -> None:
    blue = pool(2, ServiceAllocation(namespace_selectors=(BLUE,)))
    assert tried(allocator(pool(1), blue, shop={"team": "blue"}), WEB) == 2
    assert tried(allocator(pool(1), blue, shop={"team": "red"}), WEB) == 1
    assert allocator(blue).find(WEB, "p2")


@pytest.mark.parametrize("auto_assign", [True, False])
def test_who_asks_for_a_pool_of_others_is_refused(auto_assign: bool) -> None:
    made = allocator(pool(2, ServiceAllocation(namespaces=("shop",)), auto_assign=auto_assign))
    assert made.find(WEB, "p2")
    with pytest.raises(AllocationError, match="is for other Services"):
        made.find(OTHER, "p2")
    address = (IPv4Address("10.2.0.1"),)
    assert made.refusal(address, WEB) is None
    assert "is for other Services" in (made.refusal(address, OTHER) or "")


def test_a_change_of_labels_moves_nothing_between_pools_for_everybody() -> None:
    assert replace(WEB, labels=()) == WEB
