"""All Services together: start, changes of the configuration, and who gets what others give back."""

from __future__ import annotations

from typing import Any

import pytest

from metalpy.allocation.allocator import OnConflict
from metalpy.allocation.assignments import Assignments
from metalpy.errors import PoolsConflict
from metalpy.model import Config, Ingress, NewerWishes, Pool
from tests.unit.allocation.services import CLUSTER_IPS, Cluster, key, pool, service

P = pool("P", "10.3.0.0/30")
Q = pool("Q", "10.4.0.0/30")
ONE = pool("one", "10.3.0.1/32")
D = pool("D", "192.168.5.0/29", "1fc0::/124")

OLD, NEW = "2020-01-01T00:00:00Z", "2022-01-01T00:00:00Z"


# --- start ---


def test_start_serves_elders_first() -> None:
    cluster = Cluster()
    cluster.apply(service("young", created=NEW), service("ageless"), service("old", created=OLD))
    cluster.configure(P)

    assert [cluster.ips(name) for name in ("old", "young", "ageless")] == [["10.3.0.0"], ["10.3.0.1"], ["10.3.0.2"]]


def test_start_serves_services_of_one_age_by_name() -> None:
    cluster = Cluster()
    cluster.apply(service("b", created=OLD), service("a", created=OLD))
    cluster.configure(P)

    assert (cluster.ips("a"), cluster.ips("b")) == (["10.3.0.0"], ["10.3.0.1"])


def test_start_serves_requests_before_elders_without_one() -> None:
    cluster = Cluster()
    cluster.apply(service("old", created=OLD), service("asks", created=NEW, load_balancer_ip="10.3.0.0"))
    cluster.configure(P)

    assert (cluster.ips("asks"), cluster.ips("old")) == (["10.3.0.0"], ["10.3.0.1"])


def test_start_keeps_settled_addresses_before_requests() -> None:
    cluster = Cluster()
    cluster.apply(service("settled", "10.3.0.0", created=NEW))
    cluster.apply(service("asks", created=OLD, load_balancer_ip="10.3.0.0"))
    cluster.configure(P)

    assert cluster.ips("settled") == ["10.3.0.0"]
    assert cluster.told("asks") == ["AllocationFailed"]


def test_start_gives_a_requested_address_that_its_settled_holder_leaves_to_who_asked() -> None:
    cluster = Cluster()
    cluster.apply(service("leaves", "10.3.0.0", created=OLD, wanted_pool="Q"))
    cluster.apply(service("free", created=NEW), service("asks", created=NEW, load_balancer_ip="10.3.0.0"))
    cluster.configure(P, Q)

    assert cluster.ips("asks") == ["10.3.0.0"]
    assert cluster.ips("free") == ["10.3.0.1"]
    assert cluster.ips("leaves") == ["10.4.0.0"]


def test_start_adopts_sharers_together() -> None:
    cluster = Cluster()
    cluster.apply(*(service(name, "10.3.0.2", sharing_key="k", port=f"TCP/{ord(name)}") for name in "ab"))
    outcomes = cluster.configure(P)

    assert not any(outcome.writes_status or outcome.events for outcome in outcomes.values())
    assert cluster.in_use() == {"P": 1}


def test_start_replaces_addresses_that_no_pool_has() -> None:
    cluster = Cluster()
    cluster.apply(service("a", "10.77.0.1"))
    outcomes = cluster.configure(P)

    assert outcomes[key("a")].reason == "notAllowedByConfig"
    assert cluster.ips("a") == ["10.3.0.0"]


def test_start_takes_no_heed_of_services_that_are_no_load_balancers() -> None:
    cluster = Cluster()
    cluster.apply(service("a", type="ClusterIP"))
    outcomes = cluster.configure(P)

    assert not outcomes[key("a")].writes_status
    assert cluster.told("a") == []


# --- changed configuration ---


def test_reload_keeps_ip_when_pool_is_renamed() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a"))
    cluster.configure(pool("renamed", "10.3.0.0/30"))

    assert cluster.ips("a") == ["10.3.0.0"]
    assert cluster.in_use() == {"renamed": 1}


