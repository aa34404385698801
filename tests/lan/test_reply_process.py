"""The reply process: its birth, its death, and its rights."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lan.node import Node, exchange, reply, request

if TYPE_CHECKING:
    from tests.lab.lan import Host

IP = "192.168.1.240"


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_killed_process_is_replaced_and_answers_again(node: Node, client: Host) -> None:
    node.announce(IP)
    first = node.ask("pid")
    exchange(client, request(IP, sender=client))
    before = node.counts(IP)
    os.kill(first, signal.SIGKILL)
    node.wait_for_log(2, event_name="createARPResponder")

    assert exchange(client, request(IP, sender=client)) == [reply(IP, mac=node.host.mac, to=client)]
    assert node.ask("pid") != first
    assert node.logs(op="arpReply", status=-signal.SIGKILL)
    assert node.counts(IP)[:2] == (before[0] + 1, before[1] + 1)


def test_replacement_knows_what_was_announced_while_there_was_none(node: Node, client: Host) -> None:
    node.announce("192.168.1.241")
    os.kill(node.ask("pid"), signal.SIGKILL)
    node.announce(IP)
    node.wait_for_log(2, event_name="createARPResponder")

    assert exchange(client, request("192.168.1.241", sender=client), request(IP, sender=client)) == [
        reply(IP, mac=node.host.mac, to=client)
    ]


def test_replacement_knows_what_was_announced_while_it_was_being_started(node: Node, client: Host) -> None:
    node.announce("192.168.1.241")
    os.kill(node.ask("pid"), signal.SIGKILL)
    node.wait_for_log(op="arpReply", status=-signal.SIGKILL)
    node.announce("192.168.1.241", IP)
    node.wait_for_log(2, event_name="createARPResponder")

    assert len(exchange(client, request("192.168.1.241", sender=client), request(IP, sender=client))) == 2


def test_process_outlives_signals_meant_for_the_speaker(node: Node, client: Host) -> None:
    node.announce(IP)
    child = node.ask("pid")
    os.kill(child, signal.SIGINT)
    os.kill(child, signal.SIGTERM)

    assert exchange(client, request(IP, sender=client))
    assert node.ask("pid") == child


def test_process_ends_with_the_announcer(node: Node) -> None:
    child = node.ask("pid")

    assert node.end()[0] == 0
    assert is_gone(child)


@pytest.mark.parametrize("option", ["--bounding-set=-net_raw"])
def test_missing_capability_is_named(option: str, host: Host, tmp_path: Path) -> None:
    node = Node(host, tmp_path / "denied", prefix=["setpriv", option, "--inh-caps=-net_raw"])

    assert "CAP_NET_RAW" in node.first["CapabilityError"]
    assert "Operation not permitted" in node.first["CapabilityError"]
    assert node.end() == (0, "")


@pytest.mark.parametrize("rights", ["all", "net_raw"])
def test_process_may_open_packet_sockets_and_nothing_else(rights: str, host: Host, tmp_path: Path) -> None:
    # The second case is a pod with capabilities {drop: [ALL], add: [NET_RAW]}.
    limits = [] if rights == "all" else ["setpriv", "--bounding-set=-all,+net_raw", "--inh-caps=-all"]
    node = Node(host, tmp_path / "rights", prefix=limits)
    node.announce(IP)  # there are threads now

    net_raw = f"{1 << 13:016x}"
    expected = {"CapInh": "0" * 16, "CapPrm": net_raw, "CapEff": net_raw, "CapBnd": net_raw, "CapAmb": "0" * 16}
    statuses = [each.read_text(encoding="ascii") for each in Path(f"/proc/{node.ask('pid')}/task").glob("*/status")]
    assert len(statuses) > 1
    for status in statuses:
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert {name: fields[name] for name in expected} == expected
        assert fields["NoNewPrivs"] == "1"
