"""`make demo`: the tutorials' story on one machine, without a cluster, told as it goes.

A LAN of network namespaces with a client and three nodes, a web server on each, a real controller and real
speakers, real ARP. Exits with 0 if every step had the effect it should have, 1 if one differed, 130 on Ctrl-C;
everything it made is gone afterwards in each case.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.lab import sandbox
from tests.lab.wait import wait_until
from tests.seeds.story import CONVERGED_S, App, Story

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

_console = Console(highlight=False, soft_wrap=True)


class Differed(Exception):  # noqa: N818 - the result differed
    """A step did not have the effect that it should have."""


def main() -> int:
    """Play the story in a sandbox of its own."""
    sandbox.enter()
    begun = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="metalpy-demo-") as directory:
            _say("A LAN with a client and three nodes, a web server on each; a controller and a speaker on each node.")
            with Story(Path(directory), ["11.11.11.0/24", "10.206.65.0/24"]) as story:
                _play(story)
                _show(story)
    except KeyboardInterrupt:
        _console.print("\nstopped; everything the demo made is gone")
        return 130
    except (Differed, TimeoutError) as difference:
        _console.print(f"[red]differs:[/] {difference}")
        return 1
    _console.print(f"[green]All as it should be[/], in {time.monotonic() - begun:.0f} s. Everything it made is gone.")
    return 0


def _play(story: Story) -> None:
    story.configure(LBPOOL)
    story.deploy(NGINX)
    story.start()
    _say("ConfigMap: pool lbpool, layer2, 11.11.11.150-11.11.11.200. Service nginx-service, type LoadBalancer.")
    _reaches(story, NGINX, FIRST)

    _say("The config is edited while it runs: a second pool, expensive, auto-assign: false, two addresses.")
    story.configure(LBPOOL + EXPENSIVE)
    story.deploy(MANUAL)
    _reaches(story, MANUAL, CHEAPEST)
    _expect("nginx-service keeps its address", FIRST, story.address(NGINX))

    _say(f"kubectl patch: nginx-manual asks for loadBalancerIP {ASKED_FOR}.")
    story.deploy(MOVED)
    _reaches(story, MOVED, ASKED_FOR)

    _say("Two more Services want an address of expensive; one is left.")
    story.deploy(OTHER)
    _reaches(story, OTHER, CHEAPEST)
    story.deploy(THIRD)
    event = story.await_event(*THIRD.path, "AllocationFailed")
    _told(f"nginx-manual-2 stays pending, {event['type']} {event['reason']}: {event['message']}")
    _expect("nginx-manual-2 has no address", "", story.address(THIRD))

    _say("A broken edit: protocol: layer-2.")
    story.configure(BROKEN)
    event = story.await_event("metallb-system", "config", "ConfigInvalid", "config:3:")
    _told(f"refused, {event['type']} {event['reason']}: {event['message']}")
    for app, address in ((NGINX, FIRST), (MOVED, ASKED_FOR), (OTHER, CHEAPEST)):
        _expect(f"{app.name} keeps its address", address, story.address(app))
        _told(f"{address} still answers: {story.fetch(address)}")

    _kill_owner(story)


def _kill_owner(story: Story) -> None:
    owner = story.owner(FIRST)
    _say(f"The owner of {FIRST}, {owner}, is killed.")
    begun = time.monotonic()
    story.kill_node(owner)
    wait_until(lambda: story.owner(FIRST) not in ("", owner), CONVERGED_S, f"another node owns {FIRST}")
    page = story.fetch(FIRST)
    _told(f"{time.monotonic() - begun:.2f} s later {FIRST} is at {story.client.neighbour(FIRST)}: {page}")
    _expect("the page comes from the new owner", f"Welcome to nginx on {story.owner(FIRST)}", page)


def _reaches(story: Story, app: App, address: str) -> None:
    story.await_address(app, address)
    page = story.fetch(address)
    owner = story.owner(address)
    if not owner:
        raise Differed(f"the client's neighbour table has no node's MAC for {address}")
    _told(f"{app.name} has {address}, at {story.client.neighbour(address)} ({owner}): {page}")
    _expect("the page comes from the owner", f"Welcome to nginx on {owner}", page)


def _show(story: Story) -> None:
    table = Table("NAMESPACE", "SERVICE", "EXTERNAL-IP", "ANSWERS", "MAC AT THE CLIENT")
    for app in (NGINX, MOVED, OTHER, THIRD):
        address = story.address(app)
        if address:
            story.fetch(address)
        owner, mac = story.owner(address) if address else "", story.client.neighbour(address) if address else ""
        table.add_row(app.namespace, app.name, address or "<pending>", owner, mac)
    _console.print(table)


def _expect(what: str, expected: str, seen: str) -> None:
    if seen != expected:
        raise Differed(f"{what}: expected {expected or 'nothing'}, seen {seen or 'nothing'}")


def _say(text: str) -> None:
    _console.print(f"[bold]● {text}[/]")


def _told(text: str) -> None:
    _console.print(f"  {text}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
