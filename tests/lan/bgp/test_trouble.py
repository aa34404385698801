"""Wrong input is named, and everything else works; BFD notices what nobody says."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.routers import Frr, GobgpdRouter, Neighbor
from tests.lab.wait import wait_until
from tests.lan.bgp.speaker import PROGRAM, SOON_S, UP_S, Speaker, directory, gobgpd, peer
from tests.lan.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.lan import Host, Lan

NODE, R1, NOWHERE = "192.168.1.1", "192.168.1.2", "192.168.1.77"
ROUTE = "198.51.100.1/32"
BFD_MS = 100
STEADY_MS = 3000


@pytest.fixture
def node(lan: Lan) -> Host:
    return lan.host("node1")


@pytest.fixture
def frr(lan: Lan, node: Host) -> Iterator[Frr]:
    with Frr(lan.host("r1"), asn=64512, neighbors=[Neighbor(node.address, 64500, bfd_ms=BFD_MS)]) as frr:
        yield frr


def start(speaker: Speaker, *peers: dict[str, Any]) -> None:
    """Keep these peers, and announce one route to the first."""
    speaker.keep(*peers)
    speaker.say_later(ROUTE, [{}, peers[0]["address"]])
    assert speaker.ask("ready") == "done"


def has(frr: Frr, *prefixes: str, within_s: float = SOON_S) -> None:
    wait_until(lambda: frr.prefixes("ipv4") == set(prefixes), within_s, f"exactly {prefixes} at the router")


@pytest.mark.parametrize(
    ("path", "words"), [("/nowhere/gobgpd", "cannot be run"), ("/bin/true", "is no gobgpd of version 3 or 4")]
)
def test_program_that_is_no_gobgpd_is_named(node: Host, tmp_path: Path, path: str, words: str) -> None:
    program = Node(node, tmp_path / "logs", "--gobgpd", path, "--directory", str(directory()), program=PROGRAM)

    assert f"gobgpd: {path} {words}" in program.first["RouterError"]


def test_directory_that_others_can_read_is_refused(node: Host, tmp_path: Path) -> None:
    home = directory()
    home.chmod(0o750)
    speaker = Speaker(node, tmp_path / "logs", home=home)

    assert speaker.first == {"RouterError": f"gobgpd: {home} must be ours alone (mode 0700): passwords go through it"}


def test_socket_where_nobody_listens_is_named_and_used_once_there_is(node: Host, frr: Frr, tmp_path: Path) -> None:
    socket = directory() / "api.sock"
    speaker = Speaker(node, tmp_path / "logs", target=f"unix://{socket}")
    start(speaker, peer(R1, 64512))
    speaker.wait_for_log(event="not as wanted", what="gobgpd")
    (told,) = speaker.logs(event="not as wanted")
    assert f"gobgpd: unix://{socket} does not answer" in told["error"]
    options = ["-p", "-l", "warn", "--pprof-disable", "--metrics-path", "", "--api-hosts", f"unix://{socket}"]
    node.popen([gobgpd(4), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    has(frr, ROUTE, within_s=UP_S)


def test_gobgpd_of_another_is_named_and_left_alone(lan: Lan, node: Host, tmp_path: Path) -> None:
    with GobgpdRouter(lan.host("r1"), asn=64999, neighbors=[Neighbor(node.address, 64500)]) as theirs:
        speaker = Speaker(node, tmp_path / "logs", target=f"unix://{theirs.directory / 'api.sock'}")
        start(speaker, peer("192.168.1.9", 64512))
        speaker.wait_for_log(event="not as wanted", what="gobgpd")
        (told,) = speaker.logs(event="not as wanted")

        assert "its ASN is 64999" in told["error"]
        assert theirs.neighbors_known() == {node.address}


def test_source_address_that_is_not_ours_is_named_and_used_once_it_is(node: Host, frr: Frr, tmp_path: Path) -> None:
    speaker = Speaker(node, tmp_path / "logs")
    start(speaker, peer(R1, 64512), peer(NOWHERE, 64512, source_address="192.168.1.200"))
    has(frr, ROUTE, within_s=UP_S)
    speaker.settle()
    (told,) = speaker.logs(event="not as wanted")
    assert told["what"] == f"peer {NOWHERE}:179"
    assert told["error"] == "source address 192.168.1.200 is not an address of this node"
    node.run(["ip", "address", "add", "192.168.1.200/24", "dev", "eth0"])

    table = "show bgp ipv4 unicast summary json"
    frr.configure("router bgp 64512", "neighbor 192.168.1.200 remote-as 64500", "neighbor 192.168.1.200 passive")
    frr.configure("router bgp 64512", "address-family ipv4", "neighbor 192.168.1.200 activate")
    frr.host.run(["ip", "address", "add", f"{NOWHERE}/24", "dev", "eth0"])
    wait_until(lambda: frr.json(table)["peers"]["192.168.1.200"]["state"] == "Established", UP_S, "the second session")


def test_why_a_session_does_not_come_up_or_goes_down_is_told(lan: Lan, node: Host, frr: Frr, tmp_path: Path) -> None:
    no_router = lan.host("no-router").address
    speaker = Speaker(node, tmp_path / "logs")
    start(speaker, peer(R1, 64512), peer(no_router, 64512))
    has(frr, ROUTE, within_s=UP_S)
    speaker.wait_for_log(event="not as wanted", what=f"peer {no_router}:179")
    assert "connection refused" in speaker.logs(what=f"peer {no_router}:179")[0]["error"]

    frr.configure("router bgp 64512", f"neighbor {NODE} shutdown")
    wait_until(lambda: speaker.logs(event="BGP session down"), SOON_S, "the end is told")
    (told,) = speaker.logs(event="BGP session down")
    assert "administrative shutdown" in told["reason"]
    assert speaker.ask("states")[-1][:2] == [f"{R1}:179", False]


def test_bfd_notices_a_cut_that_leaves_the_carrier(lan: Lan, node: Host, frr: Frr, tmp_path: Path) -> None:
    speaker = Speaker(node, tmp_path / "logs")
    start(speaker, peer(R1, 64512, hold_time_s=90, keepalive_time_ns=30 * 10**9, bfd_ms=BFD_MS))
    has(frr, ROUTE, within_s=UP_S)

    def is_steady() -> bool:
        """BFD comes up after BGP, and FRR may take the session down once when it does."""
        is_bfd_up = any(each["status"] == "up" for each in frr.json("show bfd peers json", daemon="bfdd"))
        return is_bfd_up and frr.is_up(NODE) and int(frr.neighbor(NODE)["bgpTimerUpMsec"]) > STEADY_MS

    wait_until(is_steady, 2 * UP_S, "BFD and BGP are up on the router")
    has(frr, ROUTE)
    cut_s = time.monotonic()
    subprocess.run(["ip", "-n", lan.name, "link", "set", node.name, "nomaster"], check=True)
    assert node.run(["cat", "/sys/class/net/eth0/carrier"]).stdout.strip() == "1"
    has(frr, within_s=3)  # the hold timer takes 9 s
    print(f"routes gone {time.monotonic() - cut_s:.2f} s after the cut")
    subprocess.run(["ip", "-n", lan.name, "link", "set", node.name, "master", "bridge"], check=True)
    has(frr, ROUTE, within_s=UP_S)


def test_bfd_that_gobgpd_has_not_is_named_and_the_session_is_up_without(node: Host, frr: Frr, tmp_path: Path) -> None:
    frr.configure("router bgp 64512", f"no neighbor {NODE} bfd")
    speaker = Speaker(node, tmp_path / "logs", version=3)
    start(speaker, peer(R1, 64512, bfd_ms=BFD_MS))
    has(frr, ROUTE, within_s=UP_S)
    (told,) = speaker.logs(event="not as wanted")

    assert told["error"] == "no BFD: this gobgpd has none, it takes version 4.5 or newer"
    speaker.die()
    second = Speaker(node, tmp_path / "second", version=3, home=speaker.home)
    start(second, peer(R1, 64512, bfd_ms=BFD_MS))
    assert frr.established(NODE) == 1


def test_bfd_begins_in_a_session_that_lasts(node: Host, frr: Frr, tmp_path: Path) -> None:
    speaker = Speaker(node, tmp_path / "logs")
    start(speaker, peer(R1, 64512))
    has(frr, ROUTE, within_s=UP_S)
    speaker.keep(peer(R1, 64512, bfd_ms=BFD_MS))
    speaker.settle()
    peers = "show bfd peers json"
    wait_until(lambda: [each["status"] for each in frr.json(peers, daemon="bfdd")] == ["up"], UP_S, "BFD is up")

    assert (frr.is_up(NODE), frr.established(NODE)) == (True, 1)
