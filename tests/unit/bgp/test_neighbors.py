"""From sessions to what gobgpd is told of them."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address, ip_interface
from typing import Any

import pytest

from metalpy.bgp.addresses import LocalAddresses
from metalpy.bgp.neighbors import Adjustable, Bfd, neighbor
from metalpy.model import BFDProfile, Family, host_port
from tests.unit.bgp.values import peer, session

LOCAL = LocalAddresses(
    (
        ("lo", ip_interface("127.0.0.1/8")),
        ("lo", ip_interface("198.51.100.1/32")),
        ("eth0", ip_interface("10.0.0.1/24")),
        ("eth1", ip_interface("192.0.2.100/24")),
        ("eth0", ip_interface("fe80::1/64")),
        ("eth0", ip_interface("fd00:1::1/64")),
        ("eth1", ip_interface("fd00:2::1/64")),
    )
)


def test_defaults_are_written_out() -> None:
    result, problems = neighbor(session(peer("192.0.2.1")), LOCAL)

    assert result is not None
    assert problems == ()
    assert (result.port, result.hold_time_s, result.keepalive_s) == (179, 90, 30)
    assert result.adjustable == Adjustable(connect_s=2, bfd=None)
    assert (result.families, result.next_hop, result.restart_s) == ((Family.IPV4,), None, 0)
    assert result.name == "192.0.2.1:179"


def test_any_difference_is_another_mark_but_for_what_is_adjusted() -> None:
    result, _ = neighbor(session(peer("192.0.2.1", password="geheim")), LOCAL)  # noqa: S106 - the test's own
    assert result is not None
    others: dict[str, Any] = {
        "address": ip_address("192.0.2.2"),
        "source": ip_address("192.0.2.100"),
        "password": "anders",
        "families": (Family.IPV4, Family.IPV6),
        "next_hop": ip_address("fd00::1"),
        "device": "red",
    }
    assert dataclasses.replace(result, adjustable=Adjustable(1, Bfd())).mark == result.mark
    for field in dataclasses.fields(result):
        if field.name == "adjustable":
            continue
        value = others[field.name] if field.name in others else getattr(result, field.name) + 1
        assert dataclasses.replace(result, **{field.name: value}).mark != result.mark, field.name
    assert dataclasses.replace(result).mark == result.mark
    assert "geheim" not in repr(result) + result.mark


@pytest.mark.parametrize(
    ("before", "after", "lasts"),
    [
        (None, None, True),
        (None, Bfd(), True),
        (Bfd(), Bfd(), True),
        (Bfd(), Bfd(100_000), False),
        (Bfd(), None, False),
    ],
    ids=str,
)
def test_session_lasts_when_bfd_begins_in_it_and_not_when_it_goes_or_is_replaced(
    before: Bfd | None, after: Bfd | None, lasts: bool
) -> None:
    assert Adjustable(1, after).may_follow(Adjustable(2, before)) == lasts


def test_routes_of_the_other_family_lead_to_the_link_of_the_peer() -> None:
    result, problems = neighbor(session(peer("192.0.2.1", dual_stack=True)), LOCAL)

    assert result is not None
    assert (result.families, str(result.next_hop), problems) == ((Family.IPV4, Family.IPV6), "fd00:2::1", ())


def test_routes_of_the_other_family_lead_to_the_source_address_s_link() -> None:
    far = peer("203.0.113.1", dual_stack=True, source_address=ip_address("10.0.0.1"))
    result, _ = neighbor(session(far), LOCAL)

    assert result is not None
    assert str(result.next_hop) == "fd00:1::1"


def test_family_that_the_node_has_not_is_left_out_and_named_if_it_is_announced() -> None:
    only_ipv6 = LocalAddresses((("lo", ip_interface("127.0.0.1/8")), ("eth0", ip_interface("fd00::1/64"))))
    wanted = session(peer("fd00::2", dual_stack=True))
    result, problems = neighbor(wanted, only_ipv6, announced={Family.IPV4})

    assert neighbor(wanted, only_ipv6) == (result, ()), "nobody misses what is not announced"
    assert result is not None
    assert result.families == (Family.IPV6,)
    assert problems == ("no IPv4 routes: this node has no IPv4 address that they could lead to",)


def test_source_address_of_another_is_no_session() -> None:
    result, problems = neighbor(session(peer("192.0.2.1", source_address=ip_address("10.0.0.2"))), LOCAL)

    assert result is None
    assert problems == ("source address 10.0.0.2 is not an address of this node",)


@pytest.mark.parametrize(("local_asn", "told"), [(None, 64500), (65550, 65550)])
def test_peer_is_told_its_own_as_number_of_ours(local_asn: int | None, told: int) -> None:
    result, _ = neighbor(session(peer("192.0.2.1", local_asn=local_asn)), LOCAL)

    assert result is not None
    assert result.local_asn == told


def test_session_is_bound_to_the_vrf_that_is_there() -> None:
    wanted = session(peer("192.0.2.1", vrf="red"))
    result, problems = neighbor(wanted, dataclasses.replace(LOCAL, interfaces=frozenset({"eth0", "red"})))

    assert result is not None
    assert (result.device, problems) == ("red", ())
    assert neighbor(wanted, LOCAL) == (None, ("VRF red is not there: this node has no interface of that name",))


@pytest.mark.parametrize(("vrf", "next_hop"), [("", "fd00:1::1"), ("red", "None")])
def test_routes_of_the_other_family_never_lead_to_another_vrf(vrf: str, next_hop: str) -> None:
    local = dataclasses.replace(LOCAL, interfaces=frozenset({"red"}))
    result, problems = neighbor(session(peer("203.0.113.1", dual_stack=True, vrf=vrf)), local, announced={Family.IPV6})

    assert result is not None
    assert (str(result.next_hop), len(problems)) == (next_hop, int(bool(vrf)))


def test_bfd_is_in_microseconds() -> None:
    result, problems = neighbor(session(peer("192.0.2.1"), bfd=BFDProfile("p", 100, None, 5)), LOCAL)

    assert result is not None
    assert (result.adjustable.bfd, problems) == (Bfd(100_000, 300_000, 5), ())


@pytest.mark.parametrize(("peer_wants", "all_restart", "restart_s"), [(False, 0, 0), (True, 0, 120), (False, 60, 60)])
def test_graceful_restart_is_the_peer_s_or_everybody_s(peer_wants: bool, all_restart: int, restart_s: int) -> None:
    result, _ = neighbor(session(peer("192.0.2.1", graceful_restart=peer_wants)), LOCAL, all_restart)

    assert result is not None
    assert result.restart_s == restart_s


def test_names_are_those_of_the_metrics() -> None:
    assert host_port(ip_address("192.0.2.1"), 179) == "192.0.2.1:179"
    assert host_port(ip_address("fd00::1"), 1790) == "[fd00::1]:1790"
