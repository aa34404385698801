"""How each controller that takes part is started: metalpy's own, and MetalLB's before and after custom resources."""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.api_cluster import POOL
from tests.cluster.controllers import NAMESPACE
from tests.lab.crds import install_crds
from tests.lab.kube.server import Server, free_ports
from tests.lab.parts import lab_binary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.lab.kube.control_plane import ControlPlane

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Program:
    """A controller. `command` gives its command line for a control plane and a port for its metrics."""

    name: str
    command: Callable[[ControlPlane, int], Sequence[str]]

    def start(self, api: ControlPlane, port: int = 0) -> Server:
        """Start it; it ends with this program at the latest."""
        log = api.directory / f"{self.name}-{next(_numbers)}.log"
        server = Server(self.command(api, port or free_ports(1)[0]), log)
        server.start(lambda: True, 1)
        return server


def cpu_s(server: Server) -> float:
    """Read how long a process has been running on a CPU, all threads together, to the nanosecond."""
    return (
        sum(
            int((thread / "schedstat").read_text(encoding="ascii").split()[0])
            for thread in Path(f"/proc/{server.pid}/task").iterdir()
        )
        / 1e9
    )


def _metalpy(api: ControlPlane, port: int) -> list[str]:
    kubeconfig = api.service_account_kubeconfig(NAMESPACE, "controller")
    command = [sys.executable, "-m", "metalpy", "controller", "--kubeconfig", str(kubeconfig)]
    # The same identity each time: one that was killed goes on leading when it is started again.
    me = ["--leader-elect-identity", "bench", "--namespace", NAMESPACE]
    return [*command, *me, "--host", "127.0.0.1", "--port", str(port)]


def _legacy(api: ControlPlane, port: int) -> list[str]:
    binary = str(lab_binary("metallb-0.11-controller"))
    return [binary, "-kubeconfig", str(api.kubeconfig), "-namespace", NAMESPACE, "-port", str(port)]


def _newer(api: ControlPlane, port: int) -> list[str]:
    binary = str(lab_binary("metallb-0.15-controller"))
    # Its webhooks want certificates and a Service in front of them, and have no part in giving addresses.
    alone = ["-webhook-mode", "disabled", "-disable-cert-rotation"]
    return [binary, "-kubeconfig", str(api.kubeconfig), "-namespace", NAMESPACE, "-port", str(port), *alone]


METALPY = Program("metalpy", _metalpy)
LEGACY = Program("metallb-0.11", _legacy)
NEWER = Program("metallb-0.15", _newer)


def install_custom_resources(api: ControlPlane, addresses: str = POOL) -> None:
    """Give the newer MetalLB its CRDs, from its Go module, and the same pool as the ConfigMap has."""
    install_crds(api, with_long_asns=True)
    pool = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "bench", "namespace": NAMESPACE},
        "spec": {"addresses": [addresses]},
    }
    api.admin.create(f"/apis/metallb.io/v1beta1/namespaces/{NAMESPACE}/ipaddresspools", pool)
