"""Story T2 as its author wrote it: the configuration is custom resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.wait import wait_until
from tests.seeds.edge import Edge
from tests.seeds.resources import resource
from tests.seeds.story import CONVERGED_S, App
from tests.seeds.test_bgp import gobgpd

if TYPE_CHECKING:
    from pathlib import Path

    from tests.seeds.resources import Object
    from tests.seeds.story import Place, Story

NODES = ("node1", "node2", "node3")
NGINX = App("nginx-svc")
LAYER2_POOL = resource("IPAddressPool", "layer2-pool", addresses=["192.168.3.170-192.168.3.179"])
LAYER2_LB = resource("L2Advertisement", "layer2-lb", ipAddressPools=["layer2-pool"])


def test_layer2_pool_is_announced_while_it_is_advertised_and_keeps_its_services_when_deleted(
    tmp_path: Path, place: Place
) -> None:
    with place(tmp_path, ["192.168.3.0/24"], first_node=103) as story:
        story.use_resources()
        story.configure_by(LAYER2_POOL, LAYER2_LB)
        story.deploy(NGINX)
        story.start()
        story.await_address(NGINX, "192.168.3.170")
        assert story.fetch("192.168.3.170").startswith("Welcome to nginx")
        assert story.owner("192.168.3.170") in NODES

        story.configure_by(LAYER2_POOL)
        wait_until(lambda: story.is_silent("192.168.3.170"), CONVERGED_S, "a pool without advertisement is silent")
        assert story.address(NGINX) == "192.168.3.170"

        story.configure_by(LAYER2_POOL, LAYER2_LB)
        assert story.fetch("192.168.3.170").startswith("Welcome to nginx")

        # MetalLB since 0.13.8 clears the Service here, which is how clusters lost all their addresses at once.
        story.configure_by(LAYER2_LB)
        wait_until(lambda: _is_stale(story), CONVERGED_S, "the lack of the pool is told")
        assert story.fetch("192.168.3.170").startswith("Welcome to nginx")
        assert story.address(NGINX) == "192.168.3.170"

        story.delete(NGINX)
        wait_until(lambda: story.is_silent("192.168.3.170"), CONVERGED_S, "the deleted Service is silent")


def test_address_is_silent_until_the_advertisement_names_an_interface_that_is_there(
    tmp_path: Path, place: Place
) -> None:
    def on(*interfaces: str) -> Object:
        return resource("L2Advertisement", "layer2-lb", interfaces=list(interfaces))

    with place(tmp_path, ["192.168.3.0/24"], first_node=103) as story:
        story.use_resources()
        story.configure_by(LAYER2_POOL, on("eth8", "eth9"))
        story.deploy(NGINX)
        story.start()
        story.await_address(NGINX, "192.168.3.170")
        story.await_event("default", "nginx-svc", "announceFailed", "eth8, eth9")
        assert story.is_silent("192.168.3.170")

        story.configure_by(LAYER2_POOL, on("eth0", "eth9"))
        assert story.fetch("192.168.3.170").startswith("Welcome to nginx")
        story.configure_by(LAYER2_POOL, on("eth9"))
        wait_until(lambda: story.is_silent("192.168.3.170"), CONVERGED_S, "it is for no interface that is there")


def test_router_reaches_a_service_over_all_nodes(tmp_path: Path, place: Place) -> None:
    with (
        place(tmp_path, ["192.168.3.0/24"], first_node=103) as story,
        Edge(story, address="192.168.3.180", asn=65000, node_asn=65001) as edge,
    ):
        story.use_resources()
        story.configure_by(
            resource("BGPPeer", "sample", "v1beta2", myASN=65001, peerASN=65000, peerAddress="192.168.3.180"),
            resource("IPAddressPool", "first-pool", addresses=["192.168.0.10-192.168.0.99"]),
            resource("BGPAdvertisement", "example"),
        )
        story.deploy(NGINX)
        story.start(gobgpd())
        story.await_address(NGINX, "192.168.0.10")

        edge.await_summary(dict.fromkeys(NODES, ("Established", 1)))
        edge.await_next_hops("192.168.0.10", *NODES)
        assert edge.fetch("192.168.0.10").startswith("Welcome to nginx on node")


def _is_stale(story: Story) -> bool:
    return all(any(line.get("event") == "configStale" for line in story.log(name)) for name in ("controller", *NODES))
