"""Thirty-six situations whose outcome under the reference is known, in the order s01 to s36.

Each is driven through `Assignments`. Where metalpy does otherwise on purpose, the test's name says `unlike_reference`.
"""

from __future__ import annotations

import pytest

from metalpy.allocation.assignments import Assignments
from metalpy.errors import PoolsConflict
from metalpy.model import Ingress, Pool, Service
from tests.unit.allocation.services import Cluster, key, pool, ports, service

P = pool("P", "10.3.0.0/30")
Q = pool("Q", "10.4.0.0/30", auto_assign=False)
D = pool("D", "192.168.5.0/29", "1fc0::/124")
D6 = pool("D6", "fc00::/124", "192.168.5.0/29")
BUGGY = pool("buggy", "10.5.0.0/24", avoid_buggy_ips=True)

LOCAL = {"sharing_key": "k", "external_traffic_policy": "Local"}
APP = (("app", "x"),)


def test_s01_new_service_gets_first_address_and_event_and_second_sync_writes_nothing() -> None:
    cluster = Cluster(P, Q)

    assert cluster.apply(service("a"))[key("a")].writes_status
    assert cluster.ips("a") == ["10.3.0.0"]
    assert cluster.message("a") == 'Assigned IP ["10.3.0.0"]'
    assert cluster.told("a") == ["IPAllocated"]

    assert not cluster.sync("a").writes_status
    assert cluster.told("a") == []


def test_s02_pool_annotation_reaches_a_pool_that_does_not_assign_by_itself() -> None:
    cluster = Cluster(P, Q)
    cluster.apply(service("a", wanted_pool="Q"))

    assert cluster.ips("a") == ["10.4.0.0"]


def test_s03_requested_address_beats_pool_annotation_with_one_warning_unlike_reference() -> None:
    cluster = Cluster(P, Q)
    cluster.apply(service("a", load_balancer_ip="10.4.0.3", wanted_pool="P"))

    assert cluster.ips("a") == ["10.4.0.3"]
    assert cluster.told("a") == ["IPAllocated", "PoolIgnored"]

    assert not cluster.sync("a").writes_status
    assert cluster.told("a") == ["PoolIgnored"]
    assert '"P"' in cluster.message("a")
    assert '"Q"' in cluster.message("a")


def test_s04_requested_address_of_another_is_refused_and_names_the_holder() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a"))
    cluster.apply(service("b", load_balancer_ip="10.3.0.0"))

    assert cluster.ips("b") == []
    assert cluster.told("b") == ["AllocationFailed"]
    assert cluster.message("b").startswith(
        'Failed to allocate IP for "default/b": can\'t change sharing key for "default/b", '
        "address also in use by default/a"
    )


def test_s05_requested_address_outside_all_pools_is_not_allowed() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", load_balancer_ip="10.9.0.0"))

    assert cluster.told("a") == ["AllocationFailed"]
    assert cluster.message("a").startswith(
        'Failed to allocate IP for "default/a": ["10.9.0.0"] is not allowed in config'
    )


def test_s06_both_ways_to_request_fail_the_allocation_of_a_service_without_address() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", load_balancer_ip="10.3.0.1", wanted_ips="10.3.0.1"))

    assert cluster.ips("a") == []
    assert cluster.told("a") == ["AllocationFailed"]
    assert (
        "service can not have both metallb.universe.tf/loadBalancerIPs and svc.Spec.LoadBalancerIP"
        in cluster.message("a")
    )


def test_s06_both_ways_to_request_leave_a_held_address_alone() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a"))
    outcome = cluster.edit("a", load_balancer_ip="10.3.0.1", wanted_ips="10.3.0.1")

    assert not outcome.writes_status
    assert cluster.ips("a") == ["10.3.0.0"]
    assert cluster.told("a") == ["LoadBalancerFailed"]
    assert cluster.message("a").startswith("invalid requested loadbalancer IPs: service can not have both")


def test_s07_unknown_pool_fails_the_allocation() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", wanted_pool="nope"))

    assert cluster.message("a").startswith('Failed to allocate IP for "default/a": unknown pool "nope"')


@pytest.mark.parametrize(
    ("wanted_pool", "cause"),
    [
        pytest.param("", "no available IPs", id="any-pool"),
        pytest.param("P", 'no available IPs in pool "P" for ipv4 IPFamily', id="annotation"),
    ],
)
def test_s08_full_pool_fails_the_allocation(wanted_pool: str, cause: str) -> None:
    cluster = Cluster(P)
    cluster.apply(*(service(f"a{number}") for number in range(4)))
    cluster.apply(service("b", wanted_pool=wanted_pool))

    assert cluster.told("b") == ["AllocationFailed"]
    assert cluster.message("b").startswith(f'Failed to allocate IP for "default/b": {cause}')


