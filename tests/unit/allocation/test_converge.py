"""One Service's next state: families, requests, what its users are told, and why an address was cleared."""

from __future__ import annotations

from typing import Any

import pytest

from metalpy.model import Ingress, Severity
from tests.unit.allocation.services import CLUSTER_IPS, Cluster, key, pool, service

P = pool("P", "10.3.0.0/30")
Q = pool("Q", "10.4.0.0/30")
SIX = pool("six", "fc00:6::/126")
D = pool("D", "192.168.5.0/29", "1fc0::/124")

PREFER = {"family": "dual", "ip_family_policy": "PreferDualStack"}
TO_PREFER = {"cluster_ips": CLUSTER_IPS["dual"], "ip_family_policy": "PreferDualStack"}


# --- events ---


def test_allocation_is_a_normal_event_on_the_service() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a"))
    (event,) = cluster.events("a")

    assert (event.kind, event.key, event.uid) == ("Service", key("a"), "uid-a")
    assert (event.severity, event.component) == (Severity.NORMAL, "metallb-controller")


@pytest.mark.parametrize(
    ("fields", "reason", "message"),
    [
        pytest.param(
            {"load_balancer_ip": "zork"},
            "AllocationFailed",
            'Failed to allocate IP for "default/a": invalid spec.loadBalancerIP "zork"',
            id="bad-request",
        ),
        pytest.param(
            {"ingress": (Ingress("10.3.0.1"),), "load_balancer_ip": "zork"},
            "LoadBalancerFailed",
            'invalid requested loadbalancer IPs: invalid spec.loadBalancerIP "zork"',
            id="bad-request-with-address",
        ),
        pytest.param(
            {"ingress": (Ingress("10.3.0.1"), Ingress("10.3.0.2"))},
            "nolbIPsIPFamily",
            "Failed to retrieve LBIPs IPFamily for [10.3.0.1 10.3.0.2]: ",
            id="status-families",
        ),
        pytest.param(
            {"ingress": (Ingress("10.3.0.1"),), "cluster_ips": ("10.96.0.1", "10.96.0.2")},
            "noclusterIPsIPFamily",
            "Failed to retrieve ClusterIPs IPFamily for [10.96.0.1 10.96.0.2]: ",
            id="cluster-families",
        ),
        pytest.param(
            {"cluster_ips": ("10.96.0.1", "10.96.0.2")},
            "AllocationFailed",
            'Failed to allocate IP for "default/a": IPFamilyForAddresses: ',
            id="cluster-families-without-address",
        ),
    ],
)
def test_trouble_is_a_warning_that_starts_with_the_reference_words(
    fields: dict[str, Any], reason: str, message: str
) -> None:
    cluster = Cluster(P)
    outcome = cluster.apply(service("a", **fields))[key("a")]
    (event,) = outcome.events

    assert not outcome.writes_status
    assert (event.severity, event.reason) == (Severity.WARNING, reason)
    assert event.message.startswith(message)


def test_address_lost_and_found_again_at_once_is_no_new_allocation() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a"))
    cluster.edit("a", wanted_pool="P")

    assert cluster.told("a") == []


# --- requests ---


def test_service_moves_to_the_address_it_asks_for() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a"))
    outcome = cluster.edit("a", load_balancer_ip="10.3.0.2")

    assert cluster.ips("a") == ["10.3.0.2"]
    assert outcome.reason == "differentIPRequested"
    assert cluster.in_use() == {"P": 1}


def test_service_loses_its_address_when_the_one_it_asks_for_is_taken() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a"), service("b"))
    cluster.edit("b", load_balancer_ip="10.3.0.0")

    assert cluster.ips("b") == []
    assert cluster.told("b") == ["AllocationFailed"]


def test_service_keeps_its_address_when_it_stops_asking_for_it() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", load_balancer_ip="10.3.0.2"))
    outcome = cluster.edit("a", load_balancer_ip="")

    assert not outcome.writes_status
    assert cluster.ips("a") == ["10.3.0.2"]


def test_requested_ipv6_address_is_compared_by_value_and_its_text_in_the_status_stays() -> None:
    cluster = Cluster(SIX)
    cluster.apply(service("a", "FC00:6:0::1", family="ipv6", load_balancer_ip="fc00:06::1"))

    assert cluster.services[key("a")].ingress == (Ingress("FC00:6:0::1"),)


def test_requests_reach_pools_that_do_not_assign_by_themselves() -> None:
    cluster = Cluster(pool("manual", "10.4.0.0/30", auto_assign=False))
    cluster.apply(service("a", wanted_ips="10.4.0.1"))

    assert cluster.ips("a") == ["10.4.0.1"]


def test_one_annotated_address_does_not_do_for_two_families() -> None:
    cluster = Cluster(D)
    cluster.apply(service("a", family="dual", wanted_ips="1fc0::1"))

    assert "does not match the ipFamily of the service" in cluster.message("a")


def test_two_requested_addresses_in_another_order_change_nothing() -> None:
    cluster = Cluster(D)
    cluster.apply(service("a", "192.168.5.1", "1fc0::1", family="dual", wanted_ips="1fc0::1,192.168.5.1"))

    assert cluster.ips("a") == ["192.168.5.1", "1fc0::1"]
    assert cluster.told("a") == []


