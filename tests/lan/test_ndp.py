"""Which neighbour solicitations are answered on a real LAN, and how. One LAN for all of this."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import Dot1Q, Ether

from tests.lab.lan import Host, Lan
from tests.lab.wait import wait_until
from tests.lan.node import Node, exchange

if TYPE_CHECKING:
    from collections.abc import Iterator

IP = "fd00::240"
GROUP = "ff02::1:ff00:240"
GROUP_MAC = "33:33:ff:00:02:40"
SENTINEL = "fd00::250"
"""Announced too: its answer shows that whatever was sent before has been dealt with."""
LINK_LOCAL = "fe80::800:ff:fe00:1"
NEVER = "86400"


@pytest.fixture(scope="module")
def lan6() -> Iterator[Lan]:
    """A LAN with IPv6."""
    with Lan(ipv6="fd00::/64") as result:
        yield result


@pytest.fixture(scope="module")
def node6(lan6: Lan, tmp_path_factory: pytest.TempPathFactory) -> Node:
    """An announcer of both addresses, which announces each of them once."""
    node = Node(lan6.host("node1"), tmp_path_factory.mktemp("ndp") / "logs", "--interval", NEVER)
    node.wait_for_log(event_name="createNDPResponder", interface="eth0")
    return node


@pytest.fixture(scope="module")
def neighbour(lan6: Lan, node6: Node) -> Host:
    """A host that gives up on an address soon."""
    result = lan6.host("client")
    assert result.mac != node6.host.mac
    result.sysctl("net/ipv6/neigh/eth0/retrans_time_ms", "100")
    return result


@pytest.fixture(autouse=True)
def _announced(node6: Node) -> None:
    node6.announce(IP, SENTINEL)


def solicitation(
    neighbour: Host,
    target: str = IP,
    *,
    has_mac: bool = True,
    hop_limit: int = 255,
    to: tuple[str, str] = (GROUP_MAC, GROUP),
    source: str = "fd00::2",
) -> Ether:
    """Build a question; `to` is an Ethernet and an IPv6 destination."""
    packet = Ether(src=neighbour.mac, dst=to[0]) / IPv6(src=source, dst=to[1], hlim=hop_limit)
    packet /= ICMPv6ND_NS(tgt=target)
    return packet / ICMPv6NDOptSrcLLAddr(lladdr=neighbour.mac) if has_mac else packet


def advertisement(node: Node, target: str, to_mac: str, to: str, *, solicited: bool, override: bool) -> bytes:
    return bytes(
        Ether(dst=to_mac, src=node.host.mac)
        / IPv6(src=LINK_LOCAL, dst=to, hlim=255)
        / ICMPv6ND_NA(R=0, S=int(solicited), O=int(override), tgt=target)
        / ICMPv6NDOptDstLLAddr(lladdr=node.host.mac)
    )


def answers_to(neighbour: Host, frame: Ether, node: Node) -> list[bytes]:
    """Send the frame and return the answers to it, leaving out that to the sentinel."""
    last_question = solicitation(neighbour, SENTINEL, to=("33:33:ff:00:02:50", "ff02::1:ff00:250"))
    *answers, last = exchange(neighbour, bytes(frame), bytes(last_question))
    assert last == advertisement(node, SENTINEL, neighbour.mac, "fd00::2", solicited=True, override=False)
    return answers


def groups(host: Host, interface: str = "eth0") -> set[str]:
    entries = json.loads(host.run(["ip", "-j", "-6", "maddr", "show", "dev", interface]).stdout)
    return {each["address"] for entry in entries for each in entry["maddr"]}


def test_neighbour_kernel_resolves_an_announced_address_only(node6: Node, neighbour: Host) -> None:
    neighbour.look_up("fd00::241")
    neighbour.look_up(IP)

    assert wait_until(lambda: neighbour.neighbour(IP), 5, "the neighbour knows the address") == node6.host.mac
    wait_until(lambda: "FAILED" in neighbour.run(["ip", "neigh", "show", "fd00::241"]).stdout, 5, "it gives up")


def test_neighbour_kernel_gets_an_answer_when_it_probes_us_alone(node6: Node, neighbour: Host) -> None:
    entry = ["ip", "neigh", "replace", IP, "lladdr", node6.host.mac, "dev", "eth0", "nud", "probe"]
    neighbour.run(entry)

    wait_until(lambda: "REACHABLE" in neighbour.run(["ip", "neigh", "show", IP]).stdout, 5, "the entry is confirmed")


def test_host_that_takes_an_announced_address_detects_the_duplicate(node6: Node, neighbour: Host) -> None:
    before = node6.counts(IP)
    neighbour.sysctl("net/ipv6/conf/eth0/accept_dad", "1")
    neighbour.run(["ip", "address", "add", f"{IP}/64", "dev", "eth0"])
    try:
        wait_until(
            lambda: "dadfailed" in neighbour.run(["ip", "address", "show", "dev", "eth0"]).stdout, 5, "it is detected"
        )
        assert node6.counts(IP)[:2] > before[:2]
    finally:
        neighbour.run(["ip", "address", "delete", f"{IP}/64", "dev", "eth0"])
        neighbour.sysctl("net/ipv6/conf/eth0/accept_dad", "0")


@pytest.mark.parametrize(
    "to",
    [(GROUP_MAC, GROUP), ("0a:00:00:00:00:01", IP)],
    ids=["to many", "to us"],
)
def test_solicitation_is_answered_with_the_exact_bytes(to: tuple[str, str], node6: Node, neighbour: Host) -> None:
    answers = answers_to(neighbour, solicitation(neighbour, to=to), node6)

    assert answers == [advertisement(node6, IP, neighbour.mac, "fd00::2", solicited=True, override=False)]


def test_solicitation_to_us_without_a_mac_is_answered_to_its_sender(node6: Node, neighbour: Host) -> None:
    question = solicitation(neighbour, has_mac=False, to=(node6.host.mac, IP))

    assert answers_to(neighbour, question, node6) == [
        advertisement(node6, IP, neighbour.mac, "fd00::2", solicited=True, override=False)
    ]


def test_probe_for_duplicates_is_answered_to_everybody_with_the_exact_bytes(node6: Node, neighbour: Host) -> None:
    answers = answers_to(neighbour, solicitation(neighbour, has_mac=False, source="::"), node6)

    assert answers == [advertisement(node6, IP, "33:33:00:00:00:01", "ff02::1", solicited=False, override=True)]


def test_solicitation_that_was_forwarded_is_not_answered(node6: Node, neighbour: Host) -> None:
    assert answers_to(neighbour, solicitation(neighbour, hop_limit=254), node6) == []


def test_solicitation_with_a_wrong_checksum_is_not_answered(node6: Node, neighbour: Host) -> None:
    question = solicitation(neighbour)
    question[ICMPv6ND_NS].cksum = 0x1234

    assert answers_to(neighbour, question, node6) == []


def test_solicitation_to_another_mac_is_not_answered(node6: Node, neighbour: Host) -> None:
    # A bridge floods frames to a MAC that it does not know.
    node6.host.run(["ip", "link", "set", "eth0", "promisc", "on"])

    assert answers_to(neighbour, solicitation(neighbour, to=("0a:00:00:00:00:77", IP)), node6) == []


def test_solicitation_of_a_vlan_is_not_answered(node6: Node, neighbour: Host) -> None:
    question = solicitation(neighbour)
    question.payload = Dot1Q(vlan=7, type=0x86DD) / question.payload
    question.type = 0x8100

    assert answers_to(neighbour, question, node6) == []


def test_withdrawn_address_is_not_answered(node6: Node, neighbour: Host) -> None:
    node6.announce(SENTINEL)

    assert answers_to(neighbour, solicitation(neighbour), node6) == []


def test_counters_count_what_happened(node6: Node, neighbour: Host) -> None:
    received, sent, unasked = node6.counts(IP)
    answers_to(neighbour, solicitation(neighbour), node6)
    answers_to(neighbour, solicitation(neighbour, hop_limit=254), node6)

    assert node6.counts(IP) == (received + 1, sent + 1, unasked)


def test_group_is_left_with_the_last_of_its_addresses(node6: Node) -> None:
    node6.announce("fd00::240", "fd01::240")
    assert GROUP in groups(node6.host)
    node6.announce("fd01::240")
    assert GROUP in groups(node6.host)
    node6.announce()

    assert GROUP not in groups(node6.host)


def test_ten_thousand_groups_are_joined(node6: Node) -> None:
    node6.announce(*(f"fd00::1:{number:x}" for number in range(10_000)))

    assert len(groups(node6.host)) >= 10_000
    assert node6.logs(op="watchMulticastGroup") == []


def test_late_interface_is_answered_on_once_its_link_local_address_is_in_use(
    lan6: Lan, node6: Node, neighbour: Host
) -> None:
    node6.host.sysctl("net/ipv6/conf/default/accept_dad", "1")
    lan6.cable(node6.host, neighbour, "eth1")
    node6.wait_for_log(event_name="createARPResponder", interface="eth1")
    assert GROUP not in groups(node6.host, "eth1")
    node6.wait_for_log(event_name="createNDPResponder", interface="eth1")

    (answer,) = exchange(neighbour, bytes(solicitation(neighbour)), interface="eth1")
    assert answer[62:78].hex() == "fd000000000000000000000000000240"
    assert GROUP in groups(node6.host, "eth1")
