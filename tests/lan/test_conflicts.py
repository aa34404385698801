"""Other hosts that claim announced addresses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from metalpy.layer2.conflicts import ANSWER_S
from tests.lab.wait import wait_until
from tests.lan.node import Node, exchange, reply, request

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.lan import Host, Lan

IP = "192.168.1.240"
SENTINEL = "192.168.1.250"
CONFLICT = {"event_name": "addressConflict"}


@pytest.fixture
def strict(host: Host, tmp_path: Path) -> Node:
    """An announcer to which the second claim is a conflict, if not the first."""
    return Node(host, tmp_path / "strict", "--grace", "0", "--interval", "86400")


def claim(client: Host, mac: str, address: str = IP, interface: str = "eth0") -> None:
    """Announce the address with that MAC, and wait until the announcer has answered something else after that."""
    foreign = bytearray(reply(address, mac=mac, to=client, to_ip=address))
    foreign[:6] = b"\xff" * 6
    exchange(client, bytes(foreign), request(SENTINEL, sender=client), interface=interface)


def test_host_that_announces_our_address_is_reported_once(strict: Node, client: Host) -> None:
    strict.announce(IP, SENTINEL)
    claim(client, "0a:00:00:00:00:77")
    claim(client, "0a:00:00:00:00:77")
    claim(client, "0a:00:00:00:00:78", SENTINEL)
    claim(client, "0a:00:00:00:00:78", SENTINEL)

    assert strict.ask("conflict") == [IP, "eth0", "0a:00:00:00:00:77"]
    assert strict.ask("conflict") == [SENTINEL, "eth0", "0a:00:00:00:00:78"]
    assert [line["ip"] for line in strict.logs(**CONFLICT)] == [IP, SENTINEL]


@pytest.mark.parametrize("ip", [IP, "fd00::240"])
def test_host_that_has_our_address_and_keeps_quiet_is_asked_and_reported(
    ip: str, host: Host, client: Host, tmp_path: Path
) -> None:
    client.run(["ip", "address", "add", ip, "dev", "eth0", "nodad"])
    node = Node(host, tmp_path / "logs", "--grace", "0.2")
    node.wait_for_log(event_name="createNDPResponder", interface="eth0")
    node.announce(ip)

    assert node.ask("conflict") == [ip, "eth0", client.mac]


def test_host_that_claims_our_address_later_is_reported_if_it_has_it_when_it_is_asked(
    host: Host, client: Host, tmp_path: Path
) -> None:
    """IP is claimed in passing, as by a next owner that we have not heard of; SENTINEL is taken."""
    node = Node(host, tmp_path / "logs", "--grace", "0.2", "--interval", "86400")
    node.announce(IP, SENTINEL)
    is_old_s = time.monotonic() + 0.2 + ANSWER_S
    wait_until(lambda: time.monotonic() > is_old_s, 5, "the end of the time in which claims follow from the gain")
    claim(client, "0a:00:00:00:00:77")
    client.run(["ip", "address", "add", SENTINEL, "dev", "eth0"])
    claim(client, client.mac, SENTINEL)

    assert node.ask("conflict") == [SENTINEL, "eth0", client.mac]
    assert [line["ip"] for line in node.logs(**CONFLICT)] == [SENTINEL]


def test_announcements_of_our_other_interface_are_no_conflict(strict: Node, lan: Lan, client: Host) -> None:
    strict.announce(IP, SENTINEL)
    lan.cable(strict.host, client, "eth1")
    strict.wait_for_log(event_name="createARPResponder", interface="eth1")
    claim(client, strict.host.mac, interface="eth1")
    claim(client, "0a:00:00:00:00:77", SENTINEL, interface="eth1")
    claim(client, "0a:00:00:00:00:77", SENTINEL, interface="eth1")

    assert strict.ask("conflict") == [SENTINEL, "eth1", "0a:00:00:00:00:77"]
    assert len(strict.logs(**CONFLICT)) == 1


def test_storm_of_claims_does_not_keep_from_answering(strict: Node, client: Host) -> None:
    strict.announce(IP, SENTINEL)
    storm = [reply(IP, mac="0a:00:00:00:00:77", to=strict.host)] * 1000
    asked = [request(IP, sender=client), request(SENTINEL, sender=client)]

    assert len(exchange(client, *storm, *asked)) == 2
    wait_until(lambda: strict.logs(**CONFLICT), 5, "a report")
    assert len(strict.logs(**CONFLICT)) == 1