def test_reload_moves_service_whose_annotated_pool_lost_its_address() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", wanted_pool="P"))
    cluster.configure(pool("other", "10.3.0.0/30"), pool("P", "10.8.0.0/30"))

    assert cluster.ips("a") == ["10.8.0.0"]


def test_reload_serves_waiting_services_in_turn_when_a_pool_grows() -> None:
    cluster = Cluster(ONE)
    cluster.apply(service("holder"), service("young", created=NEW), service("old", created=OLD))
    cluster.configure(pool("one", "10.3.0.1-10.3.0.2"))

    assert [cluster.ips(name) for name in ("old", "young", "holder")] == [["10.3.0.1"], ["10.3.0.2"], []]


def test_reload_gives_an_address_that_is_left_to_the_eldest_that_waits() -> None:
    cluster = Cluster(ONE)
    cluster.apply(service("moves", created="2021-01-01T00:00:00Z", wanted_pool="one"))
    cluster.apply(service("elder", created=OLD))
    cluster.apply(service("younger", created=NEW))
    assert (cluster.ips("elder"), cluster.ips("younger")) == ([], [])
    cluster.configure(pool("left", "10.3.0.1/32"), pool("one", "10.8.0.0/32", auto_assign=False))

    assert cluster.ips("moves") == ["10.8.0.0"]
    assert cluster.ips("elder") == ["10.3.0.1"]
    assert cluster.ips("younger") == []


def test_reload_serves_elder_without_address_before_younger_that_only_lacks_a_second() -> None:
    cluster = Cluster(ONE)
    cluster.apply(service("younger", family="dual", ip_family_policy="PreferDualStack", created=NEW))
    cluster.apply(service("elder", family="ipv6", created=OLD))
    cluster.configure(pool("one", "10.3.0.1/32", "fc00::/128"))

    assert cluster.ips("elder") == ["fc00::"]
    assert cluster.ips("younger") == ["10.3.0.1"]


def test_reload_that_is_refused_works_once_the_service_in_the_way_is_gone() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a"))
    with pytest.raises(PoolsConflict, match=r'default/a holds \["10.3.0.0"\]'):
        cluster.configure(Q)
    cluster.delete("a")
    cluster.configure(Q)

    assert set(cluster.in_use()) == {"Q"}


def test_reload_that_may_release_moves_services_of_a_removed_pool() -> None:
    cluster = Cluster(P, on_conflict=OnConflict.RELEASE)
    cluster.apply(service("a"), service("b"))
    outcomes = cluster.configure(pool("P", "10.3.0.1/32"), Q)

    assert cluster.ips("a") == ["10.4.0.0"]
    assert cluster.ips("b") == ["10.3.0.1"]
    assert outcomes[key("a")].reason == "notAllowedByConfig"
    assert not outcomes[key("b")].writes_status


def test_reload_that_may_release_empties_statuses_when_all_pools_go() -> None:
    cluster = Cluster(P, on_conflict=OnConflict.RELEASE)
    cluster.apply(service("a"))
    cluster.configure(pool("manual", "10.9.0.0/30", auto_assign=False))

    assert cluster.ips("a") == []
    assert cluster.told("a") == ["AllocationFailed"]


def test_reload_that_may_release_gives_a_split_pair_a_new_pair() -> None:
    cluster = Cluster(D, on_conflict=OnConflict.RELEASE)
    cluster.apply(service("a", family="dual"))
    cluster.configure(pool("D", "192.168.5.0/29"), pool("E", "1fc0::/124"), pool("both", "10.1.0.0/30", "fc00::/126"))

    assert cluster.ips("a") == ["10.1.0.0", "fc00::"]


# --- what others give back ---


def test_freed_address_goes_to_the_eldest_that_waits() -> None:
    cluster = Cluster(ONE)
    cluster.apply(service("a"))
    cluster.apply(service("young", created=NEW))
    cluster.apply(service("old", created=OLD))
    outcomes = cluster.delete("a")

    assert cluster.ips("old") == ["10.3.0.1"]
    assert cluster.ips("young") == []
    assert outcomes[key("old")].events[0].reason == "IPAllocated"