def test_s09_service_that_stops_being_load_balancer_frees_its_address_for_a_waiting_one_unlike_reference() -> None:
    cluster = Cluster(pool("one", "10.3.0.1/32"))
    cluster.apply(service("a"), service("b"))
    assert cluster.ips("b") == []

    assert cluster.edit("a", type="ClusterIP").reason == "notLoadBalancer"
    assert cluster.ips("a") == []
    assert cluster.ips("b") == ["10.3.0.1"]


def test_s10_service_without_cluster_ips_loses_its_address() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", "10.3.0.1"))

    assert cluster.edit("a", cluster_ips=()).reason == "noClusterIPs"
    assert cluster.ips("a") == []
    assert cluster.in_use() == {"P": 0}


@pytest.mark.parametrize(
    "ips",
    [
        pytest.param(("10.3.0.1", "10.3.0.2", "10.3.0.3"), id="three"),
        pytest.param(("10.3.0.1", "10.3.0.2"), id="two-ipv4"),
    ],
)
def test_s11_status_without_clear_families_is_left_alone_with_a_warning(ips: tuple[str, ...]) -> None:
    cluster = Cluster(P)
    outcome = cluster.apply(service("a", *ips))[key("a")]

    assert not outcome.writes_status
    assert cluster.told("a") == ["nolbIPsIPFamily"]
    assert cluster.message("a").startswith(f"Failed to retrieve LBIPs IPFamily for [{' '.join(ips)}]: ")


@pytest.mark.parametrize(
    "ingress",
    [
        pytest.param(Ingress("zork"), id="s12-no-address"),
        pytest.param(Ingress(hostname="x"), id="s13-host-name-only"),
        pytest.param(Ingress("10.77.0.1"), id="s15-foreign-address"),
    ],
)
def test_s12_s13_s15_status_that_cannot_be_kept_is_replaced(ingress: Ingress) -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", ingress=(ingress,)))

    assert cluster.services[key("a")].ingress == (Ingress("10.3.0.0"),)
    assert cluster.told("a") == ["IPAllocated"]


def test_s14_other_fields_of_a_kept_status_entry_stay_unlike_reference() -> None:
    cluster = Cluster(P)
    outcome = cluster.apply(service("a", ingress=(Ingress("10.3.0.1", "x", '{"ipMode":"Proxy"}'),)))[key("a")]

    assert not outcome.writes_status
    assert outcome.ingress == (Ingress("10.3.0.1", "x", '{"ipMode":"Proxy"}'),)


@pytest.mark.parametrize("ips", [(), ("10.3.0.0",), ("10.77.0.1",)], ids=["no-status", "own-status", "foreign-status"])
def test_s16_nothing_is_written_before_a_configuration(ips: tuple[str, ...]) -> None:
    cluster = Cluster()

    assert cluster.apply(service("a", *ips)) == {}
    assert cluster.assignments.counts() == {}


def test_s16_address_in_a_status_is_adopted_with_the_first_configuration() -> None:
    cluster = Cluster()
    cluster.apply(service("a"), service("b", "10.3.0.0"))
    cluster.configure(P)

    assert cluster.ips("b") == ["10.3.0.0"]
    assert cluster.ips("a") == ["10.3.0.1"]


def test_s17_of_two_that_claim_an_address_the_elder_keeps_it_unlike_reference() -> None:
    cluster = Cluster()
    cluster.apply(service("x", "10.3.0.2", created="2021-05-01T00:00:00Z"))
    cluster.apply(service("y", "10.3.0.2", created="2021-04-01T00:00:00Z"))
    outcomes = cluster.configure(P)

    assert cluster.ips("y") == ["10.3.0.2"]
    assert cluster.ips("x") == ["10.3.0.0"]
    assert outcomes[key("x")].reason == "notAllowedByConfig"


def test_s18_sharers_get_one_address_until_a_port_is_taken() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", sharing_key="k"))
    cluster.apply(service("b", sharing_key="k", port="TCP/443"))
    cluster.apply(service("c", sharing_key="k"))

    assert [cluster.ips(name) for name in "abc"] == [["10.3.0.0"], ["10.3.0.0"], ["10.3.0.1"]]


def test_s19_requested_shared_address_is_refused_when_the_port_is_taken() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", sharing_key="k"))
    cluster.apply(service("b", sharing_key="k", load_balancer_ip="10.3.0.0"))

    assert 'port TCP/80 is already in use on "10.3.0.0"' in cluster.message("b")
    assert "default/a" in cluster.message("b")


