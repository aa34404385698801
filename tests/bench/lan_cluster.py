"""A cluster of one node whose API server is reached over a LAN, for benchmarks of whole speakers."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.controllers import install_custom_resources
from tests.bench.etcd_services import NODE, SERVICES_NAMESPACE
from tests.cluster.controllers import NAMESPACE, deployed
from tests.lab.kube.control_plane import ControlPlane
from tests.lab.parts import lab_binary
from tests.lab.runtime import python_as_in_an_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lan import Lan

Object = dict[str, Any]

POOL = "10.0.0.0/16"
NEWER_POD = "metallb-0-15"
_API_ADDRESS = "192.168.1.250"
_POD = f"/api/v1/namespaces/{NAMESPACE}/pods"
_NEWER_GROUP = "/apis/metallb.io"


@contextmanager
def cluster_on(lan: Lan, config: str) -> Iterator[ControlPlane]:
    """Run an API server at 192.168.1.250 on the LAN, with our rights, a ConfigMap and a node that is ready."""
    for command in (
        f"link add api0 type veth peer name api netns {lan.name}",
        f"-n {lan.name} link set api master bridge up",
        f"address add {_API_ADDRESS}/24 dev api0",
        "link set api0 up",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    with ControlPlane(address=_API_ADDRESS) as api:
        names = ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SERVICES_NAMESPACE}},)
        api.apply(*deployed("namespace.yaml"), *names)
        api.apply(*deployed("rbac.yaml"))
        metadata = {"name": "config", "namespace": NAMESPACE}
        api.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"config": config}},
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}},
        )
        ready = {"conditions": [{"type": "Ready", "status": "True", "reason": "Bench", "message": ""}]}
        api.admin.patch(f"/api/v1/nodes/{NODE}/status", {"status": ready})
        yield api


def furnish_newer(api: ControlPlane, *resources: tuple[str, str, Object]) -> None:
    """Give the newer MetalLB its definitions, the pool, further resources (version, kind, spec) and a Pod."""
    install_custom_resources(api, POOL)
    for version, kind, spec in resources:
        place = f"{_NEWER_GROUP}/{version}/namespaces/{NAMESPACE}/{kind.lower()}s"
        api.admin.create(
            place, {"apiVersion": f"metallb.io/{version}", "kind": kind, "metadata": {"name": "bench"}, "spec": spec}
        )
    container = {"name": "speaker", "image": "none"}
    spec = {"nodeName": NODE, "containers": [container], "automountServiceAccountToken": False}
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    api.apply({**account, "metadata": {"name": "default", "namespace": NAMESPACE}})
    api.admin.create(_POD, {"metadata": {"name": NEWER_POD}, "spec": spec})


def our_speaker(api: ControlPlane, *options: str) -> list[str]:
    """Give the command line of our speaker, as it is in a Pod: with what it needs alone, and its service account."""
    found = Path("/run/secrets/kubernetes.io/serviceaccount")  # the sandbox's own
    found.parent.mkdir(parents=True, exist_ok=True)
    found.unlink(missing_ok=True)
    found.symlink_to(api.service_account_directory(NAMESPACE, "speaker"))
    api_server = ["env", f"KUBERNETES_SERVICE_HOST={api.address}", f"KUBERNETES_SERVICE_PORT={api.port}"]
    place = ["--host", "127.0.0.1", "--node-name", NODE, "--member", NODE]
    return [*api_server, *python_as_in_an_image(), "-m", "metalpy", "speaker", *place, *options]


def metallb_speaker(api: ControlPlane, version: str, *options: str) -> list[str]:
    """Give the command line of MetalLB's speaker, before custom resources (0.11) or with them (0.15)."""
    place = ["-kubeconfig", str(api.kubeconfig), "-namespace", NAMESPACE, "-host", "127.0.0.1", "-node-name", NODE]
    return [str(lab_binary(f"metallb-{version}-speaker")), *place, *options]
