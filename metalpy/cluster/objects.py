"""Kubernetes objects, as JSON or YAML gives them, to model values.

An object is what JSON or YAML became, or JSON that nobody looked at yet (`msgspec.Raw`). What is read of it stands in
`shapes`; a field of those that has another type than Kubernetes gives it raises `ManifestError` with the object and the
path of the field. All functions are pure.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from metalpy.cluster import shapes
from metalpy.cluster.interface import ConfigChanged
from metalpy.cluster.reading import A_TEXT, key_of, read, read_part, wrong
from metalpy.model import (
    NO_NEWER_WISHES,
    Endpoint,
    Ingress,
    NewerWishes,
    Node,
    ObjectKey,
    Service,
    ServicePort,
    SpeakerPod,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metalpy.model import Labels

_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)

_USUAL = {"ipMode": "VIP"}
"""What the API server adds to each address; to write that anew each time would be a tenth of reading a Service."""
_USUAL_TEXT = _JSON.encode(_USUAL)

_port = functools.lru_cache(1024)(ServicePort)
"""Most Services have one of a few ports."""

_NO_ANNOTATIONS = shapes.ServiceAnnotations()
_NO_SPEC = shapes.ServiceSpec()
_NO_CONDITIONS = shapes.EndpointConditions()


def service_from(obj: object) -> Service:
    """Read a core/v1 Service. One without ports is legal here."""
    found = read("Service", obj, shapes.ServiceObject)
    metadata, spec = found.metadata or shapes.ServiceMetadata(), found.spec or _NO_SPEC
    annotations = metadata.annotations or _NO_ANNOTATIONS
    key = key_of("Service", metadata)
    return Service(
        key=key,
        labels=_labels(metadata.labels),
        uid=metadata.uid or "",
        resource_version=metadata.resource_version or "",
        created=metadata.creation_timestamp or "",
        type=spec.type or "ClusterIP",
        load_balancer_class=spec.load_balancer_class,
        cluster_ips=spec.cluster_ips or ((spec.cluster_ip,) if spec.cluster_ip else ()),
        ip_family_policy=spec.ip_family_policy or "SingleStack",
        ports=tuple([_port(each.protocol or "TCP", each.port) for each in spec.ports or ()]),
        selector=_labels(spec.selector),
        external_traffic_policy=spec.external_traffic_policy or "Cluster",
        load_balancer_ip=spec.load_balancer_ip or "",
        wanted_pool=annotations.pool or "",
        wanted_ips=annotations.addresses or "",
        sharing_key=annotations.sharing or "",
        newer=_newer_wishes(annotations),
        preferred_node=annotations.preferred_node or "",
        ingress=_ingress(f"Service {key}", "status.", found.status),
    )


def status_from(where: str, obj: object) -> tuple[Ingress, ...]:
    """Read `loadBalancer.ingress` of a Service's status; `where` names the object in errors."""
    return _ingress(where, "", read_part(where, obj, shapes.ServiceStatus))


def status_to(ingress: tuple[Ingress, ...]) -> dict[str, Any]:
    """Write a Service's status; the other way of `status_from`."""
    return {"loadBalancer": {"ingress": [ingress_to(entry) for entry in ingress]} if ingress else {}}


def status_managers(obj: object) -> tuple[str, ...]:
    """Name the field managers that `metadata.managedFields` holds for what `status.loadBalancer.ingress` is now."""
    metadata = read_part("Service", obj, shapes.OwnedObject).metadata
    return tuple(
        entry.manager or ""
        for entry in (metadata and metadata.managed_fields) or ()
        if _owns(entry.fields, "f:status", "f:loadBalancer", "f:ingress")
    )


def _owns(fields: object, *path: str) -> bool:
    for name in path:
        fields = fields.get(name) if isinstance(fields, dict) else None
    return fields is not None


def ingress_from(obj: object) -> Ingress:
    """Read one entry of `status.loadBalancer.ingress`."""
    return _ingress_entry("ingress", "", read_part("ingress", obj, dict[str, Any]))


def ingress_to(ingress: Ingress) -> dict[str, Any]:
    """Write one entry of `status.loadBalancer.ingress`, fields that metalpy does not read included."""
    texts = {"ip": ingress.ip, "hostname": ingress.hostname}
    kept = json.loads(ingress.extra) if ingress.extra else {}
    return {name: text for name, text in texts.items() if text} | kept


def node_from(obj: object) -> Node:
    """Read a core/v1 Node. Without a Ready condition it is ready."""
    found = read("Node", obj, shapes.NodeObject)
    metadata, conditions = found.metadata or shapes.NodeMetadata(), _conditions(found.status)
    return Node(
        name=key_of("Node", metadata).name,
        labels=_labels(metadata.labels),
        ready=conditions.get("Ready", "True") == "True",
        network_unavailable=conditions.get("NetworkUnavailable") == "True",
        subnets=(metadata.annotations and metadata.annotations.subnets) or "",
    )


