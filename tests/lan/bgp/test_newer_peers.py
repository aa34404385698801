"""What BGPPeers can say and no legacy peer can: routers of whichever AS, another AS of our own, VRFs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.lab.lan import Lan
from tests.lab.routers import Bird, Frr, Neighbor, Route
from tests.lab.wait import wait_until
from tests.lan.bgp.speaker import SOON_S, Speaker, peer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX = "198.51.100.1/32"
NODE, FAR_NODE, FAR = "192.168.1.1", "10.9.0.1", "10.9.0.2"
ANY = 0


@pytest.fixture
def lan() -> Iterator[Lan]:
    with Lan() as lan:
        yield lan


@pytest.fixture(params=[4, 3], ids=["gobgpd4", "gobgpd3"])
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_routers_of_any_other_as_and_of_ours_by_two_names_of_our_as(lan: Lan, version: int, tmp_path: Path) -> None:
    with ExitStack() as stack:
        node, first, second, third = (lan.host(name) for name in ("node1", "r1", "r2", "r3"))
        frr = stack.enter_context(Frr(first, asn=64512, neighbors=[Neighbor(NODE, 65550)]))
        bird = stack.enter_context(Bird(second, asn=4_200_000_001, neighbors=[Neighbor(NODE, 64500)]))
        ours = stack.enter_context(Bird(third, asn=64500, neighbors=[Neighbor(NODE, 64500)]))
        speaker = Speaker(node, tmp_path / "logs", version=version)
        speaker.keep(peer(first.address, ANY, local_asn=65550), peer(second.address, ANY), peer(third.address, 64500))
        speaker.ready()
        speaker.wait_until_up(first.address, second.address, third.address)
        speaker.say(PREFIX, [{}, first.address, second.address, third.address])

        for router, path in ((frr, (65550,)), (bird, (64500,)), (ours, ())):
            wait_until(lambda router=router: PREFIX in router.prefixes("ipv4"), SOON_S, "the route")  # type: ignore[misc]
            assert router.routes("ipv4")[PREFIX].as_path == path
        status, logs = speaker.end()
        assert status == 0, logs


def test_session_comes_up_through_its_vrf_alone_once_that_is_there(lan: Lan, version: int, tmp_path: Path) -> None:
    node, far, gateway = lan.host("node1"), lan.host("far"), lan.host("gateway")
    lan.cable(node, far, "red")  # to a socket a VRF device is an interface like any other
    node.run(["ip", "link", "set", "red", "down"])
    node.run(["ip", "link", "set", "red", "name", "later"])
    far.run(["ip", "address", "add", f"{FAR}/30", "dev", "red"])
    with ExitStack() as stack:
        bird = stack.enter_context(Bird(far, asn=64514, neighbors=[Neighbor(FAR_NODE, 64500, multihop=2)]))
        speaker = Speaker(node, tmp_path / "logs", version=version)
        speaker.keep(peer(FAR, 64514, vrf="red"))
        speaker.ready()
        missing = [f"peer {FAR}:179", "VRF red is not there: this node has no interface of that name", "settings"]
        wait_until(lambda: missing in speaker.ask("complaints"), SOON_S, "it says that the VRF is missing")

        node.run(["ip", "link", "set", "later", "name", "red"])
        node.run(["ip", "link", "set", "red", "up"])
        node.run(["ip", "address", "add", f"{FAR_NODE}/30", "dev", "red"])
        node.run(["ip", "route", "add", f"{FAR}/32", "via", gateway.address])  # the wrong way, but for what is bound
        speaker.wait_until_up(FAR)
        speaker.say(PREFIX, [{}, FAR])
        wait_until(lambda: PREFIX in bird.prefixes("ipv4"), SOON_S, "the route")
        assert bird.routes("ipv4")[PREFIX] == Route(FAR_NODE, (64500,), 100)  # BIRD's own local preference
        status, logs = speaker.end()
        assert status == 0, logs
