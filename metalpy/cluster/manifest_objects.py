"""The text of one manifest file to the objects in it, with the defaults that an API server would fill in."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metalpy.cluster.interface import ConfigChanged
from metalpy.cluster.manifest_text import Located, documents_of
from metalpy.cluster.objects import (
    config_from,
    endpoints_from_endpoints,
    endpoints_from_slice,
    node_from,
    service_from,
)
from metalpy.cluster.reading import key_from, read, wrong
from metalpy.cluster.resources import resource_from
from metalpy.cluster.shapes import ServiceObject, ServiceSpec
from metalpy.config.configmap import possible_names
from metalpy.config.resource_objects import BASIC_AUTH, GROUP, VERSIONS
from metalpy.config.source import ConfigSource
from metalpy.errors import ManifestError
from metalpy.model import Endpoint, Family, Node, ObjectKey, Service

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACEHOLDER_IPS = {Family.IPV4: "0.0.0.0", Family.IPV6: "::"}
"""Cluster IPs of a Service that no API server has seen: nothing but their families is ever read."""

_NAME_LABEL = "kubernetes.io/metadata.name"

API_VERSIONS = {
    "ConfigMap": ("v1",),
    "Endpoints": ("v1",),
    "EndpointSlice": ("discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"),
    "Node": ("v1",),
    "Service": ("v1",),
}


class Level(enum.StrEnum):
    """How loud a notice is, by structlog's method names."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be said once about a file; equal ones are not repeated while the file goes on saying so."""

    level: Level
    text: str
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class EndpointSet:
    """The endpoints of one object; `service` is None for a slice that belongs to none."""

    service: ObjectKey | None
    endpoints: tuple[Endpoint, ...]


Identity = tuple[str, ObjectKey]
"""Kind and key."""

Value = Service | Node | EndpointSet | ConfigChanged | dict[str, Any]
"""What was read; the JSON of an object whose fields are not for this room to read."""


@dataclass(frozen=True, slots=True)
class ManifestObject:
    """One object, and where it stands: `FILE:LINE`, or `FILE` and its number."""

    identity: Identity
    value: Value
    place: str


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a file says. `refused` objects are there but cannot be read."""

    objects: tuple[ManifestObject, ...] = ()
    refused: frozenset[Identity] = frozenset()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfigScope:
    """Which ConfigMap counts: in this namespace, of this name; None for the usual name and its fallback.

    `source` says whether the custom resources in that namespace do.
    """

    namespace: str
    name: str | None = None
    source: ConfigSource = ConfigSource.CONFIGMAP

    @property
    def keys(self) -> tuple[ObjectKey, ...]:
        """The keys that are looked for, the preferred one first."""
        return tuple(ObjectKey(self.namespace, name) for name in possible_names(self.name))


def content_of(text: str, file: str, scope: ConfigScope) -> FileContent:
    """Read all objects of a file; `file` is how it is named to the operator.

    An object that cannot be read is noted and does not hinder the others. A text that is no YAML (or JSON,
    where the name ends so) raises `ManifestError`: `FILE:LINE:COLUMN: what`.
    """
    reading = _Reading(file, scope)
    try:
        for number, document in enumerate(documents_of(text, is_json=file.endswith(".json")), 1):
            if document is not None:
                reading.take(document, _place(file, document, f" document {number}" if number > 1 else ""))
    except ManifestError as error:
        raise ManifestError(f"{file}:{error}") from error
    except RecursionError as error:
        raise ManifestError(f"{file}:1:1: nested too deep") from error
    return FileContent(tuple(reading.objects), frozenset(reading.refused), tuple(reading.notices))


class _Reading:
    """Collects what one file says."""

    def __init__(self, file: str, scope: ConfigScope) -> None:
        self._file = file
        self._scope = scope
        self._ignored: set[str] = set()
        self.objects: list[ManifestObject] = []
        self.refused: set[Identity] = set()
        self.notices: list[Notice] = []

    def take(self, document: object, place: str) -> None:
        for obj, where in _flat(document, place, self._file):
            kind, version = obj.get("kind"), obj.get("apiVersion")
            if not (isinstance(kind, str) and kind and isinstance(version, str) and version):
                self._note(Level.WARNING, "no Kubernetes object: kind or apiVersion is missing", where)
            elif version in API_VERSIONS.get(kind, ()) or self._is_resource(kind, version, obj):
                self._take_object(kind, obj, where)
            else:
                self._ignore(kind, version, where)

    def _is_resource(self, kind: str, version: str, obj: dict[str, Any]) -> bool:
        """Tell whether this is a custom resource of the configuration, or something that one may speak of."""
        if not self._scope.source.reads_resources:
            return False
        if kind == "Namespace":
            return version == "v1"
        if kind == "Secret":
            return version == "v1" and obj.get("type") == BASIC_AUTH
        return kind in VERSIONS and version.startswith(f"{GROUP}/")

    def _take_object(self, kind: str, obj: dict[str, Any], place: str) -> None:
        identity: Identity | None = None
        try:
            identity = kind, key_from(kind, obj)
            if kind == "ConfigMap" and identity[1] not in self._scope.keys:
                return
            value = _value(kind, obj)
        except ManifestError as error:
            self._refuse(Level.ERROR, identity, str(error), place)
            return
        if isinstance(value, Service) and _lacks_ports(value):
            text = f"Service {value.key} has no ports: an API server would refuse it"
            self._refuse(Level.WARNING, identity, text, place)
            return
        self.objects.append(ManifestObject(identity, value, place))

    def _refuse(self, level: Level, identity: Identity | None, text: str, place: str) -> None:
        if identity is not None:
            self.refused.add(identity)
        self._note(level, text, place)

    def _ignore(self, kind: str, version: str, place: str) -> None:
        if f"{version}/{kind}" not in self._ignored:
            self._ignored.add(f"{version}/{kind}")
            self._note(Level.INFO, f"{kind} ({version}) is not read here: ignored", place)

    def _note(self, level: Level, text: str, place: str) -> None:
        self.notices.append(Notice(level, text, place))


def _flat(document: object, place: str, file: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Give the objects of a document: itself, or the items of a List, in lists of lists too."""
    pending: list[tuple[object, str]] = [(document, place)]
    while pending:
        obj, where = pending.pop()
        if not isinstance(obj, dict):
            yield {}, where
            continue
        kind, items = obj.get("kind"), obj.get("items")
        if not (isinstance(kind, str) and kind.endswith("List") and "items" in obj):
            yield obj, where
            continue
        if items is not None and not isinstance(items, list):
            yield {}, where
            continue
        numbered = [
            (_typed(item, obj, kind), _place(file, item, f"{where.removeprefix(file)} item {number}"))
            for number, item in enumerate(items or (), 1)
        ]
        pending += reversed(numbered)