def speaker_pod_from(obj: object) -> SpeakerPod:
    """Read a core/v1 Pod in which a speaker runs. Without a Ready condition it is not ready: just made."""
    found = read("Pod", obj, shapes.PodObject)
    key_of("Pod", found.metadata)
    is_ready = _conditions(found.status).get("Ready") == "True"
    leaves = found.metadata is not None and found.metadata.deletion_timestamp is not None
    return SpeakerPod(node=(found.spec and found.spec.node_name) or "", ready=is_ready and not leaves)


def endpoints_from_slice(obj: object) -> tuple[ObjectKey | None, tuple[Endpoint, ...]]:
    """Read a discovery.k8s.io EndpointSlice, v1 or v1beta1: its Service, and the endpoints in it.

    The Service is None where no label names one: somebody else's slice.
    """
    found = read("EndpointSlice", obj, shapes.SliceObject)
    key = key_of("EndpointSlice", found.metadata)
    service = found.metadata and found.metadata.labels and found.metadata.labels.service
    endpoints = tuple(endpoint for entry in found.endpoints or () for endpoint in _slice_endpoints(entry))
    return ObjectKey(key.namespace, service) if service else None, endpoints


def endpoints_from_endpoints(obj: object) -> tuple[ObjectKey, tuple[Endpoint, ...]]:
    """Read a core/v1 Endpoints object, which has its Service's name; not ready addresses are kept as such."""
    found = read("Endpoints", obj, shapes.EndpointsObject)
    endpoints = (
        Endpoint(address=entry.ip or "", ready=ready, node=entry.node_name or "")
        for subset in found.subsets or ()
        for entries, ready in ((subset.addresses, True), (subset.not_ready_addresses, False))
        for entry in entries or ()
    )
    return key_of("Endpoints", found.metadata), tuple(endpoints)


def config_from(obj: object) -> ConfigChanged:
    """Read a core/v1 ConfigMap; `binaryData` is not looked at."""
    found = read("ConfigMap", obj, shapes.ConfigMapObject)
    data = {name: text or "" for name, text in (found.data or {}).items()}
    return ConfigChanged(key_of("ConfigMap", found.metadata), data, (found.metadata and found.metadata.uid) or "")


def _newer_wishes(annotations: shapes.ServiceAnnotations) -> NewerWishes:
    texts = (annotations.newer_pool, annotations.newer_addresses, annotations.newer_sharing)
    if texts == (None, None, None):
        return NO_NEWER_WISHES
    return NewerWishes(*(text or "" for text in texts))


def _conditions(status: shapes.Conditions | None) -> dict[str, str]:
    return {entry.type or "": entry.status or "" for entry in (status and status.conditions) or ()}


def _labels(pairs: shapes.Pairs | None) -> Labels:
    return tuple(sorted([(name, text or "") for name, text in pairs.items()])) if pairs else ()


def _ingress(where: str, path: str, status: shapes.ServiceStatus | None) -> tuple[Ingress, ...]:
    """Read a status, to whose fields `path` leads."""
    entries = status and status.load_balancer and status.load_balancer.ingress
    place = f"{path}loadBalancer.ingress"
    return tuple(_ingress_entry(where, f"{place}[{index}]", entry) for index, entry in enumerate(entries or ()))


def _ingress_entry(where: str, path: str, entry: dict[str, Any]) -> Ingress:
    rest = dict(entry)
    ip, hostname = rest.pop("ip", None), rest.pop("hostname", None)
    for name, value in (("ip", ip), ("hostname", hostname)):
        if not isinstance(value, str | None):
            raise wrong(where, f"{path}.{name}".removeprefix("."), value, A_TEXT)
    try:
        extra = _extra(rest)
    except ValueError as error:
        raise wrong(where, path, None, "holds a number that JSON does not know") from error
    return Ingress(ip=ip or "", hostname=hostname or "", extra=extra)


def _extra(rest: dict[str, Any]) -> str:
    """Write the fields that metalpy does not read. Raises `ValueError` for a number that JSON does not know."""
    if rest == _USUAL:
        return _USUAL_TEXT
    return _JSON.encode(rest) if rest else ""


def _slice_endpoints(entry: shapes.SliceEndpoint) -> Iterator[Endpoint]:
    conditions = entry.conditions or _NO_CONDITIONS
    ready = conditions.ready is not False
    serving = conditions.serving is True
    node = entry.node_name or (entry.topology and entry.topology.hostname) or ""
    for address in entry.addresses or ():
        yield Endpoint(address=address, ready=ready, node=node, serving=serving)
