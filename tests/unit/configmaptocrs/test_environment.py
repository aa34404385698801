"""What changes around the configuration: told from the version on that does it, where it touches this cluster."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.configmaptocrs.vectors import LAN, WAN

if TYPE_CHECKING:
    from tests.unit.configmaptocrs.conftest import Converter

TEXT = f"address-pools: [{LAN}}}, {WAN}}}]"
"""Pools lan, by layer 2, with 192.0.2.64/27 among others, and wan, by BGP."""
ON_LAN = "192.0.2.65"
OLD, NEW = "metallb.universe.tf/", "metallb.io/"


def service(*ips: str, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default", "annotations": annotations or {}},
        "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.1", **spec},
        "status": {"loadBalancer": {"ingress": [{"ip": ip} for ip in ips]}},
    }


def node(name: str = "n1", *, labels: dict[str, str] | None = None, **parts: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels or {}}, **parts}


@dataclass(frozen=True)
class Row:
    id: str
    since: str
    before: str
    """The last version that it is not so in; empty: it was ever so."""
    told: str
    services: tuple[dict[str, Any], ...] = (service(ON_LAN),)
    nodes: tuple[dict[str, Any], ...] = (node(), node("n2"))
    status: int = 0
    text: str = field(default=TEXT)
    after: str = ""
    """A later version in which it is so no more."""


EXCLUDED = {"node.kubernetes.io/exclude-from-external-load-balancers": ""}
NO_NETWORK = {"conditions": [{"type": "NetworkUnavailable", "status": "True"}]}
DUAL: dict[str, Any] = {"ipFamilyPolicy": "PreferDualStack", "clusterIPs": ["10.96.0.1", "fd00::1"]}
RENAMED = TEXT.replace("name: lan", "name: Lan")

ROWS = (
    Row("E1", "0.13.0", "0.12.1", "W-E1 Service default/web", (service(ON_LAN, loadBalancerClass="x"),)),
    Row("E2", "0.13.10", "0.13.9", "W-E2 node n1", nodes=(node(status=NO_NETWORK),)),
    Row("E3", "0.14.0", "0.13.12", "W-E3 node n1", nodes=(node(labels=EXCLUDED),)),
    Row("E3-flag", "0.14.4", "", "--ignore-exclude-lb lets it", nodes=(node(labels=EXCLUDED),)),
    Row("E4", "0.13.10", "0.13.9", "W-E4 all speakers"),
    Row("E5", "0.14.0", "0.13.12", "W-E5 all speakers"),
    Row("E6", "0.13.8", "0.13.7", "W-E6 the controller"),
    Row("E7", "0.14.0", "0.13.12", "W-E7 the controller"),
    Row(
        "E8-held",
        "0.13.10",
        "0.13.9",
        "D-SVC Service default/web has 192.0.2.65 of pool lan, and asks for pool wan",
        (service(ON_LAN, annotations={f"{OLD}address-pool": "wan"}, loadBalancerIP=ON_LAN),),
        status=3,
    ),
    Row(
        "E8-pending",
        "0.13.10",
        "0.13.9",
        "D-SVC Service default/web asks for 192.0.2.65 and for pool wan, which has it not",
        (service(annotations={f"{OLD}address-pool": "wan", f"{OLD}loadBalancerIPs": ON_LAN}),),
        status=3,
    ),
    Row("E9", "0.13.0", "", "W-E9 Service default/web", (service(),), after="0.14.0"),
    Row(
        "E10-pool",
        "0.14.9",
        "0.14.8",
        "D-SVC Service default/web has 192.0.2.65 of pool lan, and asks for pool wan",
        (service(ON_LAN, annotations={f"{OLD}address-pool": "lan", f"{NEW}address-pool": "wan"}),),
        status=3,
    ),
    Row(
        "E10-addresses",
        "0.14.9",
        "0.14.8",
        "D-SVC Service default/web has 192.0.2.65, and 192.0.2.66 is what its metallb.io annotation asks for",
        (service(ON_LAN, annotations={f"{NEW}loadBalancerIPs": "192.0.2.66"}),),
        status=3,
    ),
    Row("E11", "0.13.9", "0.13.8", "W-E11 the controller"),
    Row("E12", "0.14.9", "0.14.8", "W-E12 Service default/web", (service(ON_LAN, **DUAL),)),
    Row(
        "E13",
        "0.13.0",
        "",
        "D-SVC Service default/web has both spec.loadBalancerIP and the annotation",
        (service(ON_LAN, annotations={f"{OLD}loadBalancerIPs": ON_LAN}, loadBalancerIP=ON_LAN),),
        status=3,
    ),
    Row(
        "E14",
        "0.14.0",
        "0.13.12",
        "W-E14 node n1 has Kubernetes v1.20.15",
        nodes=(node(status={"nodeInfo": {"kubeletVersion": "v1.20.15"}}),),
    ),
    Row("E15", "0.16.0", "0.15.3", "W-E15 metrics"),
    Row("E17", "0.14.9", "0.14.8", "W-E17 node n1", nodes=(node(spec={"unschedulable": True}),), after="0.15.0"),
    Row(
        "E18",
        "0.15.0",
        "0.14.9",
        "D-LOAD pool lan contains 192.0.2.70, an address of node n1",
        nodes=(node(status={"addresses": [{"type": "InternalIP", "address": "192.0.2.70"}]}),),
        status=3,
        after="0.15.2",
    ),
)


def verified(row: Row, version: str, convert: Converter) -> tuple[int, str]:
    files = []
    for flag, kind, objects in (("-services", "Service", row.services), ("-nodes", "Node", row.nodes)):
        listed = {"apiVersion": "v1", "kind": f"{kind}List", "items": objects}
        files += [flag, convert.write(f"{kind}.json", json.dumps(listed))]
    done = convert(row.text, "-only-data", "-verify", "-target", version, *files)
    return done.status, done.output + done.messages


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_change_is_told_from_its_version_on(row: Row, convert: Converter) -> None:
    status, output = verified(row, row.since, convert)
    assert row.told in output
    assert status == row.status, output
    for version in filter(None, (row.before, row.after)):
        status, output = verified(row, version, convert)
        assert row.told not in output, version
        assert status == 0, output


def test_a_cluster_that_a_change_does_not_touch_is_told_nothing_of_it(convert: Converter) -> None:
    sound = node(status={"nodeInfo": {"kubeletVersion": "v1.36.3"}})
    row = Row("", "", "", "", (), (sound,), text=f"address-pools: [{WAN}}}]")
    status, output = verified(row, "0.16", convert)
    assert status == 0
    assert [line.split()[0] for line in output.splitlines()] == ["W-E15", "EQUIVALENT"]


def test_with_one_node_no_gossip_is_needed(convert: Converter) -> None:
    assert "W-E5" not in verified(Row("", "", "", "", nodes=(node(),)), "0.16", convert)[1]


def test_a_renamed_pool_is_told_once(convert: Converter) -> None:
    asking = service(ON_LAN, annotations={f"{OLD}address-pool": "Lan"})
    status, output = verified(Row("", "", "", "", (asking,), text=RENAMED), "0.16", convert)
    assert status == 3
    assert "D-NAME Service default/web" in output
    assert "D-SVC" not in output
