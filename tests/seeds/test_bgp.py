"""Stories T1 and T2 by BGP, in ConfigMap form: routers that learn the Services' addresses from every node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.parts import lab_binary
from tests.lab.wait import wait_until
from tests.seeds.edge import ADDRESS, FIRST_POOL, NGINX, Edge
from tests.seeds.story import CONVERGED_S, App

if TYPE_CHECKING:
    from pathlib import Path

    from tests.seeds.story import Place

LAN_POOL = """\
peers:
- peer-address: 192.168.10.254
  peer-asn: 65000
  my-asn: 65130
address-pools:
- name: pool-lan
  protocol: {protocol}
  addresses: [192.168.28.200-192.168.28.230]
"""


def gobgpd() -> str:
    """Give the flag that names the lab's gobgpd."""
    return f"--gobgpd={lab_binary('gobgpd')}"


def test_router_reaches_a_service_over_all_nodes_and_the_others_when_one_dies(tmp_path: Path, place: Place) -> None:
    nodes = ("node1", "node2", "node3")
    with (
        place(tmp_path, ["192.168.3.0/24"], first_node=103) as story,
        Edge(story, address="192.168.3.180", asn=65000, node_asn=65001) as edge,
    ):
        story.configure(FIRST_POOL)
        story.deploy(NGINX)
        story.start(gobgpd())
        story.await_address(NGINX, ADDRESS)

        edge.await_summary(dict.fromkeys(nodes, ("Established", 1)))
        edge.await_next_hops(ADDRESS, *nodes)
        assert edge.fetch(ADDRESS).startswith("Welcome to nginx on node")
        assert story.is_silent(ADDRESS), "nobody answers for it on the LAN: it is announced by BGP alone"
        announced = story.await_event("default", "nginx-svc", "nodeAssigned")
        assert announced["message"].startswith("announcing from node")

        story.kill_node("node2")
        edge.await_next_hops(ADDRESS, "node1", "node3")
        assert edge.fetch(ADDRESS).startswith("Welcome to nginx on node")

        story.end_speaker("node1")
        edge.await_next_hops(ADDRESS, "node3")

        story.break_backends(NGINX)
        edge.await_next_hops(ADDRESS)
        assert edge.summary()["node3"] == ("Established", 0)


def test_six_neighbours_are_established_and_the_pool_then_goes_to_layer2_without_a_restart(tmp_path: Path) -> None:
    from tests.seeds.story import Story  # noqa: PLC0415 - on manifests alone: six nodes are many

    nodes = tuple(f"node{number}" for number in range(134, 140))
    testing = App("metallb-testing")
    with (
        Story(tmp_path, ["192.168.10.0/24", "192.168.28.0/24"], nodes=nodes, first_node=134) as story,
        Edge(story, address="192.168.10.254", asn=65000, node_asn=65130) as edge,
    ):
        story.configure(LAN_POOL.format(protocol="bgp"))
        story.deploy(testing)
        story.start(gobgpd())
        story.await_address(testing, "192.168.28.200")
        edge.await_summary(dict.fromkeys(nodes, ("Established", 1)))

        story.configure(LAN_POOL.format(protocol="layer2"))
        edge.await_summary(dict.fromkeys(nodes, ("Established", 0)))
        assert story.fetch("192.168.28.200").startswith("Welcome to nginx")
        assert wait_until(lambda: story.owner("192.168.28.200"), CONVERGED_S, "a node's MAC at the client") in nodes
        assert story.address(testing) == "192.168.28.200"
