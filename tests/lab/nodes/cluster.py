"""A real cluster on one machine: control plane, nodes and a client on one LAN. Inside a sandbox, as root.

    with NodeCluster() as cluster:
        cluster.api.kubectl("apply", "-f", "deploy/")
        cluster.client.fetch("http://192.168.3.170/")

Names and addresses are those of a home network: 192.168.3.0/24 and fd03::/64, node1 is 192.168.3.103 and fd03::103.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.lab.kube.client import ApiRefusal
from tests.lab.kube.control_plane import ControlPlane
from tests.lab.kube.server import Server
from tests.lab.lan import Lan
from tests.lab.nodes.box import Box, remove_groups
from tests.lab.nodes.box_init import hierarchies
from tests.lab.nodes.images import archives
from tests.lab.nodes.settings import (
    NodeSettings,
    controller_manager_command,
    pod_networks,
    scheduler_command,
)
from tests.lab.parts import LabError
from tests.lab.scratch import is_in_use
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_CONTROL_PLANE = ("192.168.3.102", "fd03::102")
_CLIENT = ("192.168.3.150", "fd03::150")
_READY_S = 90
_UID_MAP = Path("/proc/self/uid_map")
_ALL_USERS = ["0", "0", "4294967295"]
_GROUP = "metalpy-lab-*"
_BINDINGS = "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/rolebindings"
_READER = "system::extension-apiserver-authentication-reader"
"""What the controllers end without: an error to them, not a reason to wait."""


def _addresses(number: int) -> tuple[str, str]:
    return f"192.168.3.{102 + number}", f"fd03::{102 + number}"


def _with_prefixes(addresses: tuple[str, str]) -> tuple[str, str]:
    return f"{addresses[0]}/24", f"{addresses[1]}/64"


class NodeCluster:
    """A cluster of `nodes` nodes, as a context manager; it is ready when entered. Raises `LabError`."""

    def __init__(self, nodes: int = 2, *, audit_level: str | None = None) -> None:
        self.lan = Lan()
        self.api = ControlPlane(address=_CONTROL_PLANE[0], audit_level=audit_level, with_nodes=True)
        self.nodes: dict[str, Box] = {}
        self._count = nodes
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if _UID_MAP.read_text(encoding="ascii").split() != _ALL_USERS:
            raise LabError("real nodes need root, and not in a user namespace: their pods have users of their own")
        images = archives()
        _remove_abandoned_groups()
        with contextlib.ExitStack() as undo:
            undo.enter_context(self.lan)
            self.lan.join(*_with_prefixes(_CONTROL_PLANE))
            self.client = self.lan.host("client", *_with_prefixes(_CLIENT))
            """A machine on the LAN that is no part of the cluster."""
            undo.enter_context(self.api)
            undo.callback(self._remove_group)
            for number in range(1, self._count + 1):
                self._add_node(number, images, undo)
            self._route()
            self._start_controllers(undo)
            self.await_ready(self.nodes)
            self._resources = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def await_ready(self, names: Iterable[str]) -> None:
        """Wait until the API server shows these nodes ready."""
        wanted = set(names)

        def ready() -> bool:
            for name in wanted:
                self.nodes[name].check()
            return wanted <= {
                node["metadata"]["name"] for node in self.api.admin.get("/api/v1/nodes")["items"] if is_ready(node)
            }

        wait_until(ready, _READY_S, f"{', '.join(sorted(wanted))} ready")

    def _add_node(self, number: int, images: Sequence[Path], undo: contextlib.ExitStack) -> None:
        name, addresses = f"node{number}", _addresses(number)
        host = self.lan.host(name, *_with_prefixes(addresses))
        authority = self.api.authority
        settings = NodeSettings(
            name,
            number,
            addresses,
            group=f"{self._group}/{name}",
            kubeconfig=self.api.kubeconfig_for(f"system:node:{name}", ["system:nodes"]),
            proxy_kubeconfig=self.api.kubeconfig_for("system:kube-proxy"),
            ca=authority.pair.certificate,
            serving=authority.server(f"kubelet-{name}", [f"IP:{address}" for address in addresses]),
        )
        self.nodes[name] = box = Box(host, settings, self.api.directory / name, images)
        undo.callback(box.kill)
        box.start()

    def _route(self) -> None:
        """Let every node, the control plane and the client know where pods are, as a network plugin would.

        The default routes lead nowhere: without one, the kernel refuses to send to a Service's address before
        kube-proxy's rules have seen the packet.
        """
        for number, box in enumerate(self.nodes.values(), 1):
            for family, network, via in zip(("-4", "-6"), pod_networks(number), _addresses(number), strict=True):
                route = ["ip", family, "route", "replace", network, "via", via]
                subprocess.run(route, check=True)
                for other in self.nodes.values():
                    if other is not box:
                        other.host.run(route)
            for family, via in zip(("-4", "-6"), _CONTROL_PLANE, strict=True):
                box.host.run(["ip", family, "route", "replace", "default", "via", via])

    def _start_controllers(self, undo: contextlib.ExitStack) -> None:
        """Start what turns Deployments into pods, once the API server lets it read what it needs."""
        wait_until(self._is_prepared, _READY_S, f"the API server has {_READER}")
        signing_key = self.api.directory / "service-accounts.key"
        commands = {
            "kube-controller-manager": lambda kubeconfig: controller_manager_command(
                kubeconfig, self.api.ca, signing_key
            ),
            "kube-scheduler": scheduler_command,
        }
        for name, command in commands.items():
            server = Server(command(self.api.kubeconfig_for(f"system:{name}")), self.api.directory / f"{name}.log")
            undo.callback(server.kill)
            server.start(lambda: True, _READY_S)  # nodes and pods tell when they are ready

    def _is_prepared(self) -> bool:
        try:
            return bool(self.api.admin.get(f"{_BINDINGS}/{_READER}"))
        except ApiRefusal:
            return False

    @property
    def _group(self) -> str:
        return self.api.directory.name  # as unique as that

    def _remove_group(self) -> None:
        for hierarchy in hierarchies():
            remove_groups(hierarchy / self._group)


def is_ready(node: dict[str, Any]) -> bool:
    """Tell whether a Node object's kubelet says that it is ready."""
    conditions = node["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _remove_abandoned_groups() -> None:
    """Remove control groups of clusters that were killed: their scratch directories are gone."""
    for hierarchy in hierarchies():
        for group in hierarchy.glob(_GROUP):
            if not is_in_use(group.name):
                remove_groups(group)
