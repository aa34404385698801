"""What the LAN hears without asking."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from metalpy.layer2 import arp
from tests.lab.wait import wait_until
from tests.lan.node import Node

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.lan import Host, Lan

IP = "192.168.1.240"
OTHER = "192.168.1.241"


def capture(client: Host, many: int, family: str = "ipv4", interface: str = "eth0") -> subprocess.Popen[Any]:
    """Start to listen for that many broadcast ARP frames, or unasked neighbour advertisements."""
    words = [sys.executable, "-m", "tests.lan.wire_program", "capture", interface, family, str(many)]
    listening = client.popen(words, stdout=subprocess.PIPE, text=True)
    assert listening.stdout
    assert listening.stdout.readline() == "ready\n"
    return listening


def heard(listening: subprocess.Popen[Any]) -> list[bytes]:
    """Wait for the frames."""
    output, _ = listening.communicate(timeout=10)
    return [bytes.fromhex(line) for line in output.split()]


def test_gained_address_is_announced_in_five_rounds_with_the_exact_bytes(quick: Node, client: Host) -> None:
    listening = capture(client, 10)
    quick.announce(IP)

    head = "ffffffffffff 0a0000000001 0806 0001 0800 06 04"
    body = "0a0000000001 c0a801f0 ffffffffffff c0a801f0" + "00" * 18
    assert heard(listening) == [bytes.fromhex(f"{head} {op} {body}") for op in ("0001", "0002")] * 5
    assert quick.counts(IP) == (0, 0, 10)


def test_address_already_announced_is_not_announced_again(quick: Node, client: Host) -> None:
    quick.announce(IP)
    wait_until(lambda: quick.counts(IP)[2] == 10, 5, "the burst is over")
    listening = capture(client, 10)
    quick.announce(IP)
    quick.announce(IP, OTHER)

    assert {frame[arp.SENDER_IP] for frame in heard(listening)} == {IPv4Address(OTHER).packed}
    assert quick.counts(IP)[2] == 10


def test_burst_ends_at_once_when_the_address_is_lost(node: Node) -> None:
    node.announce(IP)
    wait_until(lambda: node.counts(IP)[2] == 2, 1, "the first round")
    node.announce()
    node.announce(OTHER)  # its second round is later than that of the other would be
    wait_until(lambda: node.counts(OTHER)[2] == 4, 5, "two rounds")

    assert node.counts(IP)[2] == 2


def test_client_that_holds_the_old_owner_learns_the_new_one(quick: Node, client: Host) -> None:
    client.run(["ip", "neigh", "replace", IP, "lladdr", "0a:00:00:00:00:77", "dev", "eth0", "nud", "stale"])
    quick.announce(IP)

    wait_until(lambda: client.neighbour(IP) == quick.host.mac, 5, "client holds the new owner")


def test_new_mac_is_announced_for_all_addresses(quick: Node, client: Host) -> None:
    quick.announce(IP)
    wait_until(lambda: quick.counts(IP)[2] == 10, 5, "the burst is over")
    listening = capture(client, 10)
    quick.host.run(["ip", "link", "set", "eth0", "address", "0a:00:00:00:00:33"])

    frames = heard(listening)
    assert set(frames) == set(arp.gratuitous(IPv4Address(IP), "0a:00:00:00:00:33"))


def test_interface_whose_cable_is_back_announces_all_addresses_and_no_other_does(
    quick: Node, lan: Lan, client: Host
) -> None:
    lan.cable(quick.host, client, "eth1")
    quick.wait_for_log(event_name="createARPResponder", interface="eth1")
    quick.announce(IP, OTHER)
    wait_until(lambda: quick.counts(OTHER)[2] == 20, 5, "the bursts on both interfaces are over")
    listening = capture(client, 20)
    quick.host.unplug()
    quick.host.plug()

    assert {frame[arp.SENDER_IP] for frame in heard(listening)} == {IPv4Address(each).packed for each in (IP, OTHER)}
    assert (quick.counts(IP)[2], quick.counts(OTHER)[2]) == (30, 30)
    assert not quick.logs(event_name="deleteARPResponder")


def test_interface_that_was_down_announces_all_addresses(quick: Node, client: Host) -> None:
    quick.announce(IP)
    wait_until(lambda: quick.counts(IP)[2] == 10, 5, "the burst is over")
    listening = capture(client, 10)
    quick.host.run(["ip", "link", "set", "eth0", "down"])
    quick.wait_for_log(event_name="deleteARPResponder", interface="eth0")
    quick.host.run(["ip", "link", "set", "eth0", "up"])

    assert set(heard(listening)) == set(arp.gratuitous(IPv4Address(IP), quick.host.mac))


def test_addresses_are_announced_again_and_again_if_asked_to(host: Host, tmp_path: Path) -> None:
    node = Node(host, tmp_path / "logs", "--interval", "0.001", "--repeat", "0.05", "--grace", "86400")
    node.announce(IP, OTHER)
    wait_until(lambda: node.counts(IP)[2] >= 20, 5, "five repetitions after the burst")
    node.announce(OTHER)
    said = node.counts(IP)[2]
    wait_until(lambda: node.counts(OTHER)[2] >= 40, 5, "ten more of the other")

    assert node.counts(IP)[2] == said


def test_gained_ipv6_address_is_announced_in_five_rounds_with_the_exact_bytes(quick: Node, client: Host) -> None:
    quick.wait_for_log(event_name="createNDPResponder", interface="eth0")
    listening = capture(client, 5, "ipv6")
    quick.announce("fd00::240")

    head = "333300000001 0a0000000001 86dd 60000000 0020 3a ff fe80000000000000080000fffe000001"
    body = "ff020000000000000000000000000001 8800 47dc 20000000 fd000000000000000000000000000240 0201 0a0000000001"
    assert heard(listening) == [bytes.fromhex(head + body)] * 5
    assert quick.counts("fd00::240") == (0, 0, 5)
