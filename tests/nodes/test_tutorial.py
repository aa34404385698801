"""Story T1 as its author wrote it for MetalLB 0.14.9: custom resources, by BGP to a router and then by ARP."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.lab.crds import install_our_crds
from tests.lab.routers import Frr, Neighbor
from tests.lab.wait import wait_until
from tests.nodes.conftest import DEPLOY
from tests.nodes.site import CONVERGED_S, EXCLUDED, NAMESPACE, SERVICES, manifest_with_flag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.nodes.site import Site

ROUTER, ROUTER_ON_LAN, ASN, NODE_ASN = "192.168.100.1", "192.168.3.1", 65000, 65007
POOL, ADDRESS = "192.168.28.0/24", "192.168.28.200"
APP = "metallb-testing"


def resource(kind: str, name: str, version: str = "v1beta1", **spec: Any) -> dict[str, Any]:
    made = {"apiVersion": f"metallb.io/{version}", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}}
    return {**made, "spec": spec}


POOL_LAN = resource("IPAddressPool", "pool-lan", autoAssign=True, addresses=["192.168.28.200-192.168.28.230"])
PEER = resource("BGPPeer", "router-2001", "v1beta2", myASN=NODE_ASN, peerASN=ASN, peerAddress=ROUTER)


@pytest.fixture
def site(site: Site) -> Iterator[Site]:
    """The daemons read custom resources, until the end of the test."""
    install_our_crds(site.cluster.api)
    workloads = list(yaml.safe_load_all((DEPLOY / "workloads.yaml").read_text(encoding="utf-8")))
    for workload in workloads:
        site.kubectl("apply", "-f", "-", input=manifest_with_flag(workload, "--config-source=crs"))
    _roll_out(site)
    yield site
    site.kubectl("apply", "-f", str(DEPLOY / "workloads.yaml"))
    _roll_out(site)
    site.kubectl("delete", "-f", str(DEPLOY / "crds"))


def _roll_out(site: Site) -> None:
    site.roll_out("deployment/controller")
    site.roll_out("daemonset/speaker")


@contextmanager
def _router(site: Site) -> Iterator[Frr]:
    """The router is on the nodes' LAN, and its own address behind that."""
    host = site.cluster.lan.host("router", f"{ROUTER_ON_LAN}/24", f"{ROUTER}/24")
    host.sysctl("net/ipv4/ip_forward", "1")
    hosts = [node.host for node in site.cluster.nodes.values()]
    for each in hosts:
        each.run(["ip", "route", "add", ROUTER, "via", ROUTER_ON_LAN])
    site.client.run(["ip", "route", "add", POOL, "via", ROUTER_ON_LAN])
    with Frr(
        host, asn=ASN, neighbors=[Neighbor(each.address, NODE_ASN, multihop=2) for each in hosts], forwards=True
    ) as frr:
        yield frr
    site.client.run(["ip", "route", "delete", POOL, "via", ROUTER_ON_LAN])
    for each in hosts:
        each.run(["ip", "route", "delete", ROUTER, "via", ROUTER_ON_LAN])


def _said(site: Site, plural: str, field: str) -> dict[str, Any]:
    """Give what the speakers' objects say of the Service, by node."""
    items = site.cluster.api.admin.get(f"/apis/metallb.io/v1beta1/namespaces/{NAMESPACE}/{plural}")["items"]
    statuses = [each.get("status", {}) for each in items]
    return {each["node"]: each.get(field) for each in statuses if each.get("serviceName") == APP}


def test_pool_is_announced_to_the_router_by_all_nodes_and_then_answered_for_by_one(site: Site) -> None:
    nodes = set(site.cluster.nodes)
    site.cluster.api.apply(POOL_LAN, PEER, resource("BGPAdvertisement", "bgp-advertisement"))
    with _router(site) as router:
        site.deploy(APP, 1)
        site.expose(APP, ports=[{"port": 8080, "targetPort": 8080}])
        site.await_addresses(APP, ADDRESS)

        def ways() -> int:
            return router.host.run(["ip", "route", "show", ADDRESS]).stdout.count("192.168.3.10")

        wait_until(lambda: ways() == len(nodes), CONVERGED_S, "the router has a way over each node")
        assert all(router.is_up(each.address) for each in router.neighbors)
        assert site.fetch(ADDRESS, 8080)[0] in nodes
        wait_until(
            lambda: _said(site, "servicebgpstatuses", "peers") == {node: ["router-2001"] for node in nodes},
            CONVERGED_S,
            "each node says to whom it announces",
        )

        site.scale(APP, 0)
        wait_until(lambda: ways() == 0, CONVERGED_S, "nothing is announced without a backend")
        site.scale(APP, 1)
        wait_until(lambda: ways() == len(nodes), CONVERGED_S, "and again with one")

        site.kubectl("-n", NAMESPACE, "delete", "bgpadvertisement", "bgp-advertisement")
        site.cluster.api.apply(resource("L2Advertisement", "pool-lan", ipAddressPools=["pool-lan"]))
        wait_until(lambda: ways() == 0, CONVERGED_S, "the router has lost it")
    site.client.run(["ip", "route", "add", POOL, "dev", "eth0"])
    assert site.fetch(ADDRESS, 8080)[0] in nodes
    owner = site.owner(ADDRESS)
    assert owner in nodes
    wait_until(lambda: _said(site, "servicel2statuses", "node") == {owner: owner}, CONVERGED_S, "the owner says so")
    assert _said(site, "servicebgpstatuses", "node") == {}

    site.kubectl("label", "node", owner, f"{EXCLUDED}=")
    other = site.other(owner)
    site.await_owner(ADDRESS, other)
    wait_until(
        lambda: _said(site, "servicel2statuses", "node") == {other: other}, CONVERGED_S, "the next owner says so"
    )
    site.kubectl("label", "node", owner, f"{EXCLUDED}-")

    site.scale(APP, 0)
    site.await_owner(ADDRESS, "")
    wait_until(lambda: not _said(site, "servicel2statuses", "node"), CONVERGED_S, "nobody says that he answers")
    states = site.kubectl("-n", NAMESPACE, "get", "configurationstates", "-o", "jsonpath={..status.result}").split()
    assert states == ["Valid"] * (1 + len(nodes))
    site.client.run(["ip", "route", "delete", POOL, "dev", "eth0"])
    site.kubectl("-n", SERVICES, "delete", "service", APP)