def _typed(item: object, parent: dict[str, Any], kind: str) -> object:
    """Give an item of a ServiceList and the like the kind that such lists leave out."""
    if kind == "List" or not isinstance(item, dict) or "kind" in item:
        return item
    typed = Located(item) if isinstance(item, Located) else dict(item)
    if isinstance(typed, Located) and isinstance(item, Located):
        typed.line = item.line
    typed["kind"] = kind.removesuffix("List")
    typed.setdefault("apiVersion", parent.get("apiVersion"))
    return typed


def _place(file: str, value: object, number: str) -> str:
    return f"{file}:{value.line}" if isinstance(value, Located) else f"{file}{number}"


def _value(kind: str, obj: dict[str, Any]) -> Value:
    match kind:
        case "Service":
            return service_from(as_stored(obj))
        case "Node":
            return node_from(obj)
        case "ConfigMap":
            return config_from(obj)
        case "EndpointSlice":
            return EndpointSet(*endpoints_from_slice(obj))
        case "Endpoints":
            return EndpointSet(*endpoints_from_endpoints(obj))
        case "Namespace":
            return resource_from(_labelled(obj), kind, obj["apiVersion"])
        case _:
            key = key_from(kind, obj)
            placed = {**obj, "metadata": {**obj["metadata"], "namespace": key.namespace}}
            return resource_from(placed, kind, obj["apiVersion"])


def _labelled(namespace: dict[str, Any]) -> dict[str, Any]:
    """Give a Namespace the label with its name that an API server would have stored with it."""
    metadata = namespace["metadata"]
    return {
        **namespace,
        "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), _NAME_LABEL: metadata["name"]}},
    }


def as_stored(obj: dict[str, Any]) -> dict[str, Any]:
    """Give a Service the cluster IPs and the family policy that an API server would have stored with it.

    A cluster IP that is there, `None` included, stays. Else there is one placeholder for each of
    `ipFamilies`, for IPv4 where that is absent, and for both families under a dual-stack policy. A Service of
    type ExternalName gets none. Raises `ManifestError` where `ipFamilies` are not IPv4 and IPv6.
    """
    spec = read("Service", obj, ServiceObject).spec or ServiceSpec()
    if spec.cluster_ip or spec.cluster_ips or spec.type == "ExternalName":
        return obj
    families = spec.ip_families or (Family.IPV4,)
    if not set(families) <= set(Family) or len(set(families)) < len(families):
        where = f"Service {key_from('Service', obj)}"
        raise wrong(where, "spec.ipFamilies", spec.ip_families, "must be of IPv4 and IPv6, each once")
    policy = spec.ip_family_policy or ("RequireDualStack" if len(families) > 1 else "SingleStack")
    if policy != "SingleStack":
        families += tuple(family for family in Family if family not in families)
    stored = {"clusterIPs": [PLACEHOLDER_IPS[Family(family)] for family in families], "ipFamilyPolicy": policy}
    return {**obj, "spec": {**(obj.get("spec") or {}), **stored}}


def _lacks_ports(service: Service) -> bool:
    """Tell whether an API server would refuse the Service for it: headless and external ones need no ports."""
    return not service.ports and service.type != "ExternalName" and service.cluster_ips != ("None",)