def test_freed_address_goes_to_a_waiting_service_before_a_newcomer_of_the_same_batch() -> None:
    cluster = Cluster(ONE)
    cluster.apply(service("a", created=OLD))
    cluster.apply(service("waits", created=OLD))
    cluster.apply(service("a", "10.3.0.1", created=OLD, type="ClusterIP"), service("newcomer", created=NEW))

    assert cluster.ips("waits") == ["10.3.0.1"]
    assert cluster.ips("newcomer") == []


def test_waiting_service_is_not_touched_while_nothing_is_freed() -> None:
    cluster = Cluster(ONE)
    cluster.apply(service("a"), service("b"))

    assert set(cluster.apply(service("c", type="ClusterIP"))) == {key("c")}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"type": "NodePort"}, id="type"),
        pytest.param({"cluster_ips": ()}, id="no-cluster-ips"),
        pytest.param({"cluster_ips": CLUSTER_IPS["ipv6"]}, id="family"),
        pytest.param({"wanted_pool": "manual"}, id="pool"),
        pytest.param({"load_balancer_ip": "10.4.0.2"}, id="request"),
    ],
)
def test_address_that_a_change_frees_is_offered_to_waiting_services(change: dict[str, Any]) -> None:
    cluster = Cluster(ONE, pool("manual", "10.4.0.0/30", auto_assign=False))
    cluster.apply(service("a"), service("b"))
    cluster.edit("a", **change)

    assert cluster.ips("b") == ["10.3.0.1"]


def test_port_that_a_sharer_gives_up_is_offered_to_waiting_services() -> None:
    cluster = Cluster(ONE)
    cluster.apply(service("a", sharing_key="k"), service("b", sharing_key="k"))
    assert cluster.ips("b") == []
    cluster.edit("a", ports=())

    assert cluster.ips("b") == ["10.3.0.1"]


def test_address_of_a_service_that_lacks_a_second_is_offered_when_it_stops_being_load_balancer() -> None:
    cluster = Cluster(ONE)
    cluster.apply(service("a", family="dual", ip_family_policy="PreferDualStack"))
    cluster.apply(service("b"))
    cluster.edit("a", type="NodePort")

    assert cluster.ips("b") == ["10.3.0.1"]


def test_waiting_service_that_is_deleted_is_forgotten() -> None:
    cluster = Cluster(ONE)
    cluster.apply(service("a"), service("b"))
    cluster.delete("b")

    assert cluster.delete("a") == {}


def test_deleted_service_that_returns_in_the_same_state_gets_the_first_address() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a"), service("b"))
    cluster.delete("a")
    cluster.apply(service("c"))

    assert cluster.ips("c") == ["10.3.0.0"]


def test_status_of_a_newcomer_is_adopted_before_another_newcomer_chooses() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a"), service("b", "10.3.0.0"))

    assert (cluster.ips("a"), cluster.ips("b")) == (["10.3.0.1"], ["10.3.0.0"])


def test_address_stays_reserved_until_the_write_is_seen() -> None:
    assignments = Assignments()
    assignments.configure(Config((P,)))
    first = assignments.update({key("a"): service("a")})
    assignments.update({key("b"): service("b")})
    again = assignments.update({key("a"): service("a")})

    assert [outcome.addresses for outcome in again] == [outcome.addresses for outcome in first]


def test_written_status_is_not_written_again_when_the_configuration_changes() -> None:
    assignments = Assignments()
    assignments.configure(Config((P,)))
    (outcome,) = assignments.update({key("a"): service("a")})
    assignments.wrote(outcome)

    assert not any(outcome.writes_status for outcome in assignments.configure(Config((P, Q))))


def test_status_written_for_an_outdated_service_does_not_replace_the_newer_one() -> None:
    assignments = Assignments()
    assignments.configure(Config((P,)))
    (outcome,) = assignments.update({key("a"): service("a")})
    assignments.update({key("a"): service("a", wanted_pool="P")})
    assignments.wrote(outcome)

    assert all(outcome.writes_status for outcome in assignments.configure(Config((P, Q))))


