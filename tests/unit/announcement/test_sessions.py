"""Every peer is judged by itself: what one router cannot have is refused by name, the others keep their sessions."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest

from metalpy.announcement.sessions import Capabilities, Limited, Peering, router_id_of, sessions
from metalpy.model import BFDProfile, Config, Family, LabelSelector, Node, Peer

NODE = Node("node1", (("rack", "1"),))
OWN = IPv4Address("10.9.0.11")
ROUTER = Capabilities(bfd=True)
FAST = BFDProfile("fast", receive_interval_ms=100)


def peer(address: str = "10.9.0.1", **fields: Any) -> Peer:
    return Peer(64600, 64601, ip_address(address), **fields)


def kept(*peers: Peer, node: Node = NODE, router: Capabilities = ROUTER, address: IPv4Address | None = OWN) -> Peering:
    return sessions(Config(peers=peers, bfd_profiles=(FAST,)), node, router, address)


def peers_of(peering: Peering) -> list[Peer]:
    return [session.peer for session in peering.sessions]


def test_node_keeps_sessions_with_the_peers_whose_selectors_fit_it() -> None:
    everywhere, here = peer(), peer("10.9.0.2", node_selectors=(LabelSelector((("rack", "1"),)),))
    elsewhere = peer("10.9.0.3", node_selectors=(LabelSelector((("rack", "2"),)),))

    assert peers_of(kept(everywhere, here, elsewhere)) == [everywhere, here]
    assert kept(elsewhere).refused == ()


def test_node_whose_labels_are_not_known_has_none() -> None:
    selective = peer(node_selectors=(LabelSelector((("rack", "1"),)),))

    assert peers_of(kept(selective, node=Node("node1"))) == []


@pytest.mark.parametrize(
    ("given", "own", "expected"),
    [
        (IPv4Address("10.9.9.9"), OWN, "10.9.9.9"),
        (None, OWN, "10.9.0.11"),
        (None, None, "64.37.239.133"),
    ],
)
def test_router_id_is_given_or_the_nodes_address_or_made_of_its_name(
    given: IPv4Address | None, own: IPv4Address | None, expected: str
) -> None:
    assert str(kept(peer(router_id=given), address=own).sessions[0].router_id) == expected


@pytest.mark.parametrize(("name", "expected"), [("node1", "64.37.239.133"), ("worker-a", "84.33.83.87")])
def test_router_id_made_of_a_name_is_that_of_the_reference(name: str, expected: str) -> None:
    assert str(router_id_of(name)) == expected


def test_one_router_id_serves_all_peers_of_a_node() -> None:
    unset, first, other = peer(), peer("10.9.0.2", router_id=IPv4Address(7)), peer("10.9.0.3", router_id=OWN)

    peering = kept(unset, first, other)

    assert {str(session.router_id) for session in peering.sessions} == {"0.0.0.7"}
    assert peers_of(peering) == [unset, first]
    assert [refused.peer for refused in peering.refused] == [other]
    assert "router ID 10.9.0.11 differs from the 0.0.0.7" in peering.refused[0].reason


def test_router_id_of_a_refused_peer_decides_nothing() -> None:
    refused, other = peer(router_id=IPv4Address(7), hold_time_s=0), peer("10.9.0.3", router_id=IPv4Address(8))

    assert [str(session.router_id) for session in kept(refused, other).sessions] == ["0.0.0.8"]


@pytest.mark.parametrize(
    ("wrong", "phrase"),
    [
        pytest.param(peer(hold_time_s=0), "hold time 0", id="hold-time"),
        pytest.param(peer(bfd_profile="slow"), "there is no BFD profile 'slow'", id="profile"),
        pytest.param(peer(bfd_profile="fast", ebgp_multihop=True), "BFD over several hops", id="multihop-bfd"),
    ],
)
def test_peer_that_cannot_be_had_is_refused_and_the_others_keep_their_sessions(wrong: Peer, phrase: str) -> None:
    before, after = peer("10.9.0.2"), peer("10.9.0.3", bfd_profile="fast")

    peering = kept(before, wrong, after)

    assert peers_of(peering) == [before, after]
    assert [refused.peer for refused in peering.refused] == [wrong]
    assert phrase in peering.refused[0].reason
    assert str(peering.refused[0]).startswith("peer 10.9.0.1:179: ")


def test_first_of_two_peers_with_one_address_keeps_it() -> None:
    first, second = peer(name="tor"), peer(port=1790)

    peering = kept(first, second)

    assert peers_of(peering) == [first]
    assert peering.refused[0].peer == second
    assert "10.9.0.1 is also the address of peer tor" in peering.refused[0].reason


def test_two_peers_with_one_address_are_fine_on_different_nodes() -> None:
    here = peer(port=1790, node_selectors=(LabelSelector((("rack", "1"),)),))
    elsewhere = peer(node_selectors=(LabelSelector((("rack", "2"),)),))

    assert kept(elsewhere, here).refused == ()


def test_bfd_peer_is_refused_where_the_router_has_no_bfd() -> None:
    peering = kept(peer(bfd_profile="fast"), router=Capabilities(bfd=False))

    assert peering.sessions == ()
    assert "BFD is not offered" in peering.refused[0].reason


def test_session_has_its_profile_with_the_defaults_filled_in() -> None:
    profile = kept(peer(bfd_profile="fast")).sessions[0].bfd

    assert profile == BFDProfile("fast", receive_interval_ms=100, transmit_interval_ms=300, detect_multiplier=3)


@pytest.mark.parametrize(
    ("change", "phrase"),
    [({"echo_mode": True}, "echo mode"), ({"passive_mode": True}, "passive mode"), ({"minimum_ttl": 250}, "TTL")],
)
def test_bfd_runs_without_what_the_router_cannot_do_and_says_so(change: dict[str, Any], phrase: str) -> None:
    wanted = peer(bfd_profile="fast")
    config = Config(peers=(wanted,), bfd_profiles=(replace(FAST, **change),))

    peering = sessions(config, NODE, ROUTER, OWN)

    assert peering.sessions == kept(wanted).sessions
    assert [type(limited) for limited in peering.limited] == [Limited]
    assert phrase in peering.limited[0].reason


def test_session_with_a_source_address_says_that_bfd_does_not_use_it() -> None:
    source = IPv4Address("10.9.0.12")

    assert "source address" in kept(peer(bfd_profile="fast", source_address=source)).limited[0].reason
    assert kept(peer(source_address=source)).limited == ()


@pytest.mark.parametrize(
    ("address", "dual_stack", "offered", "families"),
    [
        ("10.9.0.1", False, {Family.IPV4, Family.IPV6}, (Family.IPV4,)),
        ("10.9.0.1", True, {Family.IPV4, Family.IPV6}, (Family.IPV4, Family.IPV6)),
        ("10.9.0.1", True, {Family.IPV4}, (Family.IPV4,)),
        ("2001:db8::1", False, {Family.IPV4}, (Family.IPV6,)),
        ("2001:db8::1", True, {Family.IPV4}, (Family.IPV4, Family.IPV6)),
    ],
)
def test_session_carries_its_own_family_and_if_dual_stack_what_the_node_can_be_next_hop_of(
    address: str, dual_stack: bool, offered: set[Family], families: tuple[Family, ...]
) -> None:
    router = Capabilities(families=frozenset(offered))

    assert kept(peer(address, dual_stack=dual_stack), router=router).sessions[0].families == families


def test_ipv6_peer_is_named_with_its_address_in_brackets() -> None:
    wrong = Peer(1, 2, IPv6Address("2001:db8::1"), hold_time_s=0)

    assert str(kept(wrong).refused[0]).startswith("peer [2001:db8::1]:179: ")
