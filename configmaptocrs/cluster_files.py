"""Nodes and Services out of objects, such as files hold that `kubectl get -o yaml` wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from configmaptocrs.failure import ConversionError
from configmaptocrs.source import read_text
from metalpy.cluster.manifest_text import documents_of
from metalpy.cluster.objects import node_from, service_from
from metalpy.cluster.reading import read
from metalpy.cluster.shapes import NamedObject, Shape
from metalpy.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metalpy.model import Node, Service

_IPS = frozenset({"InternalIP", "ExternalIP"})


@dataclass(frozen=True, slots=True)
class KnownNode:
    """A node, and what else some versions of MetalLB look at: `addresses` are its own, as texts."""

    node: Node
    cordoned: bool = False
    addresses: tuple[str, ...] = ()
    kubelet: str = ""
    """The version of its kubelet, such as v1.20.4; empty where it is not told."""


def nodes_in(path: str) -> list[KnownNode]:
    """Read the nodes in a file. Raises `ConversionError`, also for none: nothing would be compared then."""
    nodes = nodes_of(_objects(path, "Node"), path)
    if not nodes:
        raise ConversionError(f"{path}: holds no Node: write it by kubectl get nodes -o yaml, or leave -nodes out")
    return nodes


def services_in(path: str) -> list[Service]:
    """Read the Services of type LoadBalancer in a file. Raises `ConversionError`."""
    return known_services(_objects(path, "Service"), path)


def nodes_of(objects: Iterable[object], where: str) -> list[KnownNode]:
    """Read nodes; `where` they come from stands in errors. Raises `ConversionError`."""
    try:
        return [_known_node(one) for one in objects]
    except ManifestError as error:
        raise ConversionError(f"{where}: {error}") from None


def known_services(objects: Iterable[dict[str, Any]], where: str) -> list[Service]:
    """Read those Services that are of type LoadBalancer; raises likewise."""
    try:
        return [service for one in objects if (service := service_from(one)).type == "LoadBalancer"]
    except ManifestError as error:
        raise ConversionError(f"{where}: {error}") from None


class _Address(Shape):
    type: str | None = None
    address: str | None = None


class _NodeInfo(Shape):
    kubelet_version: str | None = None


class _NodeStatus(Shape):
    addresses: tuple[_Address, ...] | None = None
    node_info: _NodeInfo | None = None


class _NodeSpec(Shape):
    unschedulable: bool | None = None


class _NodeObject(NamedObject):
    spec: _NodeSpec | None = None
    status: _NodeStatus | None = None


def _known_node(one: object) -> KnownNode:
    found = read("Node", one, _NodeObject)
    spec, status = found.spec or _NodeSpec(), found.status or _NodeStatus()
    return KnownNode(
        node_from(one),
        cordoned=spec.unschedulable is True,
        addresses=tuple(entry.address or "" for entry in status.addresses or () if entry.type in _IPS),
        kubelet=(status.node_info and status.node_info.kubelet_version) or "",
    )


def _objects(path: str, kind: str) -> Iterator[dict[str, Any]]:
    for document in documents_of(read_text(path)):
        if not isinstance(document, dict):
            continue
        items = document.get("items") if str(document.get("kind", "")).endswith("List") else None
        for one in items if isinstance(items, list) else [document]:
            if isinstance(one, dict) and one.get("kind", kind) == kind:
                yield one
