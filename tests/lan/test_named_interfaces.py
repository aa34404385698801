"""Addresses that are for some interfaces of a node only, as an L2Advertisement may say."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import Ether

from tests.lab.wait import wait_until
from tests.lan.node import Node, exchange, reply, request
from tests.lan.test_conflicts import claim
from tests.lan.test_gratuitous import capture, heard

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.lan import Host, Lan

IP, IP6 = "192.168.1.240", "fd00::240"
EVERYWHERE, EVERYWHERE6 = "192.168.1.250", "fd00::250"
"""Announced on every interface: its answer shows that whatever was sent before has been dealt with."""
OTHER_MAC = "0a:00:00:00:00:77"
MACS = {"eth0": "0a:00:00:00:00:01", "eth1": "0a:00:00:00:04:01"}


@pytest.fixture
def host(host: Host, client: Host, lan: Lan) -> Host:
    """The host that announces has a second cable to the client."""
    lan.cable(host, client, "eth1")
    return host


def answered(client: Host, interface: str, address: str = IP) -> bool:
    """Tell whether a question over an interface is answered, with the MAC that the node has there."""
    asked = [request(each, sender=client) for each in (address, EVERYWHERE)]
    wanted, last = (reply(each, mac=MACS[interface], to=client) for each in (address, EVERYWHERE))
    received = exchange(client, *asked, interface=interface)
    assert received in ([last], [wanted, last])
    return wanted in received


def answered6(client: Host, interface: str) -> bool:
    """The same by neighbour solicitations, sent to this node."""
    asked = []
    for target in (IP6, EVERYWHERE6):
        to = IPv6(src="fd00::2", dst=target, hlim=255)
        frame = Ether(src=client.mac, dst=MACS[interface]) / to / ICMPv6ND_NS(tgt=target)
        asked.append(bytes(frame / ICMPv6NDOptSrcLLAddr(lladdr=client.mac)))
    return len(exchange(client, *asked, interface=interface)) > 1


def groups(host: Host, interface: str) -> bool:
    """Tell whether a host is in the multicast group in which IPv6 address IP6 is asked for."""
    return "ff02::1:ff00:240" in host.run(["ip", "-6", "maddr", "show", "dev", interface]).stdout


def where(client: Host, address: str = IP) -> set[str]:
    return {interface for interface in MACS if answered(client, interface, address)}


def test_address_is_answered_for_on_its_interface_alone(node: Node, client: Host) -> None:
    node.announce(f"{IP}@eth1", EVERYWHERE)

    assert where(client) == {"eth1"}
    assert node.counts(IP)[:2] == (1, 1)


def test_answers_follow_when_an_address_is_for_other_interfaces(node: Node, client: Host) -> None:
    for names, wanted in [
        ("@eth0", {"eth0"}),
        ("@eth1", {"eth1"}),
        ("", {"eth0", "eth1"}),
        ("@eth0,eth1", {"eth0", "eth1"}),
        ("@eth0", {"eth0"}),
        ("@eth7", set()),
    ]:
        node.announce(f"{IP}{names}", EVERYWHERE)
        assert where(client) == wanted, names
    node.announce(EVERYWHERE)
    assert where(client) == set()


def test_ipv6_address_is_answered_for_and_asked_in_its_group_on_its_interface_alone(node: Node, client: Host) -> None:
    for interface in MACS:
        node.wait_for_log(event_name="createNDPResponder", interface=interface)
    node.announce(f"{IP6}@eth1", EVERYWHERE6)
    assert {each for each in MACS if answered6(client, each)} == {"eth1"}
    assert {each for each in MACS if groups(node.host, each)} == {"eth1"}

    node.announce(f"{IP6}@eth0", EVERYWHERE6)
    assert {each for each in MACS if answered6(client, each)} == {"eth0"}
    assert {each for each in MACS if groups(node.host, each)} == {"eth0"}


def test_group_of_another_address_is_kept(node: Node) -> None:
    for interface in MACS:
        node.wait_for_log(event_name="createNDPResponder", interface=interface)
    node.announce(f"{IP6}@eth1", "fd00:1::240")
    node.announce("fd00:1::240")
    assert {each for each in MACS if groups(node.host, each)} == set(MACS)

    node.announce()
    assert {each for each in MACS if groups(node.host, each)} == set()


def test_announcements_go_out_on_its_interfaces_alone(quick: Node, client: Host) -> None:
    quick.wait_for_log(event_name="createARPResponder", interface="eth1")
    listening = {each: capture(client, many, interface=each) for each, many in (("eth0", 10), ("eth1", 20))}
    quick.announce(f"{IP}@eth1", EVERYWHERE)

    addresses = {each: {frame[28:32] for frame in heard(program)} for each, program in listening.items()}
    ours, everywhere = (bytes(map(int, each.split("."))) for each in (IP, EVERYWHERE))
    assert addresses == {"eth0": {everywhere}, "eth1": {ours, everywhere}}
    assert quick.counts(IP)[2] == 10


def test_address_is_announced_again_when_it_is_for_one_more_interface_and_not_when_for_one_less(
    quick: Node,
) -> None:
    quick.wait_for_log(event_name="createARPResponder", interface="eth1")
    quick.announce(f"{IP}@eth1")
    wait_until(lambda: quick.counts(IP)[2] == 10, 5, "the burst is over")
    quick.announce(IP)
    wait_until(lambda: quick.counts(IP)[2] == 30, 5, "the burst on both is over")
    quick.announce(f"{IP}@eth0", EVERYWHERE)
    wait_until(lambda: quick.counts(EVERYWHERE)[2] == 20, 5, "a later burst is over")

    assert quick.counts(IP)[2] == 30


def test_address_for_an_interface_that_comes_later_is_told_once_and_answered_for_then(
    node: Node, client: Host, lan: Lan
) -> None:
    node.announce(f"{IP}@eth7", EVERYWHERE)
    assert node.ask("absence") == [IP, "eth7"]
    node.announce(f"{IP}@eth7")
    assert len(node.logs(event_name="interfacesAbsent", ip=IP, interfaces=["eth7"])) == 1

    lan.cable(node.host, client, "eth7")
    node.wait_for_log(event_name="createARPResponder", interface="eth7")
    answer = reply(IP, mac=MACS["eth1"], to=client)  # cables with names of one length have the same MACs
    assert exchange(client, request(IP, sender=client), interface="eth7") == [answer]


def test_claims_on_other_interfaces_are_no_conflict(host: Host, client: Host, tmp_path: Path) -> None:
    node = Node(host, tmp_path / "strict", "--grace", "0", "--interval", "86400")
    node.wait_for_log(event_name="createARPResponder", interface="eth1")
    node.announce(f"{IP}@eth1", EVERYWHERE)
    for address in (IP, IP, EVERYWHERE, EVERYWHERE):
        claim(client, OTHER_MAC, address)
    assert node.ask("conflict") == [EVERYWHERE, "eth0", OTHER_MAC]
    for address in (IP, IP):
        claim(client, OTHER_MAC, address, "eth1")

    assert node.ask("conflict") == [IP, "eth1", OTHER_MAC]


def test_next_reply_process_and_an_orphan_keep_to_the_interfaces(node: Node, client: Host) -> None:
    node.announce(f"{IP}@eth1", EVERYWHERE)
    os.kill(node.ask("pid"), signal.SIGKILL)
    node.wait_for_log(2, event_name="createARPResponder", interface="eth1")
    node.wait_for_log(2, event_name="createARPResponder", interface="eth0")
    assert where(client) == {"eth1"}

    node.process.kill()
    node.process.wait()
    assert where(client) == {"eth1"}


def test_held_address_is_asked_for_on_its_interfaces_alone(host: Host, client: Host, tmp_path: Path) -> None:
    """Another host has the address on eth0, where it is none of ours."""
    client.run(["ip", "address", "add", IP, "dev", "eth0"])
    client.sysctl("net/ipv4/conf/all/arp_ignore", "1")
    node = Node(host, tmp_path / "asking", "--ask-first")
    node.wait_for_log(event_name="createARPResponder", interface="eth1")
    node.announce(f"{IP}@eth1", EVERYWHERE)

    wait_until(lambda: all(node.counts(each)[2] for each in (IP, EVERYWHERE)), 5, "both are announced")
    assert answered(client, "eth1")
    assert not answered(client, "eth0")
