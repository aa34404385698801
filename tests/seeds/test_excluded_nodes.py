"""Story T1's rules for who takes part: no working backend, no answer; labelled nodes only with --ignore-exclude-lb."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.wait import wait_until
from tests.seeds.story import CONVERGED_S, App

if TYPE_CHECKING:
    from pathlib import Path

    from tests.seeds.story import Place

POOL = """\
address-pools:
- name: pool-lan
  protocol: layer2
  addresses:
  - 192.168.28.200-192.168.28.230
"""
EXCLUDE = {"node.kubernetes.io/exclude-from-external-load-balancers": ""}
ADDRESS = "192.168.28.200"


def test_labelled_node_takes_over_only_when_told_to_ignore_the_label(tmp_path: Path, place: Place) -> None:
    app = App("metallb-testing")

    with place(tmp_path, ["192.168.28.0/24"], nodes=["worker", "control"]) as story:
        story.label("control", EXCLUDE)
        story.configure(POOL)
        story.deploy(app)
        story.start_controller()
        story.start_speaker("control")
        story.await_address(app, ADDRESS)
        story.start_speaker("worker")
        story.fetch(ADDRESS)
        assert story.owner(ADDRESS) == "worker"

        story.kill_node("worker")
        assert story.is_silent(ADDRESS)
        story.end_speaker("control")
        story.start_speaker("control", "--ignore-exclude-lb")

        story.fetch(ADDRESS)
        assert story.owner(ADDRESS) == "control"


def test_service_without_a_working_backend_is_not_announced(tmp_path: Path, place: Place) -> None:
    app = App("metallb-testing")

    with place(tmp_path, ["192.168.28.0/24"], nodes=["worker"]) as story:
        story.configure(POOL)
        story.deploy(app)
        story.start()
        story.await_address(app, ADDRESS)
        story.fetch(ADDRESS)

        story.break_backends(app)
        wait_until(lambda: story.is_silent(ADDRESS), CONVERGED_S, "nobody answers without a backend")
