"""Services with addresses in their status, without a controller: what speakers need of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.unit.announcement.bgp_cases import Balancer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.kube.client import Client

Object = dict[str, Any]

_SERVICES = "/api/v1/namespaces/default/services"
_ENDPOINTS = "/api/v1/namespaces/default/endpoints"
_SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


class Balancers:
    """Services `s0`, `s1` and so on in `default`, and one at a time that marks the end of an edit.

    Each has an Endpoints object and an EndpointSlice that say the same: MetalLB 0.11 can read today's slices no more.
    """

    def __init__(self, admin: Client) -> None:
        self._admin = admin
        self._there: dict[str, Balancer] = {}

    @property
    def keys(self) -> set[str]:
        """Name those that are there."""
        return {f"default/{name}" for name in self._there}

    def set(self, balancers: Sequence[Balancer]) -> None:
        """Let there be these; what is there already and differs is edited."""
        wanted = {f"s{number}": balancer for number, balancer in enumerate(balancers)}
        self._remove(*(name for name in self._there.keys() - wanted.keys() if not name.startswith("mark-")))
        for name, balancer in wanted.items():
            if self._there.get(name) != balancer:
                self._write(name, balancer)

    def mark(self, number: int, address: str) -> None:
        """Make a Service of a name that was never there, then remove the last one made so."""
        last = [name for name in self._there if name.startswith("mark-")]
        self._write(f"mark-{number}", Balancer((address,)))
        self._remove(*last)

    def _write(self, name: str, balancer: Balancer) -> None:
        new = name not in self._there
        subsets, endpoints = _subsets(balancer), _endpoints(balancer)
        ingress = [{"ip": ip} for ip in balancer.ips]
        if new:
            labelled = {"name": name, "labels": {"kubernetes.io/service-name": name}}
            ports = [{"name": "", "port": 80, "protocol": "TCP"}]
            listed = {"metadata": labelled, "addressType": "IPv4", "ports": ports, "endpoints": endpoints}
            spec = {"type": "LoadBalancer", "ports": [{"port": 80}], "externalTrafficPolicy": balancer.policy}
            self._admin.create(_SLICES, listed)
            self._admin.create(_ENDPOINTS, {"metadata": {"name": name}, "subsets": subsets})
            self._admin.create(_SERVICES, {"metadata": {"name": name}, "spec": spec})
        else:
            self._admin.patch(f"{_SLICES}/{name}", {"endpoints": endpoints})
            self._admin.patch(f"{_ENDPOINTS}/{name}", {"subsets": subsets})
            self._admin.patch(f"{_SERVICES}/{name}", {"spec": {"externalTrafficPolicy": balancer.policy}})
        self._admin.patch(f"{_SERVICES}/{name}/status", {"status": {"loadBalancer": {"ingress": ingress}}})
        self._there[name] = balancer

    def _remove(self, *names: str) -> None:
        for name in names:
            self._admin.delete(f"{_SERVICES}/{name}")  # and its Endpoints with it
            self._admin.delete(f"{_SLICES}/{name}")
            del self._there[name]


def _subsets(balancer: Balancer) -> list[Object]:
    lists: dict[str, list[Object]] = {}
    for address, node, ready in balancer.endpoints:
        lists.setdefault("addresses" if ready else "notReadyAddresses", []).append({"ip": address, "nodeName": node})
    return [{**lists, "ports": [{"port": 80}]}] if lists else []


def _endpoints(balancer: Balancer) -> list[Object]:
    return [
        {"addresses": [address], "nodeName": node, "conditions": {"ready": ready}}
        for address, node, ready in balancer.endpoints
    ]
