"""`make demo-bgp`: the tutorials' story with a router, told as it goes.

Three nodes with a web server and a speaker each, a real gobgpd on each, a real FRR at the edge, and a client beyond
it. Exits as `tests.seeds.telling.demo` says.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.lab.parts import LabError, lab_binary
from tests.lab.routers import debian_root
from tests.lab.wait import wait_until
from tests.seeds.edge import ADDRESS, FIRST_POOL, NGINX, Edge
from tests.seeds.story import CONVERGED_S, Story
from tests.seeds.telling import Differed, demo, expect, say, shown, told

DEAD = "node2"
UP_S = 40
"""gobgpd 3 waits for up to 9 s before it calls a peer, and again where the first call was for nothing."""


def play(directory: Path) -> None:
    """Tell the whole story. Raises `Differed` or `TimeoutError` where it differs."""
    say("Three nodes at 192.168.3.103-105, a speaker with gobgpd on each; FRR at 192.168.3.180, a client beyond it.")
    with (
        Story(directory, ["192.168.3.0/24"], first_node=103) as story,
        Edge(story, address="192.168.3.180", asn=65000, node_asn=65001) as edge,
    ):
        _announce(story, edge)
        _lose_a_node(story, edge)
        _end(story, edge)


def _announce(story: Story, edge: Edge) -> None:
    say("ConfigMap: peer 192.168.3.180, AS 65000; we are AS 65001. Pool first-pool, bgp, 192.168.0.10-192.168.0.99.")
    story.configure(FIRST_POOL)
    story.deploy(NGINX)
    begun = time.monotonic()
    story.start(f"--gobgpd={_gobgpd()}")
    story.await_address(NGINX, ADDRESS)
    edge.await_summary(dict.fromkeys(story.nodes, ("Established", 1)), within_s=UP_S)
    told(f"nginx-svc has {ADDRESS}; {time.monotonic() - begun:.1f} s after the start FRR shows three neighbours:")
    shown(edge.frr.ask("show ip bgp summary"))

    edge.await_next_hops(ADDRESS, *story.nodes)
    told("the router's kernel has a way over each node:")
    shown(edge.route(ADDRESS))
    _fetch(edge)
    if not story.is_silent(ADDRESS):
        raise Differed(f"somebody on the nodes' own LAN answers for {ADDRESS}")
    told(f"nobody on the nodes' own LAN answers for {ADDRESS}: BGP alone leads there")


def _gobgpd() -> Path:
    """Find the lab's, which takes long to build, or else Debian's."""
    try:
        return lab_binary("gobgpd")
    except LabError:
        return debian_root() / "usr/bin/gobgpd"


def _lose_a_node(story: Story, edge: Edge) -> None:
    say(f"{DEAD} is killed.")
    begun = time.monotonic()
    story.kill_node(DEAD)
    edge.await_next_hops(ADDRESS, *(name for name in story.nodes if name != DEAD))
    told(f"{time.monotonic() - begun:.1f} s later (FRR's hold time is 9 s) the way over {DEAD} is gone:")
    shown(edge.route(ADDRESS))
    _fetch(edge)


def _end(story: Story, edge: Edge) -> None:
    say("The other speakers are asked to end.")
    left = [name for name in story.nodes if name != DEAD]
    for name in left:
        story.end_speaker(name)
    edge.await_next_hops(ADDRESS)
    wait_until(
        lambda: "Established" not in {state for state, _ in edge.summary().values()}, CONVERGED_S, "no session is left"
    )
    running = {file.read_text(encoding="utf-8").strip() for file in Path("/proc").glob("[0-9]*/comm")}
    expect("a gobgpd is left", "", " ".join(running & {"gobgpd"}))
    told(f"they took {ADDRESS} back and their gobgpd is gone; the router has no way there any more")


def _fetch(edge: Edge) -> None:
    page = edge.fetch(ADDRESS)
    told(f"a page from {ADDRESS}, fetched through the router: {page}")
    expect("the page's first words", "Welcome to nginx on node", page.rstrip("0123456789"))


if __name__ == "__main__":
    sys.exit(demo(play))
