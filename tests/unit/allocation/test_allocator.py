"""What the allocator remembers, refuses and says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metalpy.allocation.allocator import Allocator, OnConflict, PoolCounts
from metalpy.allocation.demand import demand_of
from metalpy.errors import AllocationError, PoolsConflict
from tests.unit.allocation.services import addresses, key, pool, ports, service

if TYPE_CHECKING:
    from metalpy.model import Pool, Service

LOCAL = {"sharing_key": "k", "external_traffic_policy": "Local"}


def allocator(*pools: Pool) -> Allocator:
    made = Allocator()
    made.set_pools(pools)
    return made


def give(target: Allocator, *services: Service) -> None:
    for wanting in services:
        demand = demand_of(wanting)
        target.hold(target.find(demand), demand)


def refusal(target: Allocator, wanting: Service, *texts: str) -> str:
    return target.refusal(addresses(*texts), demand_of(wanting)) or ""


def test_pools_are_tried_in_the_order_written() -> None:
    target = allocator(pool("second-by-name", "10.2.0.0/32"), pool("first-by-name", "10.1.0.0/32"))
    give(target, service("a"), service("b"))

    assert [target.pool_of(target.find(demand_of(service(name)))) for name in "ab"] == [
        "second-by-name",
        "first-by-name",
    ]


def test_ranges_of_a_pool_are_tried_in_the_order_written() -> None:
    target = allocator(pool("p", "10.2.0.0/32", "10.1.0.0/32"))

    assert target.find(demand_of(service("a"))) == addresses("10.2.0.0")


def test_sharing_takes_a_lower_free_address_before_one_in_use() -> None:
    target = allocator(pool("p", "10.1.0.0/30"))
    give(target, service("a"), service("b", sharing_key="k"))
    target.release(key("a"))

    assert target.find(demand_of(service("c", sharing_key="k", port="TCP/443"))) == addresses("10.1.0.0")


def test_full_pool_still_serves_sharers() -> None:
    target = allocator(pool("p", "10.1.0.0/31"))
    give(target, service("a"), service("b", sharing_key="k"))

    assert target.find(demand_of(service("c", sharing_key="k", port="TCP/443"))) == addresses("10.1.0.1")


def test_port_that_a_sharer_gives_back_can_be_had_again() -> None:
    target = allocator(pool("p", "10.1.0.0/30"))
    give(
        target,
        service("a", sharing_key="k"),
        service("b", sharing_key="k", port="TCP/443"),
        service("c", sharing_key="k", port="TCP/443"),
    )
    assert target.holding(key("c")).addresses == addresses("10.1.0.1")  # type: ignore[union-attr]
    target.release(key("b"))

    assert target.find(demand_of(service("d", sharing_key="k", port="TCP/443"))) == addresses("10.1.0.0")


def test_empty_sharing_keys_are_not_equal() -> None:
    target = allocator(pool("p", "10.1.0.0/30"))
    give(target, service("a"))

    assert refusal(target, service("b", port="TCP/443"), "10.1.0.0")


def test_hold_of_addresses_outside_one_pool_changes_nothing() -> None:
    target = allocator(pool("p", "10.1.0.0/30"))
    give(target, service("a"))

    with pytest.raises(ValueError, match="one pool"):
        target.hold(addresses("10.9.0.0"), demand_of(service("a")))
    assert target.holding(key("a")).addresses == addresses("10.1.0.0")  # type: ignore[union-attr]
    assert target.counts()["p"].in_use == 1


def test_release_tells_whether_anything_was_held() -> None:
    target = allocator(pool("p", "10.1.0.0/30"))
    give(target, service("a"))

    assert target.release(key("a"))
    assert not target.release(key("a"))


def test_counts_are_addresses_in_use_and_services_apart() -> None:
    target = allocator(pool("p", "10.1.0.0/30"), pool("d", "fc00::/126", "10.2.0.0/30"))
    give(target, service("a", sharing_key="k"), service("b", sharing_key="k", port="TCP/443"))
    give(target, service("c", family="dual"))

    assert target.counts() == {"p": PoolCounts(4, 1, 2), "d": PoolCounts(8, 2, 1)}


def test_counts_are_moved_to_the_new_name_of_a_pool() -> None:
    target = allocator(pool("p", "10.1.0.0/30"))
    give(target, service("a"))
    target.set_pools([pool("renamed", "10.1.0.0/30")])

    assert target.counts() == {"renamed": PoolCounts(4, 1, 1)}


def test_sharing_goes_on_under_new_pools() -> None:
    target = allocator(pool("p", "10.1.0.0/30"))
    give(target, service("a", sharing_key="k"), service("b", sharing_key="k", port="TCP/443"))
    target.set_pools([pool("p", "10.1.0.0/31")])

    assert target.find(demand_of(service("c", sharing_key="k", port="UDP/53"))) == addresses("10.1.0.0")
    assert target.find(demand_of(service("d", sharing_key="k"))) == addresses("10.1.0.1")


def test_conflict_names_every_service_and_address() -> None:
    target = allocator(pool("p", "10.1.0.0/30"), pool("d", "10.2.0.0/30", "fc00::/126"))
    give(target, service("b"), service("a", family="dual"))

    with pytest.raises(PoolsConflict) as conflict:
        target.set_pools([pool("d", "10.2.0.0/30"), pool("e", "fc00::/126")])
    message = str(conflict.value)
    assert message.startswith("new config not compatible with assigned IPs")
    assert 'default/a holds ["10.2.0.0" "fc00::"], default/b holds ["10.1.0.0"]' in message


def test_refused_pools_change_nothing() -> None:
    target = allocator(pool("p", "10.1.0.0/30"))
    give(target, service("a"))

    with pytest.raises(PoolsConflict):
        target.set_pools([pool("q", "10.2.0.0/30")])
    assert target.counts() == {"p": PoolCounts(4, 1, 1)}
    assert target.find(demand_of(service("b"))) == addresses("10.1.0.1")


def test_conflict_releases_only_those_in_the_way_when_told_to() -> None:
    target = allocator(pool("p", "10.1.0.0/30"))
    give(target, service("a"), service("b"))
    target.set_pools([pool("p", "10.1.0.1/32")], OnConflict.RELEASE)

    assert target.holding(key("a")) is None
    assert target.holding(key("b")).addresses == addresses("10.1.0.1")  # type: ignore[union-attr]
    assert target.counts() == {"p": PoolCounts(1, 1, 1)}


# --- words ---


def test_unknown_pool_is_told_with_the_pools_there_are() -> None:
    with pytest.raises(AllocationError, match=r'^unknown pool "x"; pools are "p", "q"$'):
        allocator(pool("p", "10.1.0.0/30"), pool("q", "10.2.0.0/30")).find(demand_of(service("a")), "x")


def test_unknown_pool_is_told_with_a_few_of_many_pools() -> None:
    many = [pool(f"p{number}", f"10.{number}.0.0/30") for number in range(7)]

    with pytest.raises(AllocationError, match=r'"p0", "p1", "p2", "p3", "p4" and 2 more$'):
        allocator(*many).find(demand_of(service("a")), "x")


def test_full_pools_are_told_each_with_its_size() -> None:
    target = allocator(pool("p", "10.1.0.0/31"), pool("six", "fc00::/126"))
    give(target, service("a"), service("b"))

    with pytest.raises(AllocationError) as error:
        target.find(demand_of(service("c")))
    assert str(error.value) == (
        'no available IPs for ipv4 IPFamily: pool "p" is full: all its 2 IPv4 addresses are in use; '
        'pool "six" has no IPv4 addresses'
    )


def test_each_pool_tried_is_told_once_when_the_service_holds_something_already() -> None:
    target = allocator(pool("p", "10.1.0.0/31"), pool("q", "10.2.0.0/31"))
    give(target, service("a"))

    with pytest.raises(AllocationError) as error:
        target.find(demand_of(service("a", family="dual")))
    assert str(error.value).count('pool "p"') == 1


def test_no_pool_that_assigns_by_itself_is_told() -> None:
    target = allocator(pool("q", "10.2.0.0/30", auto_assign=False))

    with pytest.raises(AllocationError, match=r'^no available IPs: no pool assigns by itself .*; pools are "q"$'):
        target.find(demand_of(service("a")))


def test_no_pools_at_all_is_told() -> None:
    assert refusal(allocator(), service("a"), "10.1.0.0") == (
        '["10.1.0.0"] is not allowed in config: no pool contains 10.1.0.0; there are no pools'
    )


def test_pair_in_two_pools_is_told() -> None:
    target = allocator(pool("p", "10.1.0.0/30"), pool("six", "fc00::/126"))

    assert "one pool must contain both" in refusal(target, service("a", family="dual"), "10.1.0.0", "fc00::")


@pytest.mark.parametrize(
    ("holder", "other", "cause"),
    [
        pytest.param({}, {}, "is not shared", id="no-keys"),
        pytest.param({"sharing_key": "k"}, {}, 'has sharing key "k", the Service has ""', id="key-missing"),
        pytest.param(
            {"sharing_key": "k"}, {"sharing_key": "x"}, 'has sharing key "k", the Service has "x"', id="keys-differ"
        ),
        pytest.param(
            {"sharing_key": "k"}, {**LOCAL, "selector": (("app", "x"),)}, "externalTrafficPolicy", id="backends-differ"
        ),
    ],
)
def test_refusal_to_share_says_what_differs(holder: dict[str, str], other: dict[str, str], cause: str) -> None:
    target = allocator(pool("p", "10.1.0.0/30"))
    give(target, service("a", **holder))
    message = refusal(target, service("b", port="TCP/443", **other), "10.1.0.0")

    assert message.startswith('can\'t change sharing key for "default/b", address also in use by default/a')
    assert cause in message


def test_refusal_to_share_names_a_few_of_many_users() -> None:
    target = allocator(pool("p", "10.1.0.0/32"))
    give(target, *(service(f"a{number}", sharing_key="k", port=f"TCP/{number + 1}") for number in range(7)))

    assert "default/a0,default/a1,default/a2,default/a3,default/a4 and 2 more" in refusal(
        target, service("b"), "10.1.0.0"
    )


def test_lowest_port_in_use_is_told_whoever_came_first() -> None:
    target = allocator(pool("p", "10.1.0.0/32"))
    give(target, service("b", sharing_key="k", port="TCP/443"), service("a", sharing_key="k", port="TCP/80"))
    wanting = service("c", sharing_key="k", ports=ports("TCP/443", "TCP/80"))

    assert refusal(target, wanting, "10.1.0.0") == 'port TCP/80 is already in use on "10.1.0.0" by default/a'
