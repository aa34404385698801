"""What makes an address move from node to node, or fall silent, and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from tests.nodes.conftest import DEPLOY
from tests.nodes.site import CONVERGED_S, EXCLUDED, IPV4, POOL, manifest_with_flag

if TYPE_CHECKING:
    from tests.nodes.site import Site


def test_renamed_and_grown_pool_changes_nothing(site: Site) -> None:
    site.deploy("web", 2)
    site.expose("web")
    site.await_addresses("web", IPV4)
    owner = site.owner(IPV4)

    site.configure(POOL.replace("layer2-pool", "renamed").replace("192.168.3.170-", "192.168.3.160-"))
    site.expose("next")  # a Service that gets an address of the new range: the edit is in force

    site.await_addresses("next", "192.168.3.160")
    assert site.addresses("web") == [IPV4]
    assert site.owner(IPV4) == owner


def test_address_without_a_working_backend_is_not_announced(site: Site) -> None:
    site.deploy("web", 1)
    site.expose("web", ports=[{"port": 8080, "targetPort": 8080}])
    site.await_addresses("web", IPV4)
    site.fetch(IPV4, 8080)

    site.scale("web", 0)
    site.await_owner(IPV4, "")
    site.scale("web", 1)
    site.fetch(IPV4, 8080)


def test_drained_node_hands_its_local_service_over(site: Site) -> None:
    site.deploy("web", 1)
    site.expose("web", externalTrafficPolicy="Local")
    site.await_addresses("web", IPV4)
    node, _ = site.fetch(IPV4)

    site.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={CONVERGED_S}s")

    site.await_owner(IPV4, site.other(node))
    assert site.fetch(IPV4)[0] == site.other(node)


def test_node_labelled_out_of_load_balancing_announces_only_if_the_speaker_is_told_to(site: Site) -> None:
    site.deploy("web", 2)
    site.expose("web")
    site.await_addresses("web", IPV4)
    site.fetch(IPV4)
    owner = site.owner(IPV4)

    site.kubectl("label", "node", owner, f"{EXCLUDED}=true")
    site.await_owner(IPV4, site.other(owner))
    site.fetch(IPV4)

    objects = yaml.safe_load_all((DEPLOY / "workloads.yaml").read_text(encoding="utf-8"))
    speaker = next(each for each in objects if each["metadata"]["name"] == "speaker")
    try:
        site.kubectl("apply", "-f", "-", input=manifest_with_flag(speaker, "--ignore-exclude-lb"))
        site.roll_out("daemonset/speaker")
        site.await_owner(IPV4, owner)
        site.fetch(IPV4)
    finally:
        site.kubectl("apply", "-f", str(DEPLOY / "workloads.yaml"))
        site.roll_out("daemonset/speaker")
    site.await_owner(IPV4, site.other(owner))
