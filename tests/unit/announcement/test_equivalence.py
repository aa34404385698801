"""Two configurations mean the same, or where they do not."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from metalpy.announcement.equivalence import Difference, Side, differences
from metalpy.announcement.meaning import Carries, EqualLengths, Reading
from metalpy.announcement.owned import owned_by
from metalpy.model import (
    AddressRange,
    BFDProfile,
    BGPAdvertisement,
    Community,
    Config,
    L2Advertisement,
    LabelExpression,
    LabelSelector,
    Node,
    Operator,
    Peer,
    Pool,
)

RED, BLUE = LabelSelector((("team", "red"),)), LabelSelector((("team", "blue"),))
NODES = (Node("n1", (("team", "red"),)), Node("n2", (("team", "blue"),)))
PEER = Peer(64700, 64701, ip_address("192.0.2.1"))
INNER = Peer(64700, 64700, ip_address("192.0.2.2"))
LAST = Reading(equal_lengths=EqualLengths.LAST)


def pool(*prefixes: str, **fields: Any) -> Pool:
    return replace(Pool("p", tuple(AddressRange((ip_network(prefix),)) for prefix in prefixes)), **fields)


def codes(
    left: Config,
    right: Config,
    *,
    readings: tuple[Reading, Reading] = (Reading(), Reading()),
    nodes: tuple[Node, ...] | None = None,
) -> list[str]:
    return [found.code for found in told(left, right, readings=readings, nodes=nodes)]


def told(
    left: Config,
    right: Config,
    *,
    readings: tuple[Reading, Reading] = (Reading(), Reading()),
    nodes: tuple[Node, ...] | None = None,
) -> list[Difference]:
    return differences(Side(left, readings[0]), Side(right, readings[1]), renamed={}, nodes=nodes)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (pool("10.0.0.0/24"), pool("10.0.0.128/25", "10.0.0.0/25"), True),
        (pool("10.0.0.0/24"), pool("10.0.0.0/25"), False),
        (pool("10.0.0.0/30", avoid_buggy_ips=True), pool("10.0.0.1/32", "10.0.0.2/31"), True),
        (pool("10.0.0.0/23", avoid_buggy_ips=True), pool("10.0.0.0/23"), False),
        (pool("10.0.0.4/30", avoid_buggy_ips=True), pool("10.0.0.4/30"), True),
        (
            pool("10.0.0.0/24", "10.0.1.0/24", avoid_buggy_ips=True),
            pool("10.0.0.0/23", avoid_buggy_ips=True),
            True,
        ),
        (pool("10.0.0.255/32", "10.0.1.4/32", avoid_buggy_ips=True), pool("10.0.1.4/32"), True),
        (pool("2001:db8::/127", avoid_buggy_ips=True), pool("2001:db8::/127"), True),
    ],
)
def test_pools_own_the_same_addresses_whatever_the_spelling(left: Pool, right: Pool, same: bool) -> None:
    assert (owned_by(left) == owned_by(right)) is same


def test_lost_and_added_addresses_are_named() -> None:
    (found,) = told(Config((pool("10.0.0.0/30"),)), Config((pool("10.0.0.2/31", "10.0.9.9/32"),)))
    assert found.text == "loses 10.0.0.0-10.0.0.1; gains 10.0.9.9"


def test_another_order_of_addresses_is_told_and_no_difference() -> None:
    assert codes(Config((pool("10.0.0.0/31", "10.0.0.2/31"),)), Config((pool("10.0.0.2/31", "10.0.0.0/31"),))) == [
        "W-2"
    ]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ((L2Advertisement(),), (), ["D-L2"]),
        ((), (L2Advertisement(),), ["D-L2"]),
        ((L2Advertisement(),), (L2Advertisement(), L2Advertisement((RED,), ("eth0",))), []),
        ((L2Advertisement(interfaces=("a", "b")),), (L2Advertisement((), ("b",)), L2Advertisement((), ("a",))), []),
        ((L2Advertisement(),), (L2Advertisement((RED,)), L2Advertisement((BLUE,))), []),
        ((L2Advertisement(),), (L2Advertisement((RED,)),), ["D-L2"]),
        ((L2Advertisement(),), (L2Advertisement(service_selectors=(RED,)),), ["D-L2"]),
    ],
)
def test_layer_2_is_compared_on_the_nodes_that_there_are(
    left: tuple[L2Advertisement, ...], right: tuple[L2Advertisement, ...], expected: list[str]
) -> None:
    sides = [Config((pool("10.0.0.0/31", layer2=entries),)) for entries in (left, right)]
    assert codes(*sides, nodes=NODES) == expected


def test_a_difference_names_its_nodes() -> None:
    left, right = (Config((), (replace(PEER, node_selectors=entries),)) for entries in ((), (RED,)))
    (found,) = told(left, right, nodes=NODES)
    assert (found.code, found.text) == ("D-SESS", "has no session any more on n2")


def test_selectors_that_differ_without_nodes_are_undecided() -> None:
    left, right = (Config((), (replace(PEER, node_selectors=(entry,)),)) for entry in (RED, BLUE))
    assert codes(left, right) == ["U-2"]
    assert codes(left, right, nodes=NODES) == ["D-SESS", "D-SESS"]


def test_two_spellings_of_a_selector_are_one() -> None:
    spelt = LabelSelector((), (LabelExpression("team", Operator.IN, ("red",)),))
    left, right = (Config((), (replace(PEER, node_selectors=(entry,)),)) for entry in (RED, spelt))
    assert codes(left, right) == []


def test_selectors_that_changed_places_are_a_difference_without_nodes_too() -> None:
    peers = replace(PEER, node_selectors=(RED,)), replace(INNER, node_selectors=(BLUE,))
    swapped = replace(PEER, node_selectors=(BLUE,)), replace(INNER, node_selectors=(RED,))
    assert set(codes(Config((), peers), Config((), swapped))) == {"D-SESS"}


def routes(*left: BGPAdvertisement) -> Config:
    return Config((pool("10.0.0.0/24", bgp=left),), (PEER, INNER))


ONE, TWO = Community(1), Community(2)
FIRST, SECOND = BGPAdvertisement(communities=(ONE,)), BGPAdvertisement(communities=(TWO,))
BOTH = BGPAdvertisement(communities=(TWO, ONE))


@pytest.mark.parametrize(
    ("left", "right", "readings", "expected"),
    [
        (routes(FIRST, SECOND), routes(BOTH), (Reading(), Reading()), set()),
        (routes(FIRST, SECOND), routes(SECOND), (LAST, Reading()), set()),
        (routes(FIRST, SECOND), routes(FIRST), (LAST, Reading()), {"D-ROUTE"}),
        (routes(BOTH), routes(FIRST, SECOND), (LAST, Reading(equal_lengths=EqualLengths.UNDEFINED)), {"A-1"}),
        (routes(FIRST), routes(replace(FIRST, peers=("nobody",))), (Reading(), Reading()), {"D-ROUTE"}),
        (routes(FIRST), routes(FIRST, replace(FIRST, aggregation_length=24)), (Reading(), Reading()), {"D-ROUTE"}),
        (routes(FIRST), routes(replace(FIRST, aggregation_length_v6=64)), (Reading(), Reading()), set()),
    ],
)
def test_advertisements_are_compared_by_what_is_in_force(
    left: Config, right: Config, readings: tuple[Reading, Reading], expected: set[str]
) -> None:
    assert set(codes(left, right, readings=readings)) == expected


def test_a_local_preference_counts_inside_the_own_system_only() -> None:
    (found,) = told(routes(FIRST), routes(replace(FIRST, localpref=5)))
    assert found.text.endswith("to peer 192.0.2.2")


@pytest.mark.parametrize(
    ("carries", "dual_stack", "expected"),
    [(Carries.OWN, False, ["D-ROUTE"]), (Carries.OWN, True, []), (Carries.ALL, False, [])],
)
def test_a_session_carries_its_families(carries: Carries, dual_stack: bool, expected: list[str]) -> None:
    six = pool("2001:db8::/120", bgp=(BGPAdvertisement(),))
    left, right = Config((six,), (PEER,)), Config((six,), (replace(PEER, dual_stack=dual_stack),))
    assert codes(left, right, readings=(Reading(Carries.ALL), Reading(carries))) == expected


def test_bfd_is_compared_by_its_parameters_with_defaults() -> None:
    sides = [
        Config((), (replace(PEER, bfd_profile=profile.name),), (profile,))
        for profile in (BFDProfile("a"), BFDProfile("b", receive_interval_ms=300), BFDProfile("c", 299))
    ]
    assert codes(sides[0], sides[1]) == []
    assert codes(sides[0], sides[2]) == ["D-BFD"]


def test_what_native_mode_does_not_know_is_not_compared() -> None:
    left, right = Config((), (PEER,)), Config((), (replace(PEER, ebgp_multihop=True, keepalive_time_ns=1),))
    assert codes(left, right) == []
    frr = Reading(frr=True)
    (found,) = told(left, right, readings=(frr, frr))
    assert found.text == "has another keepalive time, eBGP multihop"
