"""Kubernetes objects, as JSON or YAML gives them, to model values.

Only the fields that metalpy reads are looked at; everything else (managedFields, fields of newer versions) is
passed over. A field that is read and has another type than Kubernetes gives it raises `ManifestError` with
the object and the path of the field. All functions are pure.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Literal, cast

from metalpy.cluster.fields import Fields
from metalpy.cluster.interface import ConfigChanged
from metalpy.model import (
    ADDRESSES_ANNOTATION,
    NEWER_ADDRESSES_ANNOTATION,
    NEWER_POOL_ANNOTATION,
    NEWER_SHARING_ANNOTATION,
    NO_NEWER_WISHES,
    POOL_ANNOTATION,
    PREFERRED_NODE_ANNOTATION,
    SHARING_ANNOTATION,
    SUBNETS_ANNOTATION,
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

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
HOSTNAME_LABEL = "kubernetes.io/hostname"
DEFAULT_NAMESPACE = "default"

SERVICE_TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")
FAMILY_POLICIES = ("SingleStack", "PreferDualStack", "RequireDualStack")
TRAFFIC_POLICIES = ("Cluster", "Local")
PROTOCOLS = ("TCP", "UDP", "SCTP")
HIGHEST_PORT = 65535

_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)

_USUAL = {"ipMode": "VIP"}
"""What the API server adds to each address; to write that anew each time would be a tenth of reading a Service."""
_USUAL_TEXT = _JSON.encode(_USUAL)

LONGEST_LABEL = 63
LONGEST_NAME = 253
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def is_label(text: str) -> bool:
    """Tell whether this is a DNS-1123 label, as namespaces and Services are named by."""
    return len(text) <= LONGEST_LABEL and _LABEL.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Tell whether this is a DNS-1123 subdomain, as most objects are named by."""
    return len(text) <= LONGEST_NAME and _NAME.fullmatch(text) is not None


def key_from(kind: str, obj: object) -> ObjectKey:
    """Read namespace and name; without a namespace it is `default`, a Node's or Namespace's is always empty.

    Both are checked against the syntax of Kubernetes names, hence are safe parts of a file path.
    """
    metadata = Fields(kind, obj).inner("metadata")
    name = metadata.text("name")
    if kind == "Service" and not is_label(name):
        raise metadata.wrong("name", f"must be a name of at most {LONGEST_LABEL} of a-z, 0-9 and -")
    if not is_name(name):
        raise metadata.wrong("name", f"must be a name of at most {LONGEST_NAME} of a-z, 0-9, - and .")
    if kind in {"Node", "Namespace"}:
        return ObjectKey("", name)
    namespace = metadata.text("namespace") or DEFAULT_NAMESPACE
    if not is_label(namespace):
        raise metadata.wrong("namespace", f"must be a name of at most {LONGEST_LABEL} of a-z, 0-9 and -")
    return ObjectKey(namespace, name)


def service_from(obj: object) -> Service:
    """Read a core/v1 Service. One without ports is legal here."""
    key = key_from("Service", obj)
    fields = Fields(f"Service {key}", obj)
    metadata, spec = fields.inner("metadata"), fields.inner("spec")
    annotations = metadata.inner("annotations")
    policy = spec.choice("ipFamilyPolicy", FAMILY_POLICIES, "SingleStack")
    traffic = spec.choice("externalTrafficPolicy", TRAFFIC_POLICIES, "Cluster")
    return Service(
        key=key,
        labels=_labels(metadata, "labels"),
        uid=metadata.text("uid"),
        resource_version=metadata.text("resourceVersion"),
        created=metadata.text("creationTimestamp"),
        type=spec.choice("type", SERVICE_TYPES, "ClusterIP"),
        load_balancer_class=spec.text("loadBalancerClass") if spec.has("loadBalancerClass") else None,
        cluster_ips=_cluster_ips(spec),
        ip_family_policy=cast('Literal["SingleStack", "PreferDualStack", "RequireDualStack"]', policy),
        ports=tuple(_port(port) for port in spec.inners("ports")),
        selector=_labels(spec, "selector"),
        external_traffic_policy=cast('Literal["Cluster", "Local"]', traffic),
        load_balancer_ip=spec.text("loadBalancerIP"),
        wanted_pool=annotations.text(POOL_ANNOTATION),
        wanted_ips=annotations.text(ADDRESSES_ANNOTATION),
        sharing_key=annotations.text(SHARING_ANNOTATION),
        newer=_newer_wishes(annotations),
        preferred_node=annotations.text(PREFERRED_NODE_ANNOTATION),
        ingress=_ingress(fields.inner("status")),
    )


def status_from(where: str, obj: object) -> tuple[Ingress, ...]:
    """Read `loadBalancer.ingress` of a Service's status; `where` names the object in errors."""
    return _ingress(Fields(where, obj))


def status_to(ingress: tuple[Ingress, ...]) -> dict[str, Any]:
    """Write a Service's status; the other way of `status_from`."""
    return {"loadBalancer": {"ingress": [ingress_to(entry) for entry in ingress]} if ingress else {}}


def status_managers(obj: object) -> tuple[str, ...]:
    """Name the field managers that `metadata.managedFields` holds for what `status.loadBalancer.ingress` is now."""
    entries = Fields("Service", obj).inner("metadata").inners("managedFields")
    return tuple(
        entry.text("manager")
        for entry in entries
        if entry.inner("fieldsV1").inner("f:status").inner("f:loadBalancer").has("f:ingress")
    )


