"""The same stories on a real API server, driven by the real kubectl, under the rights that deploy/ grants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.cluster.controllers import NAMESPACE, deployed
from tests.lab.crds import install_our_crds
from tests.lab.kube.events import events_in
from tests.seeds.story import App, Story

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.lab.kube.control_plane import ControlPlane
    from tests.lab.lan import Host
    from tests.seeds.story import Object

NAMESPACES = ("without-istio",)
"""Namespaces of the stories, beside `default` and metalpy's own."""

_PLACE_ON_THE_LAN = 250


class ApiStory(Story):
    """A story whose cluster is an API server that every node reaches over the LAN, and that is empty again afterwards.

    It may be at any address of the sandbox: the sandbox is the nodes' gateway to it.
    """

    def __init__(self, api: ControlPlane, directory: Path, networks: Sequence[str], **options: Any) -> None:
        super().__init__(directory, networks, **options)
        self.api = api
        self._gateway = f"{self._networks[0]}.{_PLACE_ON_THE_LAN}"
        self._resources: set[tuple[str, str]] = set()

    def _build(self) -> None:
        self._stack.callback(self.api.wipe)  # when nobody on the LAN writes any more
        super()._build()

    def _host(self, name: str, number: int) -> Host:
        host = super()._host(name, number)
        host.run(["ip", "route", "add", self.api.address, "via", self._gateway])
        return host

    def _open(self) -> None:
        self.lan.join(f"{self._gateway}/24")
        namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES]
        self.api.apply(*deployed("namespace.yaml"), *namespaces)
        self.api.apply(*deployed("rbac.yaml"))

    def _place(self, program: str) -> list[str]:
        kubeconfig = self.api.service_account_kubeconfig(NAMESPACE, program)
        return ["--kubeconfig", str(kubeconfig), "--namespace", NAMESPACE, *self._identity(program)]

    @staticmethod
    def _identity(program: str) -> list[str]:
        return ["--leader-elect-identity", "controller-0"] if program == "controller" else []

    def apply(self, file: str, *objects: Object) -> None:
        """Apply objects; the status of a Node is written as the kubelet writes it."""
        del file
        self.api.apply(*objects)
        for node in (each for each in objects if each["kind"] == "Node"):
            path = f"/api/v1/nodes/{node['metadata']['name']}/status"
            self.api.admin.patch(path, {"status": node["status"]})

    def use_resources(self) -> None:
        """Have daemons read custom resources, whose definitions are installed for that."""
        super().use_resources()
        install_our_crds(self.api)

    def configure_by(self, *resources: Object) -> None:
        """Apply these custom resources and delete those of before."""
        applied = {(each["kind"], each["metadata"]["name"]) for each in resources}
        if resources:
            self.api.apply(*resources)
        for kind, name in sorted(self._resources - applied):
            self.api.kubectl("-n", NAMESPACE, "delete", kind, name)
        self._resources = applied

    def _remove(self, app: App) -> None:
        for kind in ("service", "endpointslice"):
            self.api.kubectl("-n", app.namespace, "delete", kind, app.name)

    def address(self, app: App) -> str:
        """Read a Service's EXTERNAL-IP, empty while it is pending or gone."""
        services = self.api.admin.get(f"/api/v1/namespaces/{app.namespace}/services")["items"]
        found = [service for service in services if service["metadata"]["name"] == app.name]
        ingress = found[0]["status"]["loadBalancer"].get("ingress") if found else None
        return str(ingress[0]["ip"]) if ingress else ""

    def events(self, namespace: str, name: str) -> list[dict[str, Any]]:
        """List the events of an object."""
        return events_in(self.api.admin, namespace, name=name)