def test_two_requested_addresses_keep_their_order_when_the_pool_annotation_is_ignored() -> None:
    cluster = Cluster(P, D)
    cluster.apply(service("a", "192.168.5.1", "1fc0::1", family="dual", wanted_ips="1fc0::1,192.168.5.1"))
    cluster.edit("a", wanted_pool="P")

    assert cluster.ips("a") == ["192.168.5.1", "1fc0::1"]
    assert cluster.told("a") == ["PoolIgnored"]


def test_service_moves_to_the_pool_it_asks_for() -> None:
    cluster = Cluster(P, Q)
    cluster.apply(service("a"))
    outcome = cluster.edit("a", wanted_pool="Q")

    assert cluster.ips("a") == ["10.4.0.0"]
    assert outcome.reason == "differentPoolRequested"
    assert cluster.in_use() == {"P": 0, "Q": 1}


# --- families ---


def test_losing_a_family_keeps_the_other_address() -> None:
    cluster = Cluster(D)
    cluster.apply(service("a"), service("b", family="dual"))
    cluster.delete("a")
    outcome = cluster.edit("b", cluster_ips=CLUSTER_IPS["ipv4"], ip_family_policy="SingleStack")

    assert cluster.ips("b") == ["192.168.5.1"]
    assert outcome.reason == "familyChanged"
    assert cluster.in_use() == {"D": 1}


def test_service_without_clear_families_keeps_what_it_holds() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a"))
    cluster.edit("a", ingress=(Ingress("10.3.0.1"), Ingress("10.3.0.2")))
    cluster.apply(service("b"))

    assert cluster.ips("b") == ["10.3.0.1"]


def test_emptied_status_gets_the_same_address_back() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a"), service("b"))
    cluster.delete("a")
    cluster.edit("b", ingress=())

    assert cluster.ips("b") == ["10.3.0.1"]


def test_emptied_status_gets_the_same_address_back_from_a_later_pool() -> None:
    cluster = Cluster(pool("one", "10.3.0.1/32"), Q)
    cluster.apply(service("a"), service("b"))
    assert cluster.ips("b") == ["10.4.0.0"]
    cluster.delete("a")
    cluster.edit("b", ingress=())

    assert cluster.ips("b") == ["10.4.0.0"]


def test_preferred_second_family_that_cannot_be_had_is_a_warning_unlike_reference() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", **PREFER))

    assert cluster.ips("a") == ["10.3.0.0"]
    assert cluster.told("a") == ["IPAllocated", "SingleStackFallback"]


def test_both_preferred_families_from_a_later_pool_beat_one_from_the_first() -> None:
    cluster = Cluster(P, D)
    cluster.apply(service("a", **PREFER))

    assert cluster.ips("a") == ["192.168.5.0", "1fc0::"]


def test_preferred_family_of_the_first_cluster_address_is_tried_first() -> None:
    cluster = Cluster(P, SIX)
    cluster.apply(service("a", family="dual6", ip_family_policy="PreferDualStack"))

    assert cluster.ips("a") == ["fc00:6::"]


def test_preferred_second_family_is_added_when_an_address_of_the_pool_is_freed() -> None:
    cluster = Cluster(pool("tight", "10.3.0.0/30", "fc00:6::/128"))
    cluster.apply(service("a", family="ipv6"))
    cluster.apply(service("b", **PREFER))
    assert cluster.ips("b") == ["10.3.0.0"]
    cluster.delete("a")

    assert cluster.ips("b") == ["10.3.0.0", "fc00:6::"]


def test_preferred_second_family_freed_in_another_pool_does_not_move_a_settled_service() -> None:
    cluster = Cluster(P, pool("tight", "10.7.0.0/30", "fc00:6::/128"))
    cluster.apply(service("a", family="ipv6"))
    cluster.apply(service("b", **PREFER))
    cluster.delete("a")

    assert cluster.ips("b") == ["10.3.0.0"]


def test_coming_to_prefer_two_families_keeps_the_first_address_when_the_pool_has_both() -> None:
    cluster = Cluster(D)
    cluster.apply(service("a"), service("b"))
    cluster.delete("a")
    cluster.edit("b", **TO_PREFER)

    assert cluster.ips("b") == ["192.168.5.1", "1fc0::"]


def test_coming_to_prefer_two_families_keeps_the_only_address_when_no_pool_has_both() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a"), service("b"))
    cluster.delete("a")
    outcome = cluster.edit("b", **TO_PREFER)

    assert not outcome.writes_status
    assert outcome.reason == ""
    assert cluster.told("b") == ["SingleStackFallback"]


def test_bad_request_leaves_the_only_address_of_a_service_that_prefers_two_alone() -> None:
    cluster = Cluster(P)
    cluster.apply(service("a", **PREFER))
    cluster.edit("a", wanted_ips="zork")

    assert cluster.ips("a") == ["10.3.0.0"]
    assert cluster.told("a") == ["LoadBalancerFailed"]


def test_service_that_prefers_two_families_moves_to_the_pool_it_asks_for() -> None:
    cluster = Cluster(P, D)
    cluster.apply(service("a", wanted_pool="P", **PREFER))
    assert cluster.ips("a") == ["10.3.0.0"]
    cluster.edit("a", wanted_pool="D")

    assert cluster.ips("a") == ["192.168.5.0", "1fc0::"]
