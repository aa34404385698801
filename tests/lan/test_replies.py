"""Which ARP requests are answered on a real LAN, and how. One LAN for all of this."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.lan import Host, Lan
from tests.lab.wait import wait_until
from tests.lan.node import Node, exchange, reply, request

if TYPE_CHECKING:
    from collections.abc import Iterator

IP = "192.168.1.240"
SENTINEL = "192.168.1.250"
"""Announced too: its answer shows that whatever was sent before has been dealt with."""


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    """A LAN with the host that announces."""
    with Lan() as result:
        result.host("node1")
        yield result


@pytest.fixture(scope="module")
def host(lan: Lan) -> Host:
    """The host that announces."""
    return lan.hosts["node1"]


@pytest.fixture(scope="module")
def client(lan: Lan, host: Host) -> Host:
    """A neighbour whose kernel gives up on an address soon."""
    result = lan.host("client")
    assert result.mac != host.mac
    result.sysctl("net/ipv4/neigh/eth0/retrans_time_ms", "100")
    return result


@pytest.fixture(scope="module")
def node(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Node:
    """An announcer on that host; each test says what it announces."""
    return Node(host, tmp_path_factory.mktemp("replies") / "logs")


def tagged(frame: bytes, vlan: int) -> bytes:
    """Put an IEEE 802.1Q tag into a frame."""
    return frame[:12] + bytes.fromhex("8100") + vlan.to_bytes(2, "big") + frame[12:]


def answers_to(client: Host, frame: bytes, node: Node) -> list[bytes]:
    """Send the frame and return the answers to it, leaving out that to the sentinel."""
    *answers, last = exchange(client, frame, request(SENTINEL, sender=client))
    assert last == reply(SENTINEL, mac=node.host.mac, to=client)
    return answers


def test_client_kernel_resolves_an_announced_address_only(node: Node, client: Host) -> None:
    node.announce(IP)
    client.run(["ip", "neigh", "flush", "dev", "eth0"])
    client.look_up("192.168.1.241")
    client.look_up(IP)

    assert wait_until(lambda: client.neighbour(IP), 5, "client knows the address") == node.host.mac
    wait_until(lambda: "FAILED" in client.run(["ip", "neigh", "show", "192.168.1.241"]).stdout, 5, "client gives up")


def test_page_is_fetched_from_an_announced_address(node: Node, client: Host) -> None:
    node.announce(IP)
    node.host.accept(IP)
    node.host.serve_pages("hello")

    assert client.fetch(f"http://{IP}/") == "hello"


@pytest.mark.parametrize("to", ["ff:ff:ff:ff:ff:ff", "0a:00:00:00:00:01"], ids=["broadcast", "unicast"])
def test_request_is_answered_with_the_exact_bytes(to: str, node: Node, client: Host) -> None:
    node.announce(IP, SENTINEL)

    answers = answers_to(client, request(IP, sender=client, to=to), node)

    expected = (
        "0a0000000002 0a0000000001 0806 0001 0800 06 04 0002 0a0000000001 c0a801f0 0a0000000002 c0a80102" + "00" * 18
    )
    assert answers == [bytes.fromhex(expected)]


def test_probe_from_no_address_is_answered(node: Node, client: Host) -> None:
    node.announce(IP, SENTINEL)

    answers = answers_to(client, request(IP, sender=client, sender_ip="0.0.0.0"), node)

    assert answers == [reply(IP, mac=node.host.mac, to=client, to_ip="0.0.0.0")]


def test_frame_with_a_priority_tag_only_is_answered(node: Node, client: Host) -> None:
    node.announce(IP, SENTINEL)

    answers = answers_to(client, tagged(request(IP, sender=client), 0), node)

    assert answers == [reply(IP, mac=node.host.mac, to=client)]


@pytest.mark.parametrize("to", ["ff:ff:ff:ff:ff:ff", "0a:00:00:00:00:01"], ids=["broadcast", "unicast"])
def test_frame_of_a_vlan_is_not_answered(to: str, node: Node, client: Host) -> None:
    node.announce(IP, SENTINEL)

    assert answers_to(client, tagged(request(IP, sender=client, to=to), 7), node) == []


def test_request_to_another_mac_is_not_answered(node: Node, client: Host) -> None:
    # A bridge floods frames to a MAC that it does not know.
    node.announce(IP, SENTINEL)
    node.host.run(["ip", "link", "set", "eth0", "promisc", "on"])

    assert answers_to(client, request(IP, sender=client, to="0a:00:00:00:00:77"), node) == []


def test_reply_is_not_answered(node: Node, client: Host) -> None:
    node.announce(IP, SENTINEL)
    frame = bytearray(request(IP, sender=client))
    frame[21] = 2

    assert answers_to(client, bytes(frame), node) == []


def test_withdrawn_address_is_not_answered(node: Node, client: Host) -> None:
    node.announce(IP, SENTINEL)
    assert answers_to(client, request(IP, sender=client), node)

    node.announce(SENTINEL)

    assert answers_to(client, request(IP, sender=client), node) == []


def test_each_of_ten_thousand_addresses_is_answered(quick: Node, client: Host) -> None:
    everything = [f"10.{number >> 8}.{number & 0xFF}.7" for number in range(10_000)]
    quick.announce(*everything)
    # So many unasked frames would push the answers out of the client's receive buffer.
    wait_until(lambda: quick.counts(everything[-1])[2] == 10, 30, "the bursts are over")
    some = everything[::97]

    answers = exchange(client, *(request(each, sender=client) for each in some))

    assert answers == [reply(each, mac=quick.host.mac, to=client) for each in some]


def test_counters_count_what_happened(node: Node, client: Host) -> None:
    fresh = "192.168.1.220"
    node.announce(fresh, SENTINEL)
    before = node.counts(SENTINEL)
    answers_to(client, request(fresh, sender=client), node)
    answers_to(client, request(fresh, sender=client), node)
    node.announce(SENTINEL)
    answers_to(client, request(fresh, sender=client), node)

    assert node.counts(fresh)[:2] == (2, 2)
    assert node.counts(SENTINEL)[:2] == (before[0] + 3, before[1] + 3)