def test_s19_same_port_number_of_another_protocol_is_shared() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", sharing_key="k"))
    cluster.apply(service("b", sharing_key="k", load_balancer_ip="10.3.0.0", port="UDP/80"))

    assert cluster.ips("b") == ["10.3.0.0"]


def test_s20_local_with_a_selector_does_not_share_with_cluster() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", sharing_key="k"))
    cluster.apply(service("b", load_balancer_ip="10.3.0.0", port="TCP/443", selector=APP, **LOCAL))

    assert "can't change sharing key" in cluster.message("b")


def test_s20_local_without_a_selector_shares_with_cluster() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", sharing_key="k"))
    cluster.apply(service("b", load_balancer_ip="10.3.0.0", port="TCP/443", **LOCAL))

    assert cluster.ips("b") == ["10.3.0.0"]


def test_s21_sharer_whose_key_changes_moves_to_the_next_free_address() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", sharing_key="k"), service("b", sharing_key="k", port="TCP/443"))
    cluster.edit("a", sharing_key="other")

    assert cluster.ips("a") == ["10.3.0.1"]
    assert cluster.ips("b") == ["10.3.0.0"]


def test_s22_sole_user_keeps_its_address_when_its_key_changes() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", sharing_key="k"))
    cluster.edit("a", sharing_key="other")
    cluster.apply(service("b", sharing_key="other", port="TCP/443"), service("c", sharing_key="k", port="TCP/443"))

    assert cluster.ips("a") == ["10.3.0.0"]
    assert cluster.ips("b") == ["10.3.0.0"]
    assert cluster.ips("c") == ["10.3.0.1"]


def test_s23_sharer_whose_ports_come_to_clash_moves() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", sharing_key="k"), service("b", sharing_key="k", port="TCP/443"))
    cluster.edit("b", ports=ports("TCP/80"))

    assert cluster.ips("a") == ["10.3.0.0"]
    assert cluster.ips("b") == ["10.3.0.1"]


@pytest.mark.parametrize(
    ("selector", "shared"),
    [
        pytest.param((("app", "x"), ("tier", "web")), True, id="equal"),
        pytest.param(APP, False, id="subset"),
    ],
)
def test_s24_local_services_share_only_with_equal_selectors(
    selector: tuple[tuple[str, str], ...], shared: bool
) -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", selector=(("app", "x"), ("tier", "web")), **LOCAL))
    cluster.apply(service("b", selector=selector, port="TCP/443", **LOCAL))

    assert cluster.ips("b") == ["10.3.0.0" if shared else "10.3.0.1"]


def test_s25_two_families_come_in_the_order_of_the_pool() -> None:
    cluster = Cluster(D)
    cluster.apply(service("a", family="dual6"))

    assert cluster.ips("a") == ["192.168.5.0", "1fc0::"]
    assert cluster.message("a") == 'Assigned IP ["192.168.5.0" "1fc0::"]'


def test_s26_two_requested_addresses_stay_in_their_order_unlike_reference() -> None:
    cluster = Cluster(D6)
    cluster.apply(service("a", family="dual", wanted_ips="fc00::5,192.168.5.5"))

    assert cluster.ips("a") == ["fc00::5", "192.168.5.5"]
    assert not cluster.sync("a").writes_status


@pytest.mark.parametrize(
    ("wanted_ips", "cause"),
    [
        pytest.param("192.168.5.1,fc00::1", '["192.168.5.1" "fc00::1"] is not allowed in config', id="two-pools"),
        pytest.param("192.168.5.1,192.168.5.2", "same address family", id="two-ipv4"),
        pytest.param("192.168.5.1,1fc0::1,1fc0::2", "invalid ips length 3", id="three"),
        pytest.param("192.168.5.1,", 'invalid metallb.universe.tf/loadBalancerIPs: "192.168.5.1,"', id="comma"),
    ],
)
def test_s27_bad_list_of_requested_addresses_fails_the_allocation(wanted_ips: str, cause: str) -> None:
    cluster = Cluster(D, pool("E", "fc00::/124"))
    cluster.apply(service("a", family="dual", wanted_ips=wanted_ips))

    assert cluster.told("a") == ["AllocationFailed"]
    assert cause in cluster.message("a")


def test_s28_one_requested_address_does_not_do_for_two_families() -> None:
    cluster = Cluster(D)
    cluster.apply(service("a", family="dual", load_balancer_ip="192.168.5.1"))

    assert 'requested loadBalancer IP(s) ["192.168.5.1"] does not match the ipFamily of the service' in cluster.message(
        "a"
    )


