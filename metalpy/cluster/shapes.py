"""What metalpy reads of Kubernetes objects: other fields (managedFields, fields of newer versions) are passed over.

A field that is absent and a field that is null are the same, as they are to Kubernetes: None. Of a choice of words the
empty one is the same, too.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec

from metalpy.model import (
    ADDRESSES_ANNOTATION,
    NEWER_ADDRESSES_ANNOTATION,
    NEWER_POOL_ANNOTATION,
    NEWER_SHARING_ANNOTATION,
    POOL_ANNOTATION,
    PREFERRED_NODE_ANNOTATION,
    SHARING_ANNOTATION,
    SUBNETS_ANNOTATION,
)

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
HOSTNAME_LABEL = "kubernetes.io/hostname"
HIGHEST_PORT = 65535

Pairs = dict[str, str | None]
"""Labels, selectors, a ConfigMap's data."""

ServiceType = Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]
FamilyPolicy = Literal["SingleStack", "PreferDualStack", "RequireDualStack"]
TrafficPolicy = Literal["Cluster", "Local"]
PortProtocol = Literal["TCP", "UDP", "SCTP"]

CHOICES: dict[str, tuple[str, ...]] = {
    "type": get_args(ServiceType),
    "ipFamilyPolicy": get_args(FamilyPolicy),
    "externalTrafficPolicy": get_args(TrafficPolicy),
    "protocol": get_args(PortProtocol),
}
"""The words that may stand in a field."""


class Shape(msgspec.Struct, gc=False, rename="camel"):
    """A mapping of which some fields are read."""


class Name(Shape):
    """What every object is called."""

    name: str | None = None
    namespace: str | None = None


class NamedObject(Shape):
    """Any object."""

    metadata: Name | None = None


class ServiceAnnotations(Shape):
    """Of a Service."""

    pool: str | None = msgspec.field(default=None, name=POOL_ANNOTATION)
    addresses: str | None = msgspec.field(default=None, name=ADDRESSES_ANNOTATION)
    sharing: str | None = msgspec.field(default=None, name=SHARING_ANNOTATION)
    newer_pool: str | None = msgspec.field(default=None, name=NEWER_POOL_ANNOTATION)
    newer_addresses: str | None = msgspec.field(default=None, name=NEWER_ADDRESSES_ANNOTATION)
    newer_sharing: str | None = msgspec.field(default=None, name=NEWER_SHARING_ANNOTATION)
    preferred_node: str | None = msgspec.field(default=None, name=PREFERRED_NODE_ANNOTATION)


class ServiceMetadata(Name):
    """Of a Service."""

    labels: Pairs | None = None
    annotations: ServiceAnnotations | None = None
    uid: str | None = None
    resource_version: str | None = None
    creation_timestamp: str | None = None


class Port(Shape):
    """Of a Service."""

    port: Annotated[int, msgspec.Meta(ge=1, le=HIGHEST_PORT)]
    protocol: PortProtocol | Literal[""] | None = None


class ServiceSpec(Shape):
    """Of a Service; `ip_families` matter only where no API server filled in the rest."""

    type: ServiceType | Literal[""] | None = None
    load_balancer_class: str | None = None
    cluster_ip: str | None = msgspec.field(default=None, name="clusterIP")
    cluster_ips: tuple[str, ...] | None = msgspec.field(default=None, name="clusterIPs")
    ip_families: tuple[str, ...] | None = None
    ip_family_policy: FamilyPolicy | Literal[""] | None = None
    ports: tuple[Port, ...] | None = None
    selector: Pairs | None = None
    external_traffic_policy: TrafficPolicy | Literal[""] | None = None
    load_balancer_ip: str | None = msgspec.field(default=None, name="loadBalancerIP")


class LoadBalancerStatus(Shape):
    """Of a Service: its addresses, with all that is there beside them."""

    ingress: tuple[dict[str, Any], ...] | None = None


class ServiceStatus(Shape):
    """Of a Service."""

    load_balancer: LoadBalancerStatus | None = None


class ServiceObject(Shape):
    """core/v1 Service."""

    metadata: ServiceMetadata | None = None
    spec: ServiceSpec | None = None
    status: ServiceStatus | None = None


class Owner(Shape):
    """An entry of `managedFields`; its `fields` are one level a key, with `f:` before each name."""

    manager: str | None = None
    fields: dict[str, Any] | None = msgspec.field(default=None, name="fieldsV1")


class OwnedMetadata(Shape):
    """Of an object of which it is to be known who wrote what."""

    managed_fields: tuple[Owner, ...] | None = None


class OwnedObject(Shape):
    """Any object, likewise."""

    metadata: OwnedMetadata | None = None


class Condition(Shape):
    """Of a Node or a Pod."""

    type: str | None = None
    status: str | None = None


class Conditions(Shape):
    """The status of a Node or a Pod."""

    conditions: tuple[Condition, ...] | None = None


class NodeAnnotations(Shape):
    """Of a Node."""

    subnets: str | None = msgspec.field(default=None, name=SUBNETS_ANNOTATION)


class NodeMetadata(Name):
    """Of a Node."""

    labels: Pairs | None = None
    annotations: NodeAnnotations | None = None


class NodeObject(Shape):
    """core/v1 Node."""

    metadata: NodeMetadata | None = None
    status: Conditions | None = None


class PodMetadata(Name):
    """Of a Pod."""

    deletion_timestamp: str | None = None


class PodSpec(Shape):
    """Of a Pod."""

    node_name: str | None = None


class PodObject(Shape):
    """core/v1 Pod."""

    metadata: PodMetadata | None = None
    spec: PodSpec | None = None
    status: Conditions | None = None


class SliceLabels(Shape):
    """Of an EndpointSlice."""

    service: str | None = msgspec.field(default=None, name=SERVICE_NAME_LABEL)


class SliceMetadata(Name):
    """Of an EndpointSlice."""

    labels: SliceLabels | None = None


class EndpointConditions(Shape):
    """Of an endpoint in a slice."""

    ready: bool | None = None
    serving: bool | None = None


class Topology(Shape):
    """Of an endpoint in a slice of v1beta1."""

    hostname: str | None = msgspec.field(default=None, name=HOSTNAME_LABEL)


class SliceEndpoint(Shape):
    """One or several addresses of a Pod."""

    addresses: tuple[str, ...] | None = None
    conditions: EndpointConditions | None = None
    node_name: str | None = None
    topology: Topology | None = None


class SliceObject(Shape):
    """discovery.k8s.io EndpointSlice, v1 or v1beta1."""

    metadata: SliceMetadata | None = None
    endpoints: tuple[SliceEndpoint, ...] | None = None


class EndpointAddress(Shape):
    """One address of a Pod in an Endpoints object."""

    ip: str | None = None
    node_name: str | None = None


class Subset(Shape):
    """Of an Endpoints object."""

    addresses: tuple[EndpointAddress, ...] | None = None
    not_ready_addresses: tuple[EndpointAddress, ...] | None = None


class EndpointsObject(NamedObject):
    """core/v1 Endpoints."""

    subsets: tuple[Subset, ...] | None = None


class ConfigMapMetadata(Name):
    """Of a ConfigMap."""

    uid: str | None = None


class ConfigMapObject(Shape):
    """core/v1 ConfigMap, without its `binaryData`."""

    metadata: ConfigMapMetadata | None = None
    data: Pairs | None = None