def ingress_from(obj: object) -> Ingress:
    """Read one entry of `status.loadBalancer.ingress`."""
    return _ingress_entry(Fields("ingress", obj))


def ingress_to(ingress: Ingress) -> dict[str, Any]:
    """Write one entry of `status.loadBalancer.ingress`, fields that metalpy does not read included."""
    texts = {"ip": ingress.ip, "hostname": ingress.hostname}
    kept = json.loads(ingress.extra) if ingress.extra else {}
    return {name: text for name, text in texts.items() if text} | kept


def node_from(obj: object) -> Node:
    """Read a core/v1 Node. Without a Ready condition it is ready."""
    key = key_from("Node", obj)
    fields = Fields(f"Node {key.name}", obj)
    metadata, conditions = fields.inner("metadata"), _conditions(fields)
    return Node(
        name=key.name,
        labels=_labels(metadata, "labels"),
        ready=conditions.get("Ready", "True") == "True",
        network_unavailable=conditions.get("NetworkUnavailable") == "True",
        subnets=metadata.inner("annotations").text(SUBNETS_ANNOTATION),
    )


def speaker_pod_from(obj: object) -> SpeakerPod:
    """Read a core/v1 Pod in which a speaker runs. Without a Ready condition it is not ready: just made."""
    fields = Fields(f"Pod {key_from('Pod', obj)}", obj)
    is_ready = _conditions(fields).get("Ready") == "True"
    leaves = fields.inner("metadata").has("deletionTimestamp")
    return SpeakerPod(node=fields.inner("spec").text("nodeName"), ready=is_ready and not leaves)


def endpoints_from_slice(obj: object) -> tuple[ObjectKey | None, tuple[Endpoint, ...]]:
    """Read a discovery.k8s.io EndpointSlice, v1 or v1beta1: its Service, and the endpoints in it.

    The Service is None where no label names one: somebody else's slice.
    """
    key = key_from("EndpointSlice", obj)
    fields = Fields(f"EndpointSlice {key}", obj)
    service = fields.inner("metadata").inner("labels").text(SERVICE_NAME_LABEL)
    endpoints = tuple(endpoint for entry in fields.inners("endpoints") for endpoint in _slice_endpoints(entry))
    return ObjectKey(key.namespace, service) if service else None, endpoints


def endpoints_from_endpoints(obj: object) -> tuple[ObjectKey, tuple[Endpoint, ...]]:
    """Read a core/v1 Endpoints object, which has its Service's name; not ready addresses are kept as such."""
    key = key_from("Endpoints", obj)
    fields = Fields(f"Endpoints {key}", obj)
    found = (
        Endpoint(address=entry.text("ip"), ready=ready, node=entry.text("nodeName"))
        for subset in fields.inners("subsets")
        for name, ready in (("addresses", True), ("notReadyAddresses", False))
        for entry in subset.inners(name)
    )
    return key, tuple(found)


def config_from(obj: object) -> ConfigChanged:
    """Read a core/v1 ConfigMap; `binaryData` is not looked at."""
    key = key_from("ConfigMap", obj)
    fields = Fields(f"ConfigMap {key}", obj)
    return ConfigChanged(key, fields.text_pairs("data"), fields.inner("metadata").text("uid"))


def _newer_wishes(annotations: Fields) -> NewerWishes:
    names = (NEWER_POOL_ANNOTATION, NEWER_ADDRESSES_ANNOTATION, NEWER_SHARING_ANNOTATION)
    if not any(map(annotations.has, names)):
        return NO_NEWER_WISHES
    return NewerWishes(*map(annotations.text, names))


def _cluster_ips(spec: Fields) -> tuple[str, ...]:
    single = spec.text("clusterIP")
    return spec.texts("clusterIPs") or ((single,) if single else ())


def _port(fields: Fields) -> ServicePort:
    return ServicePort(fields.choice("protocol", PROTOCOLS, "TCP"), fields.number("port", 1, HIGHEST_PORT))


def _conditions(fields: Fields) -> dict[str, str]:
    return {entry.text("type"): entry.text("status") for entry in fields.inner("status").inners("conditions")}


def _labels(fields: Fields, name: str) -> Labels:
    return tuple(sorted(fields.text_pairs(name).items()))


def _ingress(status: Fields) -> tuple[Ingress, ...]:
    return tuple(_ingress_entry(entry) for entry in status.inner("loadBalancer").inners("ingress"))


def _ingress_entry(fields: Fields) -> Ingress:
    rest = fields.rest("ip", "hostname")
    try:
        extra = _extra(rest)
    except ValueError as error:
        raise fields.wrong("", "holds a number that JSON does not know") from error
    return Ingress(ip=fields.text("ip"), hostname=fields.text("hostname"), extra=extra)


def _extra(rest: dict[str, Any]) -> str:
    """Write the fields that metalpy does not read. Raises `ValueError` for a number that JSON does not know."""
    if rest == _USUAL:
        return _USUAL_TEXT
    return _JSON.encode(rest) if rest else ""


def _slice_endpoints(fields: Fields) -> Iterator[Endpoint]:
    ready = fields.inner("conditions").truth("ready", default=True)
    serving = fields.inner("conditions").truth("serving", default=False)
    node = fields.text("nodeName") or fields.inner("topology").text(HOSTNAME_LABEL)
    for address in fields.texts("addresses"):
        yield Endpoint(address=address, ready=ready, node=node, serving=serving)
