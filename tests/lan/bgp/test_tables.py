"""What FRR, BIRD and gobgpd have in their tables, and what they have not."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.lab.lan import Lan
from tests.lab.routers import Bird, Frr, GobgpdRouter, Neighbor, Route
from tests.lab.wait import wait_until
from tests.lan.bgp.speaker import SOON_S, Speaker, peer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.routers import Router

NODE4, NODE6 = "192.168.1.1", "fd00::1"
FRR4, BIRD4, GOBGPD4 = "192.168.1.2", "192.168.1.3", "192.168.1.4"
FRR6, BIRD6, GOBGPD6 = "fd00::2", "fd00::3", "fd00::4"
FAR = "10.9.0.2"
OVER_IPV4, OVER_IPV6 = (FRR4, BIRD4, GOBGPD4), (FRR6, BIRD6, GOBGPD6)
PASSWORD = "geheim"  # noqa: S105 - the test's own

PREFIXES4 = (f"198.51.100.{number}/32" for number in itertools.count(1))
PREFIXES6 = (f"2001:db8::{number:x}/128" for number in itertools.count(1))


@dataclass
class Net:
    """A speaker and its routers, all sessions up: FRR is eBGP with MD5, BIRD iBGP, gobgpd eBGP from another ASN."""

    speaker: Speaker
    frr: Frr
    bird: Bird
    gobgpd: GobgpdRouter
    far: Bird

    def has(self, router: Router, prefix: str, route: Route | None) -> None:
        """Wait until a router has exactly this route for a prefix, or none."""
        family = "ipv6" if ":" in prefix else "ipv4"
        seen: list[Route | None] = []

        def is_so() -> bool:
            seen.append(router.routes(family).get(prefix))
            return seen[-1] == route

        try:
            wait_until(is_so, SOON_S, f"{type(router).__name__} has {route} for {prefix}")
        except TimeoutError:
            assert seen[-1] == route
            raise


@pytest.fixture(scope="module", params=[4, 3], ids=["gobgpd4", "gobgpd3"])
def net(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """The speaker's gobgpd is once of version 4 and once of version 3."""
    with ExitStack() as stack:
        lan = stack.enter_context(Lan(ipv6="fd00::/64"))
        node, r1, r2, r3, gateway, r5 = (lan.host(name) for name in ("node1", "r1", "r2", "r3", "gateway", "r5"))
        lan.cable(gateway, r5, "eth1")
        gateway.run(["ip", "address", "add", "10.9.0.1/30", "dev", "eth1"])
        gateway.sysctl("net/ipv4/ip_forward", "1")
        r5.run(["ip", "address", "add", f"{FAR}/30", "dev", "eth1"])
        r5.run(["ip", "route", "add", f"{NODE4}/32", "via", "10.9.0.1"])
        node.run(["ip", "route", "add", "10.9.0.0/30", "via", gateway.address])
        of_frr = [Neighbor(NODE4, 64500, PASSWORD), Neighbor(NODE6, 64500, PASSWORD)]
        frr = stack.enter_context(Frr(r1, asn=64512, neighbors=of_frr))
        bird = stack.enter_context(Bird(r2, asn=64500, neighbors=[Neighbor(NODE4, 64500), Neighbor(NODE6, 64500)]))
        of_gobgpd = [Neighbor(NODE4, 64999), Neighbor(NODE6, 64999)]
        gobgpd = stack.enter_context(GobgpdRouter(r3, asn=64513, neighbors=of_gobgpd))
        far = stack.enter_context(Bird(r5, asn=64514, neighbors=[Neighbor(NODE4, 64500, multihop=2)]))
        speaker = Speaker(node, tmp_path_factory.mktemp("bgp") / "logs", version=request.param)
        speaker.keep(
            *(peer(address, 64512, password=PASSWORD, dual_stack=True) for address in (FRR4, FRR6)),
            *(peer(address, 64500, dual_stack=True) for address in (BIRD4, BIRD6)),
            *(peer(address, 64513, 64999, dual_stack=True) for address in (GOBGPD4, GOBGPD6)),
            peer(FAR, 64514),
        )
        speaker.ready()
        speaker.wait_until_up(*OVER_IPV4, *OVER_IPV6, FAR)
        yield Net(speaker, frr, bird, gobgpd, far)
        assert speaker.ask("stop", 0, False) == "done"
        status, logs = speaker.end()
        assert status == 0, logs
        assert "Warning" not in logs
        assert "Traceback" not in logs


