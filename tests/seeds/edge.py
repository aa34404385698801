"""The router at the edge of a story's LAN, a real FRR, and a client that only it leads to."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from tests.lab.routers import Frr, Neighbor
from tests.lab.wait import wait_until
from tests.seeds.story import CONVERGED_S, App

if TYPE_CHECKING:
    from tests.seeds.story import Story

OUTSIDE = "10.99.0"
FIRST_POOL = """\
peers:
- peer-address: 192.168.3.180
  peer-asn: 65000
  my-asn: 65001
address-pools:
- name: first-pool
  protocol: bgp
  addresses: [192.168.0.10-192.168.0.99]
"""
"""What story T1 configures; the first Service gets `ADDRESS`."""
ADDRESS = "192.168.0.10"
NGINX = App("nginx-svc")


class Edge:
    """FRR at `address` of AS `asn`, which waits for the story's nodes of AS `node_asn` to call. A context manager."""

    def __init__(self, story: Story, *, address: str, asn: int, node_asn: int) -> None:
        self._nodes = story.nodes
        router = story.lan.host("edge", f"{address}/24", f"{OUTSIDE}.1/24")
        router.sysctl("net/ipv4/ip_forward", "1")
        for interface in ("all", "eth0"):  # all are on one wire: nobody is to be shown a way past the router
            router.sysctl(f"net/ipv4/conf/{interface}/send_redirects", "0")
        self.client = story.lan.host("outside", f"{OUTSIDE}.2/24")
        self.client.run(["ip", "route", "add", "default", "via", f"{OUTSIDE}.1"])
        for node in story.nodes.values():
            node.run(["ip", "route", "add", f"{OUTSIDE}.0/24", "via", address])
        neighbors = [Neighbor(node.address, node_asn) for node in story.nodes.values()]
        self.frr = Frr(router, asn=asn, neighbors=neighbors, forwards=True)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.frr)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def summary(self) -> dict[str, tuple[str, int]]:
        """Give what `show ip bgp summary` says of each node: the state, and how many prefixes it announces."""
        peers = self.frr.json("show bgp ipv4 unicast summary json").get("peers", {})
        names = {node.address: name for name, node in self._nodes.items()}
        return {names[address]: (each["state"], each["pfxRcd"]) for address, each in peers.items()}

    def await_summary(self, expected: dict[str, tuple[str, int]], *, within_s: float = CONVERGED_S) -> None:
        """Wait until that is so."""
        wait_until(lambda: self.summary() == expected, within_s, f"the router shows {expected}")

    def route(self, prefix: str) -> str:
        """Show what the router's kernel knows of a prefix."""
        return self.frr.host.run(["ip", "route", "show", prefix]).stdout

    def next_hops(self, prefix: str) -> set[str]:
        """Name the nodes that the router's kernel sends packets for a prefix to."""
        lines = self.route(prefix).replace("nexthop", "\n").splitlines()
        words = [line.split() for line in lines if "via" in line]
        hops = {line[line.index("via") + 1] for line in words}
        return {name for name, node in self._nodes.items() if node.address in hops}

    def await_next_hops(self, prefix: str, *names: str) -> None:
        """Wait until these are the nodes."""
        wait_until(lambda: self.next_hops(prefix) == set(names), CONVERGED_S, f"{prefix} leads to {names}")

    def fetch(self, address: str) -> str:
        """Fetch the page at an address from outside, as soon as the router knows a way."""
        return wait_until(lambda: self.client.fetch(f"http://{address}/"), CONVERGED_S, f"a page from {address}")
