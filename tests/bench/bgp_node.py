"""A node and its router for the benchmarks of BGP: a speaker's router on gobgpd 4, and FRR.

*Ours* is the whole of it, from the call of `announce` to the router's table. *Limit* is a bare program that streams
the same paths to the same gobgpd, built by then: what gobgpd and FRR take is in both.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, Self

import grpc

from metalpy.announcement.routes import RouteAttributes
from metalpy.bgp.client import PATHS_AT_ONCE
from metalpy.bgp.codec import Codec
from metalpy.bgp.paths import Numbers, Path
from tests.lab.lan import Lan
from tests.lab.routers import Frr, Neighbor
from tests.lab.wait import wait_until
from tests.lan.bgp.speaker import AS_IN_PRODUCTION, Speaker, directory, peer

if TYPE_CHECKING:
    from collections.abc import Sequence

NODE, ROUTER = "192.168.1.1", "192.168.1.2"
DEADLINE_S = 120


def prefix(number: int) -> str:
    """Give one of many prefixes, the same that `bgp_program` counts out."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/32"


class BgpNode:
    """A LAN with a speaker on a node, its session with an FRR router up, and a bare program on the same gobgpd."""

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        lan = self._stack.enter_context(Lan())
        node = lan.host("node1")
        self.frr = self._stack.enter_context(Frr(lan.host("r1"), asn=64512, neighbors=[Neighbor(NODE, 64500)]))
        self.speaker = Speaker(node, directory() / "logs", program=AS_IN_PRODUCTION)
        self.speaker.keep(peer(ROUTER, 64512))
        self.speaker.ready()
        self.speaker.wait_until_up(ROUTER)
        self._codec = Codec(4)
        channel = self._stack.enter_context(grpc.insecure_channel(f"unix://{self.speaker.home}/api.sock"))
        self._api: Any = self._codec.stub(channel)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def wait_for(self, many: int) -> float:
        """Wait until the router has that many prefixes; returns the time."""
        wait_until(lambda: self.frr.count("ipv4") == many, DEADLINE_S, f"{many} prefixes at the router")
        return time.monotonic()

    def wait_for_one(self, route: str) -> float:
        """Wait until the router has one prefix; returns the time."""
        wait_until(lambda: self.frr.json(f"show bgp ipv4 unicast {route} json").get("paths"), DEADLINE_S, route)
        return time.monotonic()

    def ours(self, first: int, many: int) -> float:
        """Let the speaker announce, beside what it announces already; returns the time of the call."""
        return float(self.speaker.ask("crowd", first, many, ROUTER))

    def messages(self, first: int, many: int, *, is_withdraw: bool = False) -> list[Any]:
        """Build what the bare program sends: the same paths, with the same tags."""
        tags = frozenset({(1, Numbers()(ROUTER))})
        paths = [Path(ip_network(prefix(first + number)), RouteAttributes(), tags) for number in range(many)]
        batches: list[Sequence[Path]] = [paths[at : at + PATHS_AT_ONCE] for at in range(0, many, PATHS_AT_ONCE)]
        return [self._codec.routes.batch(each, is_withdraw=is_withdraw) for each in batches]

    def bare(self, messages: Sequence[Any]) -> float:
        """Send them; returns the time of the call."""
        began_s = time.monotonic()
        self._api.AddPathStream(iter(messages), timeout=DEADLINE_S)
        return began_s