@pytest.mark.parametrize("peers", [OVER_IPV4, OVER_IPV6], ids=["over-ipv4", "over-ipv6"])
@pytest.mark.parametrize("prefixes", [PREFIXES4, PREFIXES6], ids=["ipv4", "ipv6"])
def test_routes_of_both_families_arrive_over_sessions_of_both(
    net: Net, peers: tuple[str, str, str], prefixes: Iterator[str]
) -> None:
    prefix = next(prefixes)
    next_hop = NODE6 if ":" in prefix else NODE4
    net.speaker.say(prefix, [{}, *peers])

    net.has(net.frr, prefix, Route(next_hop, (64500,)))
    net.has(net.bird, prefix, Route(next_hop, (), 100))
    net.has(net.gobgpd, prefix, Route(next_hop, (64999,)))
    net.speaker.say(prefix)
    for router in (net.frr, net.bird, net.gobgpd):
        net.has(router, prefix, None)


def test_attributes_arrive_as_they_were_given(net: Net) -> None:
    prefix = next(PREFIXES4)
    attributes = {
        "communities": [64500 << 16 | 7, 65535 << 16 | 65281],
        "large_communities": [[64500, 1, 2], [64500, 3, 4]],
    }
    texts = ("64500:7", "65535:65281"), ("64500:1:2", "64500:3:4")
    net.speaker.say(prefix, [attributes, FRR4, GOBGPD4], [{**attributes, "local_pref": 150}, BIRD4])

    net.has(net.frr, prefix, Route(NODE4, (64500,), None, ("64500:7", "noExport"), texts[1]))
    net.has(net.bird, prefix, Route(NODE4, (), 150, *texts))
    net.has(net.gobgpd, prefix, Route(NODE4, (64999,), None, *texts))


def test_each_peer_sees_its_own_variant(net: Net) -> None:
    prefix = next(PREFIXES4)
    one = {"communities": [1 << 16 | 1], "large_communities": [[1, 1, 1]]}
    other = {"local_pref": 0, "communities": [2 << 16 | 2, 3 << 16 | 3]}
    net.speaker.say(prefix, [one, FRR4], [other, BIRD4], [{}, GOBGPD4])

    net.has(net.frr, prefix, Route(NODE4, (64500,), None, ("1:1",), ("1:1:1",)))
    net.has(net.bird, prefix, Route(NODE4, (), 0, ("2:2", "3:3")))
    net.has(net.gobgpd, prefix, Route(NODE4, (64999,)))

    net.speaker.say(prefix, [one, GOBGPD4], [{}, BIRD4])

    net.has(net.frr, prefix, None)
    net.has(net.bird, prefix, Route(NODE4, (), 100))
    net.has(net.gobgpd, prefix, Route(NODE4, (64999,), None, ("1:1",), ("1:1:1",)))


def test_route_goes_to_its_peers_alone(net: Net) -> None:
    one, sentinel = next(PREFIXES4), next(PREFIXES4)
    net.speaker.say(one, [{}, BIRD4])
    net.speaker.say(sentinel, [{}, FRR4, GOBGPD4, FAR])

    net.has(net.bird, one, Route(NODE4, (), 100))
    for router in (net.frr, net.gobgpd, net.far):
        wait_until(lambda router=router: sentinel in router.prefixes("ipv4"), SOON_S, "the later route")  # type: ignore[misc]
        assert one not in router.prefixes("ipv4")
    assert sentinel not in net.bird.prefixes("ipv4")


def test_peer_behind_another_hop_is_reached_without_a_flag(net: Net) -> None:
    prefix = next(PREFIXES4)
    net.speaker.say(prefix, [{}, FAR])

    net.has(net.far, prefix, Route(NODE4, (64500,), 100))  # BIRD's own, for a route that came without


def test_route_that_a_router_sends_reaches_no_other(net: Net) -> None:
    foreign, sentinel = "203.0.113.0/24", next(PREFIXES4)
    net.frr.configure("router bgp 64512", "no bgp network import-check", "address-family ipv4", f"network {foreign}")
    received = f"show bgp ipv4 unicast neighbors {NODE4} advertised-routes json"
    wait_until(lambda: foreign in net.frr.ask(received), SOON_S, "FRR sent its route")
    net.speaker.say(sentinel, [{}, FRR4])  # the way there and back is longer than the route's
    wait_until(lambda: sentinel in net.frr.prefixes("ipv4"), SOON_S, "the later route")
    net.speaker.say(sentinel, [{}, *OVER_IPV4])
    for router in (net.bird, net.gobgpd):
        wait_until(lambda router=router: sentinel in router.prefixes("ipv4"), SOON_S, "the later route")  # type: ignore[misc]
        assert foreign not in router.prefixes("ipv4")


def test_counters_say_what_was_sent(net: Net) -> None:
    before = net.speaker.ask("counts")[f"{FRR4}:179"]
    net.speaker.say(next(PREFIXES4), [{}, FRR4, BIRD4])
    after = wait_until(
        lambda: (
            (now := net.speaker.ask("counts")[f"{FRR4}:179"])["announced_prefixes"] > before["announced_prefixes"]
            and now
        ),
        SOON_S,
        "one prefix more",
    )

    assert after["pending_prefixes"] == before["pending_prefixes"] + 1 == after["announced_prefixes"]
    assert after["updates_sent"] > before["updates_sent"]
