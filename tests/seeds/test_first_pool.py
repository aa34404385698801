"""Story T0: a first layer 2 pool, from an empty chart install to a page fetched through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.wait import wait_until
from tests.seeds.story import CONVERGED_S, App

if TYPE_CHECKING:
    from pathlib import Path

    from tests.seeds.story import Place, Story

POOL = """\
address-pools:
- name: lbpool
  protocol: layer2
  addresses:
  - 11.11.11.150-11.11.11.200
"""


def test_first_pool_gives_the_service_its_first_address_and_the_client_the_page(tmp_path: Path, place: Place) -> None:
    nginx = App("nginx-service")
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "nginx-deployment"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "nginx"}},
            "template": {
                "metadata": {"labels": {"app": "nginx"}},
                "spec": {"containers": [{"name": "nginx", "image": "nginx"}]},
            },
        },
    }
    chart = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "metallb-config", "namespace": "metallb-system"},
    }

    with place(tmp_path, ["11.11.11.0/24"]) as story:
        story.apply("config.yaml", chart)
        story.apply("deployment.yaml", deployment)
        story.deploy(nginx)
        story.start()
        wait_until(lambda: _logged(story, "stateSynced"), CONVERGED_S, "the controller has seen the cluster")
        assert story.address(nginx) == ""

        story.configure(POOL, name="metallb-config")
        story.await_address(nginx, "11.11.11.150")

        assert story.fetch("11.11.11.150").startswith("Welcome to nginx")
        owner = story.owner("11.11.11.150")
        assert owner in story.nodes
        event = story.await_event("default", "nginx-service", "nodeAssigned")
        assert event["message"] == f'announcing from node "{owner}"'
        assert len(_logged(story, "configStale")) == 1, "an empty ConfigMap is told once, not in a loop"


def _logged(story: Story, event: str) -> list[dict[str, object]]:
    return [line for line in story.log("controller") if line.get("event") == event]
