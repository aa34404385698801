"""`make demo`: the tutorials' story on one machine, without a cluster, told as it goes.

A LAN of network namespaces with a client and three nodes, a web server on each, a real controller and real
speakers, real ARP. Exits as `tests.seeds.telling.demo` says.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from rich.table import Table

from tests.lab.wait import wait_until
from tests.seeds.story import CONVERGED_S, App, Story
from tests.seeds.telling import Differed, console, demo, expect, say, told

if TYPE_CHECKING:
    from pathlib import Path

LBPOOL = """\
address-pools:
- name: lbpool
  protocol: layer2
  addresses:
  - 11.11.11.150-11.11.11.200
"""
EXPENSIVE = """\
- name: expensive
  protocol: layer2
  auto-assign: false
  addresses:
  - 10.206.65.224-10.206.65.225
"""
BROKEN = LBPOOL.replace("layer2", "layer-2")
FIRST, CHEAPEST, ASKED_FOR = "11.11.11.150", "10.206.65.224", "10.206.65.225"
ASKS_FOR_EXPENSIVE = {"metallb.universe.tf/address-pool": "expensive"}

NGINX = App("nginx-service")
MANUAL = App("nginx-manual", "without-istio", ASKS_FOR_EXPENSIVE)
MOVED = App("nginx-manual", "without-istio", ASKS_FOR_EXPENSIVE, load_balancer_ip=ASKED_FOR)
OTHER = App("nginx-manual-1", "without-istio", ASKS_FOR_EXPENSIVE)
THIRD = App("nginx-manual-2", "without-istio", ASKS_FOR_EXPENSIVE)


def play(directory: Path) -> None:
    """Tell the whole story. Raises `Differed` or `TimeoutError` where it differs."""
    say("A LAN with a client and three nodes, a web server on each; a controller and a speaker on each node.")
    with Story(directory, ["11.11.11.0/24", "10.206.65.0/24"]) as story:
        _play(story)
        _show(story)


def _play(story: Story) -> None:
    story.configure(LBPOOL)
    story.deploy(NGINX)
    story.start()
    say("ConfigMap: pool lbpool, layer2, 11.11.11.150-11.11.11.200. Service nginx-service, type LoadBalancer.")
    _reaches(story, NGINX, FIRST)

    say("The config is edited while it runs: a second pool, expensive, auto-assign: false, two addresses.")
    story.configure(LBPOOL + EXPENSIVE)
    story.deploy(MANUAL)
    _reaches(story, MANUAL, CHEAPEST)
    expect("nginx-service keeps its address", FIRST, story.address(NGINX))

    say(f"kubectl patch: nginx-manual asks for loadBalancerIP {ASKED_FOR}.")
    story.deploy(MOVED)
    _reaches(story, MOVED, ASKED_FOR)

    say("Two more Services want an address of expensive; one is left.")
    story.deploy(OTHER)
    _reaches(story, OTHER, CHEAPEST)
    story.deploy(THIRD)
    event = story.await_event(*THIRD.path, "AllocationFailed")
    told(f"nginx-manual-2 stays pending, {event['type']} {event['reason']}: {event['message']}")
    expect("nginx-manual-2 has no address", "", story.address(THIRD))

    say("A broken edit: protocol: layer-2.")
    story.configure(BROKEN)
    event = story.await_event("metallb-system", "config", "ConfigInvalid", "config:3:")
    told(f"refused, {event['type']} {event['reason']}: {event['message']}")
    for app, address in ((NGINX, FIRST), (MOVED, ASKED_FOR), (OTHER, CHEAPEST)):
        expect(f"{app.name} keeps its address", address, story.address(app))
        told(f"{address} still answers: {story.fetch(address)}")

    _kill_owner(story)


def _kill_owner(story: Story) -> None:
    owner = story.owner(FIRST)
    say(f"The owner of {FIRST}, {owner}, is killed.")
    begun = time.monotonic()
    story.kill_node(owner)
    wait_until(lambda: story.owner(FIRST) not in ("", owner), CONVERGED_S, f"another node owns {FIRST}")
    page = story.fetch(FIRST)
    told(f"{time.monotonic() - begun:.2f} s later {FIRST} is at {story.client.neighbour(FIRST)}: {page}")
    expect("the page comes from the new owner", f"Welcome to nginx on {story.owner(FIRST)}", page)


def _reaches(story: Story, app: App, address: str) -> None:
    story.await_address(app, address)
    page = story.fetch(address)
    owner = story.owner(address)
    if not owner:
        raise Differed(f"the client's neighbour table has no node's MAC for {address}")
    told(f"{app.name} has {address}, at {story.client.neighbour(address)} ({owner}): {page}")
    expect("the page comes from the owner", f"Welcome to nginx on {owner}", page)


def _show(story: Story) -> None:
    table = Table("NAMESPACE", "SERVICE", "EXTERNAL-IP", "ANSWERS", "MAC AT THE CLIENT")
    for app in (NGINX, MOVED, OTHER, THIRD):
        address = story.address(app)
        if address:
            story.fetch(address)
        owner, mac = story.owner(address) if address else "", story.client.neighbour(address) if address else ""
        table.add_row(app.namespace, app.name, address or "<pending>", owner, mac)
    console.print(table)


if __name__ == "__main__":
    sys.exit(demo(play))
