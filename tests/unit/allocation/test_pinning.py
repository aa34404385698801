"""Pools that are for some Services only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalpy.allocation.allocator import Allocator
from metalpy.allocation.demand import Demand
from metalpy.errors import AllocationError, PoolsConflict
from metalpy.model import Family, LabelSelector, ObjectKey, ServiceAllocation, parse_address
from tests.unit.allocation.services import pool

if TYPE_CHECKING:
    from metalpy.model import Labels, Pool

BLUE = LabelSelector((("team", "blue"),))


def pinned(name: str, addresses: str, *, auto_assign: bool = True, **allocation: object) -> Pool:
    made = pool(name, addresses, auto_assign=auto_assign)
    return replace(made, allocation=ServiceAllocation(**allocation))  # type: ignore[arg-type]


def demand(namespace: str = "default", labels: Labels = ()) -> Demand:
    return Demand(ObjectKey(namespace, "web"), (Family.IPV4,), labels=labels)


def allocator(*pools: Pool) -> Allocator:
    made = Allocator()
    made.set_pools(pools)
    return made


OPEN = pool("open", "10.0.0.0/24")


def found(pools: Allocator, wanted: Demand, name: str = "") -> str:
    return str(pools.find(wanted, name)[0])


@pytest.mark.parametrize(
    ("namespace", "labels", "expected"),
    [("shop", (), "10.1.0.0"), ("default", (), "10.0.0.0"), ("default", (("team", "blue"),), "10.2.0.0")],
)
def test_pool_pinned_to_a_service_comes_before_the_others(namespace: str, labels: Labels, expected: str) -> None:
    by_namespace = pinned("n", "10.1.0.0/24", namespaces=("shop", "more"))
    by_label = pinned("l", "10.2.0.0/24", service_selectors=(BLUE,))

    assert found(allocator(OPEN, by_label, by_namespace), demand(namespace, labels)) == expected


def test_namespace_and_selector_must_both_fit() -> None:
    both = pinned("both", "10.1.0.0/24", namespaces=("shop",), service_selectors=(BLUE,))
    pools = allocator(both, OPEN)

    assert found(pools, demand("shop")) == "10.0.0.0"
    assert found(pools, demand("shop", (("team", "blue"),))) == "10.1.0.0"


def test_lower_priority_number_comes_first_and_none_last() -> None:
    late, first, second = (
        pinned("a", "10.1.0.0/32"),
        pinned("b", "10.2.0.0/32", priority=1),
        pinned("c", "10.3.0.0/32", priority=2),
    )
    pools = allocator(OPEN, late, second, first)
    for number, expected in enumerate(("10.2.0.0", "10.3.0.0", "10.1.0.0", "10.0.0.0")):
        wanted = replace(demand(), key=ObjectKey("default", f"s{number}"))
        assert found(pools, wanted) == expected
        pools.hold((parse_address(expected),), wanted)


def test_pinned_pool_without_auto_assign_serves_on_request_only() -> None:
    pools = allocator(pinned("p", "10.1.0.0/24", auto_assign=False, namespaces=("shop",)), OPEN)

    assert found(pools, demand("shop")) == "10.0.0.0"
    assert found(pools, demand("shop"), "p") == "10.1.0.0"


def test_pool_or_address_asked_for_by_name_must_be_for_the_service() -> None:
    pools = allocator(pinned("p", "10.1.0.0/24", namespaces=("shop",)))

    with pytest.raises(AllocationError, match='pool "p" not compatible'):
        pools.find(demand(), "p")
    assert 'pool "p" not compatible' in (pools.refusal((parse_address("10.1.0.5"),), demand()) or "")
    assert pools.refusal((parse_address("10.1.0.5"),), demand("shop")) is None


def test_pool_that_would_no_longer_be_for_who_holds_its_address_is_refused() -> None:
    pools = allocator(pool("p", "10.1.0.0/24"))
    pools.hold((parse_address("10.1.0.0"),), demand())

    with pytest.raises(PoolsConflict, match="default/web holds"):
        pools.set_pools([pinned("p", "10.1.0.0/24", namespaces=("shop",))])
    pools.set_pools([pinned("p", "10.1.0.0/24", namespaces=("default",))])