# --- echoes ---


def test_own_write_that_comes_back_with_a_new_version_is_no_work() -> None:
    assignments = Assignments()
    assignments.update({key("a"): service("a", resource_version="1")})
    (outcome,) = assignments.configure(Config((P,)))
    assignments.wrote(outcome)

    assert assignments.update({key("a"): service("a", "10.3.0.0", resource_version="2")}) == []


def test_own_write_is_no_work_with_what_the_api_server_adds_to_it_either() -> None:
    assignments = Assignments()
    assignments.update({key("a"): service("a", resource_version="1")})
    (outcome,) = assignments.configure(Config((P,)))
    assignments.wrote(outcome)
    come_back = service("a", resource_version="2", ingress=(Ingress("10.3.0.0", extra='{"ipMode":"VIP"}'),))

    assert assignments.update({key("a"): come_back}) == []


def test_service_that_comes_back_without_the_status_it_should_have_is_written_again() -> None:
    assignments = Assignments()
    assignments.update({key("a"): service("a", resource_version="1")})
    assignments.configure(Config((P,)))

    (outcome,) = assignments.update({key("a"): service("a", resource_version="2")})

    assert outcome.writes_status
    assert outcome.service.resource_version == "2"


def test_version_that_an_echo_brought_is_what_the_next_write_is_compared_with() -> None:
    assignments = Assignments()
    assignments.update({key("a"): service("a", "10.3.0.0", resource_version="1")})
    assignments.configure(Config((P,)))
    assignments.update({key("a"): service("a", "10.3.0.0", resource_version="2")})

    (outcome,) = assignments.configure(Config((pool("wide", "10.3.0.0/24"),)))

    assert outcome.service.resource_version == "2"


# --- newer annotations ---


def read_newer(*pools: Pool) -> Config:
    return Config(pools, reads_newer_annotations=True)


def test_newer_annotations_come_first_where_they_count() -> None:
    assignments = Assignments()
    asks = service("a", wanted_pool="P", wanted_ips="10.3.0.1", newer=NewerWishes("Q", "10.4.0.1"))
    falls_back = service("b", wanted_pool="Q", newer=NewerWishes(sharing_key="k"))
    assignments.update({key("a"): asks, key("b"): falls_back})

    outcomes = {outcome.service.key.name: outcome for outcome in assignments.configure(read_newer(P, Q))}

    assert [(str(outcome.addresses[0]), outcome.pool) for _, outcome in sorted(outcomes.items())] == [
        ("10.4.0.1", "Q"),
        ("10.4.0.0", "Q"),
    ]
    demand = outcomes["b"].demand
    assert demand is not None
    assert demand.sharing_key == "k"


def test_newer_annotations_of_a_legacy_configuration_are_not_read() -> None:
    assignments = Assignments()
    assignments.configure(Config((P, Q)))

    (outcome,) = assignments.update({key("a"): service("a", newer=NewerWishes("Q", "10.4.0.1"))})

    assert str(outcome.addresses[0]) == "10.3.0.0"


def test_change_of_what_the_configuration_is_written_in_has_services_read_anew() -> None:
    assignments = Assignments()
    assignments.configure(Config((P, Q)))
    (outcome,) = assignments.update({key("a"): service("a", newer=NewerWishes("Q"))})
    assignments.wrote(outcome)

    (moved,) = assignments.configure(read_newer(P, Q))
    assert (moved.pool, moved.reason) == ("Q", "differentPoolRequested")
    assignments.wrote(moved)
    (stays,) = assignments.configure(Config((P, Q)))
    assert (stays.pool, stays.writes_status) == ("Q", False)


def test_message_names_the_annotation_that_was_read() -> None:
    assignments = Assignments()
    assignments.configure(read_newer(P, Q))

    (outcome,) = assignments.update({key("a"): service("a", newer=NewerWishes(ips="nowhere"))})

    assert 'invalid metallb.io/loadBalancerIPs: "nowhere"' in outcome.events[0].message
