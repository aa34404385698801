"""What a Service asks for, read from its spec and annotations."""

from __future__ import annotations

import pytest

from metalpy.allocation.demand import demand_of, families_of, requested_addresses
from metalpy.errors import AllocationError
from metalpy.model import Family
from tests.unit.allocation.services import addresses, ports, service

V4, V6 = Family.IPV4, Family.IPV6


@pytest.mark.parametrize(
    ("texts", "families"),
    [
        pytest.param((), (), id="none"),
        pytest.param(("10.0.0.1",), (V4,), id="ipv4"),
        pytest.param(("::ffff:10.0.0.1",), (V4,), id="ipv4-mapped"),
        pytest.param(("fc00::1",), (V6,), id="ipv6"),
        pytest.param(("None",), (V6,), id="headless-counts-as-ipv6"),
        pytest.param(("fc00::1", "10.0.0.1"), (V6, V4), id="order-kept"),
    ],
)
def test_families_are_told_from_addresses(texts: tuple[str, ...], families: tuple[Family, ...]) -> None:
    assert families_of(texts) == families


@pytest.mark.parametrize(
    ("texts", "cause"),
    [
        pytest.param(("10.0.0.1", "10.0.0.2"), "same address family", id="two-ipv4"),
        pytest.param(("fc00::1", "fc00::2"), "same address family", id="two-ipv6"),
        pytest.param(("10.0.0.1", "fc00::1", "fc00::2"), "invalid ips length 3", id="three"),
        pytest.param(("10.0.0.1", "zork"), 'invalid address "zork"', id="one-of-two-no-address"),
    ],
)
def test_families_that_are_not_clear_are_refused(texts: tuple[str, ...], cause: str) -> None:
    with pytest.raises(AllocationError, match=cause):
        families_of(texts)


@pytest.mark.parametrize(
    ("fields", "requested"),
    [
        pytest.param({}, (), id="none"),
        pytest.param({"load_balancer_ip": "10.0.0.1"}, ("10.0.0.1",), id="spec"),
        pytest.param({"load_balancer_ip": "FC00:0:0::1"}, ("fc00::1",), id="compared-by-value"),
        pytest.param({"load_balancer_ip": "::ffff:10.0.0.1"}, ("10.0.0.1",), id="mapped-is-ipv4"),
        pytest.param({"wanted_ips": " fc00::1 , 10.0.0.1 "}, ("fc00::1", "10.0.0.1"), id="annotation-trimmed"),
    ],
)
def test_requested_addresses_are_read(fields: dict[str, str], requested: tuple[str, ...]) -> None:
    assert requested_addresses(service("a", **fields)) == addresses(*requested)


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        pytest.param({"load_balancer_ip": "zork"}, 'invalid spec.loadBalancerIP "zork"', id="spec"),
        pytest.param({"load_balancer_ip": "10.0.0.1,fc00::1"}, 'invalid spec.loadBalancerIP "', id="spec-list"),
        pytest.param({"wanted_ips": "zork"}, 'invalid metallb.universe.tf/loadBalancerIPs: "zork"', id="annotation"),
        pytest.param({"wanted_ips": "10.0.0.1,,fc00::1"}, "invalid metallb.universe.tf/loadBalancerIPs: ", id="gap"),
        pytest.param({"wanted_ips": "10.0.0.1,10.0.0.1"}, "IPFamilyForAddresses: same address family", id="repeated"),
    ],
)
def test_request_that_cannot_be_read_is_refused_with_the_reference_words(fields: dict[str, str], cause: str) -> None:
    with pytest.raises(AllocationError) as error:
        requested_addresses(service("a", **fields))
    assert str(error.value).startswith(cause)


def test_selector_is_part_of_the_demand_with_local_traffic_only() -> None:
    selector = (("app", "x"),)

    assert demand_of(service("a", selector=selector)).backend_key == ()
    assert demand_of(service("a", selector=selector, external_traffic_policy="Local")).backend_key == selector


def test_repeated_port_counts_once() -> None:
    assert demand_of(service("a", ports=ports("TCP/80", "TCP/80"))).ports == frozenset(ports("TCP/80"))