def test_s29_gaining_a_second_family_keeps_the_first_address_unlike_reference() -> None:
    cluster = Cluster(D)
    cluster.apply(service("a"), service("b"))
    cluster.delete("a")
    cluster.edit("b", cluster_ips=("10.96.0.10", "fd00:96::10"), ip_family_policy="RequireDualStack")

    assert cluster.ips("b") == ["192.168.5.1", "1fc0::"]


@pytest.mark.parametrize(
    ("wanted_pool", "cause"),
    [
        pytest.param("", "no available IPs", id="any-pool"),
        pytest.param("P", 'no available IPs in pool "P" for dual IPFamily', id="annotation"),
    ],
)
def test_s30_two_families_do_not_fit_a_pool_of_one(wanted_pool: str, cause: str) -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", family="dual", wanted_pool=wanted_pool))

    assert cluster.ips("a") == []
    assert cluster.message("a").startswith(f'Failed to allocate IP for "default/a": {cause}')


def test_s31_avoid_buggy_ips_leaves_out_the_first_address() -> None:
    cluster = Cluster(BUGGY)
    cluster.apply(service("a"))

    assert cluster.ips("a") == ["10.5.0.1"]


def test_s31_avoid_buggy_ips_refuses_a_request_for_the_first_address() -> None:
    cluster = Cluster(BUGGY)
    cluster.apply(service("a", load_balancer_ip="10.5.0.0"))

    assert '["10.5.0.0"] is not allowed in config' in cluster.message("a")
    assert "avoid-buggy-ips" in cluster.message("a")


@pytest.mark.parametrize(
    "pools",
    [
        pytest.param((pool("renamed", "10.3.0.0/30"),), id="renamed"),
        pytest.param((pool("P", "10.3.0.0/30", auto_assign=False),), id="auto-assign-off"),
        pytest.param((pool("P", "10.3.0.0/29"),), id="grown"),
        pytest.param((pool("P", "10.3.0.0-10.3.0.1"),), id="shrunk-but-covering"),
        pytest.param((pool("low", "10.3.0.0/32"), pool("high", "10.3.0.1-10.3.0.3")), id="split"),
    ],
)
def test_s32_services_keep_addresses_that_are_still_in_some_pool(pools: tuple[Pool, ...]) -> None:
    cluster = Cluster(P)
    cluster.apply(service("a"), service("b"))
    outcomes = cluster.configure(*pools)

    assert not any(outcome.writes_status or outcome.events for outcome in outcomes.values())
    assert (cluster.ips("a"), cluster.ips("b")) == (["10.3.0.0"], ["10.3.0.1"])
    assert sum(cluster.in_use().values()) == 2


@pytest.mark.parametrize(
    "pools",
    [
        pytest.param((Q, D), id="pool-removed"),
        pytest.param((), id="no-pools"),
        pytest.param((pool("P", "10.3.0.0/30", avoid_buggy_ips=True), D), id="avoid-buggy-ips"),
        pytest.param((P, pool("D", "192.168.5.0/29"), pool("E", "1fc0::/124")), id="pair-split"),
    ],
)
def test_s33_pools_that_would_take_addresses_away_are_refused_and_the_old_work_on(pools: tuple[Pool, ...]) -> None:
    cluster = Cluster(P, D)
    cluster.apply(service("a"), service("b", family="dual"))
    with pytest.raises(PoolsConflict):
        cluster.configure(*pools)
    cluster.apply(service("c"))

    assert cluster.ips("a") == ["10.3.0.0"]
    assert cluster.ips("b") == ["192.168.5.0", "1fc0::"]
    assert cluster.ips("c") == ["10.3.0.1"]
    assert cluster.in_use() == {"P": 2, "D": 2}


def test_s34_deletion_of_a_service_never_seen_is_harmless_before_a_configuration() -> None:
    assert Assignments().update({key("ghost"): None}) == []


def test_s34_deletion_of_a_service_never_seen_touches_nobody_unlike_reference() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a"))

    assert cluster.delete("ghost") == {}


def test_s35_without_a_new_configuration_the_old_one_works_on() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a"))
    cluster.apply(service("b"))

    assert cluster.ips("b") == ["10.3.0.1"]


def test_s36_restart_moves_no_settled_service_when_one_has_no_address_unlike_reference() -> None:
    settled: list[Service] = [service(f"s{number}", f"10.6.0.{number}") for number in range(200)]
    cluster = Cluster()
    cluster.apply(service("newcomer", created="2019-01-01T00:00:00Z"), *reversed(settled))
    outcomes = cluster.configure(pool("wide", "10.6.0.0/24"))

    assert [name for name, outcome in outcomes.items() if outcome.writes_status] == [key("newcomer")]
    assert cluster.ips("newcomer") == ["10.6.0.200"]
