"""Story T3 in its ConfigMap form: a Service asks for one address of the pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.seeds.story import App

if TYPE_CHECKING:
    from pathlib import Path

    from tests.seeds.story import Story

POOL = """\
address-pools:
- name: first-pool
  protocol: layer2
  addresses:
  - 192.168.10.200-192.168.10.250
"""


def test_service_gets_the_address_it_asks_for_and_no_other(tmp_path: Path, place: type[Story]) -> None:
    myapp = App("myapp", load_balancer_ip="192.168.10.222")
    outside = App("outside", load_balancer_ip="192.168.10.199")

    with place(tmp_path, ["192.168.10.0/24"]) as story:
        story.configure(POOL)
        story.deploy(myapp)
        story.deploy(outside)
        story.start()
        story.await_address(myapp, "192.168.10.222")

        assert story.fetch("192.168.10.222").startswith("Welcome to nginx")
        story.await_event("default", "outside", "AllocationFailed", '["192.168.10.199"] is not allowed in config')
        assert story.address(outside) == ""
