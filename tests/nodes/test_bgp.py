"""A pool of protocol bgp works with what `kubectl apply -f deploy/` installed, seen from a real router."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.routers import Frr, Neighbor
from tests.lab.wait import wait_until
from tests.nodes.site import CONVERGED_S, POOL

if TYPE_CHECKING:
    from tests.nodes.site import Site

ROUTER, ASN, NODE_ASN = "192.168.3.180", 65000, 65001
ADDRESS = "192.168.0.10"
BFD_MS = 300
CONFIG = f"""\
peers:
- peer-address: {ROUTER}
  peer-asn: {ASN}
  my-asn: {NODE_ASN}
  bfd-profile: fast
bfd-profiles:
- name: fast
  receive-interval: {BFD_MS}
  transmit-interval: {BFD_MS}
address-pools:
- name: first-pool
  protocol: bgp
  addresses: [192.168.0.10-192.168.0.99]
"""


def test_bgp_pool_of_the_tutorial_is_reached_through_the_router_over_both_nodes(site: Site) -> None:
    router = site.cluster.lan.host("edge", f"{ROUTER}/24")
    router.sysctl("net/ipv4/ip_forward", "1")
    neighbors = [Neighbor(each.host.address, NODE_ASN, bfd_ms=BFD_MS) for each in site.cluster.nodes.values()]
    with Frr(router, asn=ASN, neighbors=neighbors, forwards=True) as frr:
        site.client.run(["ip", "route", "add", "192.168.0.0/24", "via", ROUTER])
        site.configure(CONFIG)
        site.deploy("web", 2)
        site.expose("web")
        site.await_addresses("web", ADDRESS)

        def ways() -> set[str]:
            shown = router.run(["ip", "route", "show", ADDRESS]).stdout.split()
            return {each.address for each in neighbors if each.address in shown}

        wait_until(lambda: len(ways()) == 2, CONVERGED_S, "the router has a way over both nodes")
        node, _ = site.fetch(ADDRESS)
        assert node in site.cluster.nodes

        def bfd() -> list[str]:
            return [each["status"] for each in frr.json("show bfd peers json", daemon="bfdd")]

        wait_until(lambda: bfd() == ["up"] * len(neighbors), CONVERGED_S, "BFD is up with both nodes")

        site.kubectl("-n", "default", "delete", "service", "web")
        wait_until(lambda: not ways(), CONVERGED_S, "the router has no way any more")
        site.configure(POOL)
        up = [each.address for each in neighbors]
        wait_until(lambda: not any(map(frr.is_up, up)), CONVERGED_S, "sessions go with the peer in the configuration")
        site.client.run(["ip", "route", "delete", "192.168.0.0/24", "via", ROUTER])
