"""Addresses that are asked for before they are announced (opt-in), and what a planned hand-over looks like then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.wait import wait_until
from tests.lan.node import Node, exchange, reply, request
from tests.lan.test_gratuitous import capture, heard

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.lan import Host, Lan

IP = "192.168.1.240"
IP6 = "fd00::240"
SENTINEL = "192.168.1.250"
CONFLICT = {"event_name": "addressConflict"}
PROBE = bytes.fromhex("ffffffffffff 0a0000000001 0806 0001 0800 06 04 0001 0a0000000001 00000000 000000000000 c0a801f0")


@pytest.fixture
def asking(host: Host, tmp_path: Path) -> Node:
    """An announcer that asks first, and reports whoever answers half a second after the gain."""
    node = Node(host, tmp_path / "asking", "--ask-first", "--grace", "0.5", "--interval", "0.02")
    node.wait_for_log(event_name="createNDPResponder", interface="eth0")
    return node


def is_announced(node: Node, ip: str = IP) -> bool:
    return node.counts(ip)[2] > 0


@pytest.mark.parametrize("ip", [IP, IP6])
def test_address_that_nobody_has_is_announced_and_answered(ip: str, asking: Node, client: Host) -> None:
    asking.announce(ip)
    wait_until(lambda: is_announced(asking, ip), 5, "the address is announced")

    client.look_up(ip)
    wait_until(lambda: client.neighbour(ip) == asking.host.mac, 5, "client knows the address")
    assert not asking.logs(**CONFLICT)


def test_three_questions_precede_the_announcement(asking: Node, client: Host) -> None:
    listening = capture(client, 5)
    asking.announce(IP)

    *questions, request_, _ = heard(listening)
    assert questions == [PROBE.ljust(60, b"\0")] * 3
    assert request_[28:32] == bytes([192, 168, 1, 240])


@pytest.mark.parametrize("ip", [IP, IP6])
def test_address_that_a_host_has_is_reported_and_announced_once_that_gave_it_up(
    ip: str, asking: Node, client: Host
) -> None:
    client.run(["ip", "address", "add", ip, "dev", "eth0", "nodad"])
    asking.announce(ip)
    assert asking.ask("conflict") == [ip, "eth0", client.mac]
    assert not is_announced(asking, ip)

    client.run(["ip", "address", "delete", ip, "dev", "eth0"])
    wait_until(lambda: is_announced(asking, ip), 10, "the address is announced")


def test_held_address_is_not_answered_for_and_delays_no_other(asking: Node, client: Host) -> None:
    client.run(["ip", "address", "add", IP, "dev", "eth0"])
    asking.announce(IP, SENTINEL)
    wait_until(lambda: is_announced(asking, SENTINEL), 5, "the other is announced")

    asked = [request(each, sender=client) for each in (IP, SENTINEL)]
    assert exchange(client, *asked) == [reply(SENTINEL, mac=asking.host.mac, to=client)]


def test_speaker_that_starts_anew_leaves_no_gap_though_it_asks_first(
    asking: Node, host: Host, client: Host, tmp_path: Path
) -> None:
    asking.announce(IP, SENTINEL)
    wait_until(lambda: is_announced(asking), 5, "the address is announced")
    asking.process.kill()
    asking.process.wait()
    successor = Node(host, tmp_path / "successor", "--ask-first")
    successor.announce(IP, SENTINEL)
    answers = exchange(client, request(IP, sender=client), request(SENTINEL, sender=client))

    assert answers.count(reply(IP, mac=host.mac, to=client)) == 1
    wait_until(lambda: is_announced(successor), 5, "the successor announces")


@pytest.mark.parametrize("options", [[], ["--ask-first"]], ids=["at once", "asking first"])
def test_hand_over_between_nodes_is_no_conflict(options: list[str], lan: Lan, client: Host, tmp_path: Path) -> None:
    # The last owner goes on answering and announcing until it hears of its successor, as a retired speaker does.
    others = [lan.host(name) for name in ("node2", "node3")]
    old, new = (Node(each, tmp_path / each.name, "--grace", "3", *options) for each in others)
    old.announce(IP)
    wait_until(lambda: is_announced(old), 5, "the first owner announces")
    assert old.ask("retire", "2", IP) == "in force"
    old.end()
    new.announce(IP)
    wait_until(lambda: is_announced(new), 10, "the second owner announces")
    client.look_up(IP)
    wait_until(lambda: client.neighbour(IP) == others[1].mac, 5, "client knows the second owner")
    # One question for conflicts, and the burst: both are over.
    wait_until(lambda: new.counts(IP)[2] == 10, 10, "the burst is over")

    assert not old.logs(**CONFLICT)
    assert not new.logs(**CONFLICT)
