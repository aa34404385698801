"""Story T4: a second pool that assigns only on request, its exhaustion, and a broken edit while traffic goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.wait import wait_until
from tests.seeds.story import CONVERGED_S, App

if TYPE_CHECKING:
    from pathlib import Path

    from tests.seeds.story import Place, Story

DEFAULT_POOL = """\
address-pools:
- name: default
  protocol: layer2
  addresses:
  - 10.206.65.234-10.206.65.253
"""
EXPENSIVE = """\
- name: expensive
  protocol: layer2
  auto-assign: false
  addresses:
  - {addresses}
"""
ASKS_FOR_EXPENSIVE = {"metallb.universe.tf/address-pool": "expensive"}


def test_second_pool_serves_only_who_asks_and_says_when_it_is_full(tmp_path: Path, place: Place) -> None:
    nginx = App("nginx", "without-istio")
    manual = App("nginx-manual", "without-istio", ASKS_FOR_EXPENSIVE)
    moved = App("nginx-manual", "without-istio", ASKS_FOR_EXPENSIVE, load_balancer_ip="10.206.65.225")
    first = App("nginx-manual-1", "without-istio", ASKS_FOR_EXPENSIVE)
    second = App("nginx-manual-2", "without-istio", ASKS_FOR_EXPENSIVE)

    with place(tmp_path, ["10.206.65.0/24"]) as story:
        story.configure(DEFAULT_POOL)
        story.deploy(nginx)
        story.start()
        story.await_address(nginx, "10.206.65.234")
        assert story.fetch("10.206.65.234").startswith("Welcome to nginx")

        story.configure(DEFAULT_POOL + EXPENSIVE.format(addresses="10.206.65.224-10.206.65.233"))
        story.deploy(manual)
        story.await_address(manual, "10.206.65.224")
        assert story.address(nginx) == "10.206.65.234", "no address moves when a pool is added"

        story.deploy(moved)
        story.await_address(moved, "10.206.65.225")
        assert story.fetch("10.206.65.225").startswith("Welcome to nginx")
        wait_until(lambda: _answerers(story, "10.206.65.224") == 0, CONVERGED_S, "nobody answers for the old address")

        story.configure(DEFAULT_POOL + EXPENSIVE.format(addresses="10.206.65.224-10.206.65.225"))
        story.deploy(first)
        story.await_address(first, "10.206.65.224")
        story.deploy(second)
        story.await_event("without-istio", "nginx-manual-2", "AllocationFailed", 'no available IPs in pool "expensive"')
        assert story.address(second) == ""

        story.configure("address-pools:\n- name: default\n  protocol: layer2\n  adresses: [10.206.65.234/32]\n")
        told = story.await_event("metallb-system", "config", "ConfigInvalid", "config:4:3")
        assert "addresses" in told["message"]
        assert story.fetch("10.206.65.234").startswith("Welcome to nginx")

        story.delete(first)
        story.await_address(second, "10.206.65.224")


def test_restarted_controller_keeps_every_address(tmp_path: Path, place: Place) -> None:
    apps = [App(f"app-{number}") for number in range(5)]

    with place(tmp_path, ["10.206.65.0/24"]) as story:
        story.configure(DEFAULT_POOL)
        story.start()
        for number, app in enumerate(apps):
            story.deploy(app)
            story.await_address(app, f"10.206.65.{234 + number}")
        story.delete(apps[0])
        wait_until(lambda: story.address(apps[0]) == "", CONVERGED_S, "the deleted Service's address is forgotten")
        story.kill_controller()
        late = App("a-late-one")
        story.deploy(late)
        story.start_controller()

        story.await_address(late, "10.206.65.234")
        assert [story.address(app) for app in apps[1:]] == [f"10.206.65.{234 + number}" for number in range(1, 5)]


def test_another_node_answers_when_the_owner_dies(tmp_path: Path, place: Place) -> None:
    nginx = App("nginx")

    with place(tmp_path, ["10.206.65.0/24"]) as story:
        story.configure(DEFAULT_POOL)
        story.deploy(nginx)
        story.start()
        story.await_address(nginx, "10.206.65.234")
        story.fetch("10.206.65.234")
        owner = story.owner("10.206.65.234")
        assert owner

        story.kill_node(owner)

        wait_until(lambda: story.owner("10.206.65.234") not in ("", owner), CONVERGED_S, "another owner")
        assert story.fetch("10.206.65.234") == f"Welcome to nginx on {story.owner('10.206.65.234')}"


def _answerers(story: Story, address: str) -> int:
    """Count the nodes that count themselves as announcing an address, from their logs."""
    count = 0
    for name in story.nodes:
        for line in story.log(name):
            if line.get("event") == "serviceAnnounced" and address in line["ips"]:
                count += 1
            elif line.get("event") == "serviceWithdrawn" and address in line["ip"]:
                count -= 1
    return count
