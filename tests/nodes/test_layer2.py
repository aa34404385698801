"""Addresses of real Services, fetched from the LAN by real ARP and NDP through real kube-proxies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.wait import wait_until
from tests.nodes.site import CONVERGED_S, IPV4, IPV6

if TYPE_CHECKING:
    from tests.nodes.site import Site


def test_first_service_is_fetched_from_the_node_that_says_so(site: Site) -> None:
    site.deploy("web", 2)
    site.expose("web")
    site.await_addresses("web", IPV4)

    node, _ = site.fetch(IPV4)

    assert node in site.cluster.nodes
    owner = site.owner(IPV4)
    assert owner in site.cluster.nodes
    site.await_assigned("web", owner)


def test_local_policy_shows_the_client_itself_and_the_address_follows_its_endpoints(site: Site) -> None:
    site.deploy("web", 1, node="node1")
    site.expose("web", externalTrafficPolicy="Local", ipFamilyPolicy="RequireDualStack")
    site.await_addresses("web", IPV4, IPV6)
    seen = {IPV4: "192.168.3.150", IPV6: "fd03::150"}

    for node in ("node1", "node2"):
        site.deploy("web", 1, node=node)
        for address, client in seen.items():
            site.await_owner(address, node)
            assert site.fetch(address) == (node, client)
        site.await_assigned("web", node)


def test_cluster_policy_reaches_endpoints_of_either_node_in_both_families(site: Site) -> None:
    site.deploy("web", 1, node="node1")
    site.expose("web", ipFamilyPolicy="RequireDualStack")
    site.await_addresses("web", IPV4, IPV6)

    for node in ("node1", "node2"):
        site.deploy("web", 1, node=node)
        for address in (IPV4, IPV6):
            site.await_page(address, node)
    assert site.owner(IPV4) == site.owner(IPV6) != ""


def test_tutorials_service_with_three_backends_is_fetched_on_its_own_port(site: Site) -> None:
    site.deploy("nginx-svc", 3)
    site.expose("nginx-svc", ports=[{"port": 8080, "targetPort": 8080}])
    site.await_addresses("nginx-svc", "192.168.3.170")

    pages = set[str]()

    def both_nodes_answered() -> bool:
        pages.add(site.fetch("192.168.3.170", 8080)[0])
        return pages == set(site.cluster.nodes)

    wait_until(both_nodes_answered, CONVERGED_S, "pages from the backends of both nodes")
    macs = {node.host.mac for node in site.cluster.nodes.values()}
    assert site.client.neighbour("192.168.3.170") in macs
