"""Story T3, in its ConfigMap form and as its author wrote it: a Service asks for one address of the pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.seeds.resources import resource
from tests.seeds.story import App

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.seeds.story import Place, Story

ADDRESSES = "192.168.10.200-192.168.10.250"


def by_configmap(story: Story) -> None:
    story.configure(f"""\
address-pools:
- name: first-pool
  protocol: layer2
  addresses:
  - {ADDRESSES}
""")


def by_resources(story: Story) -> None:
    story.use_resources()
    story.configure_by(
        resource("IPAddressPool", "first-pool", addresses=[ADDRESSES]),
        resource("L2Advertisement", "example", ipAddressPools=["first-pool"]),
    )


@pytest.mark.parametrize("configure", [by_configmap, by_resources])
def test_service_gets_the_address_it_asks_for_and_no_other(
    tmp_path: Path, place: Place, configure: Callable[[Story], None]
) -> None:
    myapp = App("myapp", load_balancer_ip="192.168.10.222")
    outside = App("outside", load_balancer_ip="192.168.10.199")

    with place(tmp_path, ["192.168.10.0/24"]) as story:
        configure(story)
        story.deploy(myapp)
        story.deploy(outside)
        story.start()
        story.await_address(myapp, "192.168.10.222")

        assert story.fetch("192.168.10.222").startswith("Welcome to nginx")
        story.await_event("default", "outside", "AllocationFailed", '["192.168.10.199"] is not allowed in config')
        assert story.address(outside) == ""
