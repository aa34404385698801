"""What happens to the answers when a speaker dies or leaves, and when the next one comes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.wait import wait_until
from tests.lan.node import Node, exchange, reply, request

if TYPE_CHECKING:
    from tests.lab.lan import Host

IP = "192.168.1.240"
OTHER = "192.168.1.241"


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def die(node: Node) -> int:
    """Kill the speaker as the kernel would for want of memory; return the id of its reply process."""
    child = int(node.ask("pid"))
    node.process.kill()
    node.process.wait()
    return child


def answers(client: Host, address: str = IP) -> int:
    """Ask twice, and count the answers to the first question: all have come before one comes to the second."""
    asked = request(address, sender=client)
    received = exchange(client, asked, request(OTHER, sender=client))
    return received.count(reply(address, mac="0a:00:00:00:00:01", to=client))


def test_orphan_goes_on_answering_and_falls_silent_when_its_time_is_over(
    host: Host, client: Host, tmp_path: Path
) -> None:
    node = Node(host, tmp_path / "logs", "--orphan", "2")
    node.announce(IP, OTHER)
    orphan = die(node)

    assert answers(client) == 1
    wait_until(lambda: is_gone(orphan), 10, "the orphan is gone")
    client.look_up(IP)
    wait_until(lambda: "FAILED" in client.run(["ip", "neigh", "show", IP]).stdout, 5, "client gives up")


def test_next_speaker_takes_over_without_a_gap_and_answers_alone(
    node: Node, host: Host, client: Host, tmp_path: Path
) -> None:
    node.announce(IP, OTHER)
    orphan = die(node)
    successor = Node(host, tmp_path / "successor")

    assert answers(client) == 1  # it does not know yet what to announce: the orphan goes on
    assert not is_gone(orphan)
    successor.announce(IP, OTHER)
    assert answers(client) == 1
    wait_until(lambda: is_gone(orphan), 5, "the orphan has been reaped")
    assert successor.counts(IP)[:2] == (1, 1)


def test_address_that_the_next_speaker_does_not_announce_is_answered_no_more(
    node: Node, host: Host, client: Host, tmp_path: Path
) -> None:
    node.announce(IP, OTHER)
    die(node)
    successor = Node(host, tmp_path / "successor")
    successor.announce(OTHER)

    assert answers(client) == 0


def test_speaker_that_lives_is_not_taken_over_from(node: Node, host: Host, client: Host, tmp_path: Path) -> None:
    node.announce(IP)
    Node(host, tmp_path / "second").announce(OTHER)

    assert exchange(client, request(IP, sender=client)) == [reply(IP, mac=host.mac, to=client)]


def test_orphan_that_announced_nothing_ends_at_once(node: Node) -> None:
    orphan = die(node)

    wait_until(lambda: is_gone(orphan), 5, "the orphan is gone")


def test_orphan_ends_when_asked_to(node: Node) -> None:
    node.announce(IP)
    orphan = die(node)

    def is_ended() -> bool:
        if not is_gone(orphan):
            os.kill(orphan, signal.SIGTERM)
        return is_gone(orphan)

    wait_until(is_ended, 5, "the orphan is gone")


def test_orphan_gives_up_what_another_host_announces(node: Node, client: Host) -> None:
    node.announce(IP, OTHER)
    die(node)
    assert answers(client) == 1
    exchange(client, reply(IP, mac=client.mac, to=node.host), request(OTHER, sender=client))

    wait_until(lambda: answers(client) == 0, 5, "the orphan is silent for the address")


def test_speaker_that_retires_leaves_answers_behind_for_what_it_keeps(node: Node, client: Host) -> None:
    node.announce(IP, OTHER)
    child = node.ask("pid")
    assert node.ask("retire", "5", OTHER) == "in force"
    status, logs = node.end()

    assert (status, "Warning" in logs) == (0, False)
    assert not is_gone(child)
    assert answers(client) == 0


def test_planned_end_ends_the_answers_at_once(node: Node) -> None:
    node.announce(IP)
    child = node.ask("pid")

    assert node.end()[0] == 0
    assert is_gone(child)
