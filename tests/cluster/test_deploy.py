"""`kubectl apply -f deploy/`, over nothing and over what MetalLB 0.12's own manifests leave in a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.controllers import DEPLOY, NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.kube.control_plane import ControlPlane

Object = dict[str, Any]


@pytest.fixture
def empty(api_server: ControlPlane) -> Iterator[ControlPlane]:
    yield api_server
    api_server.wipe()


def _field(name: str, path: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _legacy(kind: str, name: str, env: list[Object], ports: list[Object], **spec: Any) -> Object:
    """Write one of MetalLB 0.12's workloads, as far as an apply over it could stumble."""
    labels = {"app": "metallb", "component": name}
    probe = {"httpGet": {"path": "/metrics", "port": "monitoring"}, "initialDelaySeconds": 10}
    container = {
        "name": name,
        "image": f"quay.io/metallb/{name}:v0.12.1",
        "args": ["--port=7472", "--config=config", "--log-level=info"],
        "env": env,
        "ports": [{"name": "monitoring", "containerPort": 7472}, *ports],
        "livenessProbe": probe,
        "readinessProbe": probe,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "serviceAccountName": name, **spec},
            },
        },
    }


CONTROLLER = _legacy(
    "Deployment",
    "controller",
    [{"name": "METALLB_ML_SECRET_NAME", "value": "memberlist"}, {"name": "METALLB_DEPLOYMENT", "value": "controller"}],
    [],
    terminationGracePeriodSeconds=0,
)
SPEAKER = _legacy(
    "DaemonSet",
    "speaker",
    [
        _field("METALLB_NODE_NAME", "spec.nodeName"),
        _field("METALLB_HOST", "status.hostIP"),
        _field("METALLB_ML_BIND_ADDR", "status.podIP"),
        {"name": "METALLB_ML_LABELS", "value": "app=metallb,component=speaker"},
    ],
    [
        {"name": "memberlist-tcp", "containerPort": 7946},
        {"name": "memberlist-udp", "containerPort": 7946, "protocol": "UDP"},
    ],
    hostNetwork=True,
    tolerations=[{"key": "node-role.kubernetes.io/master", "operator": "Exists", "effect": "NoSchedule"}],
)


def workload(api: ControlPlane, plural: str, name: str) -> Object:
    found: Object = api.admin.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/{plural}/{name}")
    return found


def test_directory_is_applied_over_nothing_and_a_second_time_changes_nothing(empty: ControlPlane) -> None:
    empty.kubectl("apply", "-f", str(DEPLOY))
    again = empty.kubectl("apply", "-f", str(DEPLOY)).splitlines()

    assert len(again) > 10
    assert all(line.endswith(" unchanged") for line in again), again


def test_directory_takes_the_place_of_the_legacy_workloads(empty: ControlPlane) -> None:
    empty.kubectl("create", "namespace", NAMESPACE)
    for legacy in (CONTROLLER, SPEAKER):
        # Not server-side: what kubectl remembers in an annotation is what people's clusters have.
        empty.kubectl("apply", "-f", "-", input=str(legacy).replace("False", "false").replace("True", "true"))
    configuration = ("-n", NAMESPACE, "create", "configmap", "config", "--from-literal=config=address-pools: []")
    empty.kubectl(*configuration)
    before = [workload(empty, "deployments", "controller"), workload(empty, "daemonsets", "speaker")]

    empty.kubectl("apply", "-f", str(DEPLOY))

    after = [workload(empty, "deployments", "controller"), workload(empty, "daemonsets", "speaker")]
    assert [each["metadata"]["uid"] for each in after] == [each["metadata"]["uid"] for each in before]
    for each in after:
        (container,) = each["spec"]["template"]["spec"]["containers"]
        assert container["image"].startswith("metalpy:")
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert [port["containerPort"] for port in container["ports"]] == [7472]
    assert after[0]["spec"]["strategy"] == {"type": "Recreate"}
    (speaker,) = after[1]["spec"]["template"]["spec"]["containers"]
    assert {variable["name"] for variable in speaker["env"]} == {
        "METALLB_NODE_NAME",
        "METALLB_HOST",
        "POD_NAME",
        "POD_UID",
    }
    found = empty.admin.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/config")
    assert found["data"] == {"config": "address-pools: []"}
