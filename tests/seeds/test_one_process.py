"""A configuration tried on one machine: controller and speaker in one process, on a directory of manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.seeds.story import App, Story

if TYPE_CHECKING:
    from pathlib import Path

POOL = """\
address-pools:
- name: lab
  protocol: layer2
  addresses: [192.168.1.240/28]
"""


def test_one_process_gives_the_address_and_answers_for_it(tmp_path: Path) -> None:
    app = App("web")

    with Story(tmp_path, ["192.168.1.0/24"], nodes=["only"]) as story:
        story.configure(POOL)
        story.deploy(app)
        story.start_speaker("only", program="run")
        story.await_address(app, "192.168.1.240")

        assert story.fetch("192.168.1.240") == "Welcome to nginx on only"
        story.await_event("default", "web", "nodeAssigned", 'from node "only"')
        scraped = story.nodes["only"].fetch("http://127.0.0.1:7472/metrics")
        assert 'metallb_allocator_addresses_in_use_total{pool="lab"} 1.0' in scraped
        assert 'metallb_layer2_responses_sent{ip="192.168.1.240"}' in scraped
