"""Services written straight into the etcd of a control plane, which takes seconds for ten thousand.

The API server takes a hundredth of a second and more for each that it makes itself. Whoever watches it cannot tell.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import uuid
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import aiohttp

from metalpy.daemon.status_writer import IN_FLIGHT
from tests.bench.flat_asker import address

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.lab.kube.control_plane import ControlPlane

Object = dict[str, Any]
Change = tuple[str, Object | None]
"""A key in etcd and what is there from now on; None: nothing."""

NODE = "node1"
"""Where the endpoints are."""
SERVICES_NAMESPACE = "bench"

# Where an API server keeps them. It reads JSON there as well as its own format.
_SERVICES = f"/registry/services/specs/{SERVICES_NAMESPACE}"
_ENDPOINTS = f"/registry/services/endpoints/{SERVICES_NAMESPACE}"
_SLICES = f"/registry/endpointslices/{SERVICES_NAMESPACE}"
_IP_ADDRESSES = "/registry/ipaddresses"
_OK = 200
_A_TRANSACTION = 30
"""Services that are made at once; etcd takes 128 operations."""
_EMPTY: Mapping[str, str] = MappingProxyType({})


async def create(api: ControlPlane, numbers: Iterable[int], *, endpoints: bool) -> None:
    """Make the Services of these numbers, many at once."""
    due = iter(numbers)
    pieces = iter(lambda: list(itertools.islice(due, _A_TRANSACTION)), [])
    await write(api, ([change for each in some for change in creation(each, endpoints=endpoints)] for some in pieces))


async def write(api: ControlPlane, groups: Iterable[Sequence[Change]]) -> None:
    """Write to etcd, past the API server, which tells its watchers: each group in one transaction."""
    due = iter(groups)
    url = f"{_url(api)}/v3/kv/txn"
    async with aiohttp.ClientSession() as session:

        async def work() -> None:
            for group in due:
                async with session.post(url, json={"success": [_operation(*each) for each in group]}) as answer:
                    text = await answer.text()
                    if answer.status != _OK:
                        raise RuntimeError(f"etcd: {answer.status}: {text[:200]}")

        async with asyncio.TaskGroup() as tasks:
            for _ in range(IN_FLIGHT):
                tasks.create_task(work())


def _url(api: ControlPlane) -> str:
    """Find where a control plane's etcd listens."""
    words = Path(f"/proc/{api.etcd.pid}/cmdline").read_text(encoding="utf-8").split("\0")
    return next(word.partition("=")[2] for word in words if word.startswith("--listen-client-urls="))


def creation(number: int, *, endpoints: bool = False) -> list[Change]:
    """Give what makes a Service that has its address and an endpoint, as Endpoints too if wanted.

    And its cluster IP as an object, which the API server would else make up for by itself, busy for a minute.
    """
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    ready = {"addresses": ["10.244.0.9"], "conditions": {"ready": True}, "nodeName": NODE}
    labels = {"kubernetes.io/service-name": _name(number)}
    slice_ = {"addressType": "IPv4", "endpoints": [ready], "ports": ports}
    changes: list[Change] = [
        _ip_address(number),
        (f"{_SLICES}/{_name(number)}", _object("discovery.k8s.io/v1", "EndpointSlice", number, labels) | slice_),
        service(number),
    ]
    if endpoints:
        subset = {"addresses": [{"ip": "10.244.0.9", "nodeName": NODE}], "ports": ports}
        changes.insert(0, (f"{_ENDPOINTS}/{_name(number)}", _object("v1", "Endpoints", number) | {"subsets": [subset]}))
    return changes


def service(number: int, **annotations: str) -> Change:
    """Give what makes a Service with its address, or changes one."""
    cluster_ip = _cluster_ip(number)
    spec = {
        "type": "LoadBalancer",
        "allocateLoadBalancerNodePorts": False,
        "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 80}],
        "clusterIP": cluster_ip,
        "clusterIPs": [cluster_ip],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
    }
    status = {"loadBalancer": {"ingress": [{"ip": str(address("arp", number))}]}}
    content = _object("v1", "Service", number, annotations=annotations) | {"spec": spec, "status": status}
    return f"{_SERVICES}/{_name(number)}", content


def deletion(number: int) -> list[Change]:
    """Give what deletes a Service, its endpoints and its cluster IP."""
    places = (f"{_SERVICES}/{_name(number)}", f"{_SLICES}/{_name(number)}", f"{_IP_ADDRESSES}/{_cluster_ip(number)}")
    return [(place, None) for place in places]


def _ip_address(number: int) -> Change:
    ip = _cluster_ip(number)
    labels = {"ipaddress.kubernetes.io/ip-family": "IPv4", "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"}
    parent = {"group": "", "resource": "services", "namespace": SERVICES_NAMESPACE, "name": _name(number)}
    metadata = {"name": ip, "uid": str(uuid.UUID(int=number, version=4)), "labels": labels}
    content = {"apiVersion": "networking.k8s.io/v1", "kind": "IPAddress", "metadata": metadata}
    return f"{_IP_ADDRESSES}/{ip}", content | {"spec": {"parentRef": parent}}


def _cluster_ip(number: int) -> str:
    return f"10.79.{number >> 8}.{number & 0xFF}"


def _name(number: int) -> str:
    return f"app-{number:05}"


def _object(
    version: str, kind: str, number: int, labels: Mapping[str, str] = _EMPTY, annotations: Mapping[str, str] = _EMPTY
) -> Object:
    metadata = {
        "name": _name(number),
        "namespace": SERVICES_NAMESPACE,
        "uid": str(uuid.UUID(int=number, version=4)),
        "creationTimestamp": "2024-01-01T00:00:00Z",
        "labels": {**labels},
        "annotations": {**annotations},
    }
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _operation(key: str, content: Object | None) -> Object:
    encoded = base64.b64encode(key.encode()).decode()
    if content is None:
        return {"requestDeleteRange": {"key": encoded}}
    value = base64.b64encode(json.dumps(content).encode()).decode()
    return {"requestPut": {"key": encoded, "value": value}}
