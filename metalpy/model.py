"""The values that every room of metalpy shares: what the operator wrote and what the cluster says.

All of them are frozen and compare by meaning. Addresses are `ipaddress` objects; an IPv4-mapped IPv6 address
is always held as the IPv4 address it means. Text as an operator wrote it is kept only where the converter has
to repeat it, and never takes part in a comparison.
"""

from __future__ import annotations

import enum
import functools
import ipaddress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

Labels = tuple[tuple[str, str], ...]
"""Label names and values, sorted by name."""

POOL_ANNOTATION = "metallb.universe.tf/address-pool"
ADDRESSES_ANNOTATION = "metallb.universe.tf/loadBalancerIPs"
EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
"""A node with this label, whatever its value, takes no part in load balancing."""
SHARING_ANNOTATION = "metallb.universe.tf/allow-shared-ip"
NEWER_POOL_ANNOTATION = "metallb.io/address-pool"
NEWER_ADDRESSES_ANNOTATION = "metallb.io/loadBalancerIPs"
NEWER_SHARING_ANNOTATION = "metallb.io/allow-shared-ip"
PREFERRED_NODE_ANNOTATION = "metalpy.io/preferred-node"
"""On a Service: the node that should answer for its addresses whenever it may."""
SUBNETS_ANNOTATION = "metalpy.io/subnets"
"""On a Node: the LAN's subnets that it has addresses in, as CIDRs with commas between."""

DEFAULT_BGP_PORT = 179
DEFAULT_HOLD_TIME_S = 90
ANY_OTHER_ASN = 0


class Family(enum.StrEnum):
    """An address family, by the name that Kubernetes writes in `ipFamilies`."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"

    @classmethod
    def of(cls, address: IPAddress | IPNetwork) -> Family:
        """Tell the family of an address or network."""
        return cls.IPV4 if address.version == 4 else cls.IPV6  # noqa: PLR2004 - the IP version number


@functools.lru_cache(1024)  # the steps of one decision each read the same texts
def parse_address(text: str) -> IPAddress:
    """Read an IP literal as it stands in a Service or an endpoint: no zone, IPv4-mapped means IPv4.

    Raises `ValueError` for anything else.
    """
    if "%" in text:
        raise ValueError(f"{text!r} has a zone")
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def host_port(address: IPAddress, port: int) -> str:
    """Write an address with a port, as MetalLB's metrics name peers: IPv6 in brackets."""
    return f"[{address}]:{port}" if Family.of(address) is Family.IPV6 else f"{address}:{port}"


# --- what the operator wrote ---------------------------------------------------------------------------


class Protocol(enum.StrEnum):
    """How the addresses of a pool are announced."""

    LAYER2 = "layer2"
    BGP = "bgp"


class Operator(enum.StrEnum):
    """The operators of a Kubernetes label selector."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class LabelExpression:
    """One `match-expressions` entry; `values` are sorted and without repetition."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an object with these labels fits. `NotIn` also holds where the label is absent."""
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All labels and expressions must hold; an empty selector fits everything."""

    match_labels: Labels = ()
    match_expressions: tuple[LabelExpression, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an object with these labels fits."""
        return all(labels.get(key) == value for key, value in self.match_labels) and all(
            expression.matches(labels) for expression in self.match_expressions
        )


def any_selector_matches(selectors: Iterable[LabelSelector], labels: Mapping[str, str]) -> bool:
    """Tell whether one of the selectors fits these labels; no selectors at all fit everything."""
    selectors = tuple(selectors)
    return not selectors or any(selector.matches(labels) for selector in selectors)


@dataclass(frozen=True, slots=True)
class AddressRange:
    """One entry of a pool's `addresses`: a CIDR or a range, as the aligned prefixes it stands for, ascending.

    A range whose ends are of different families stands for no prefix at all.
    """

    prefixes: tuple[IPNetwork, ...]
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Community:
    """A BGP community (RFC 1997) as its 32-bit number; `text` is the alias or literal as written."""

    value: int
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.value >> 16}:{self.value & 0xFFFF}"


@dataclass(frozen=True, slots=True, order=True)
class LargeCommunity:
    """A large BGP community (RFC 8092): three 32-bit numbers. Only custom resources can say one."""

    global_administrator: int
    local_data_1: int
    local_data_2: int
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.global_administrator}:{self.local_data_1}:{self.local_data_2}"


@dataclass(frozen=True, slots=True)
class BGPAdvertisement:
    """How the addresses of a pool become routes. `localpref` 0 means not set.

    A legacy pool's entries are for every node, every peer and every Service; only custom resources restrict them.
    """

    aggregation_length: int = 32
    aggregation_length_v6: int = 128
    localpref: int = 0
    communities: tuple[Community, ...] = ()
    """Without repetition, in the order written."""
    large_communities: tuple[LargeCommunity, ...] = ()
    """Likewise."""
    node_selectors: tuple[LabelSelector, ...] = ()
    peers: tuple[str, ...] | None = None
    """Names of the peers that get the routes; None for all of them. A name that no peer has matches nothing."""
    service_selectors: tuple[LabelSelector, ...] = ()
    name: str = field(default="", compare=False)
    """An entry of a legacy pool has none: of two entries for one length, the last listed counts there."""

    def length(self, family: Family) -> int:
        """Give the aggregation length of addresses of a family."""
        return self.aggregation_length if family is Family.IPV4 else self.aggregation_length_v6

    def reaches(self, peer: Peer) -> bool:
        """Tell whether a peer gets the routes."""
        return self.peers is None or peer.name in self.peers


@dataclass(frozen=True, slots=True)
class PreferredNodes:
    """Nodes that should rather answer: of those that may, the ones with the most weight in sum."""

    weight: int
    selector: LabelSelector


@dataclass(frozen=True, slots=True)
class L2Advertisement:
    """A pool's addresses are answered for by ARP and NDP, from one of the nodes that fit a selector."""

    node_selectors: tuple[LabelSelector, ...] = ()
    interfaces: tuple[str, ...] = ()
    """The only interfaces to answer on, sorted; all of them if empty."""
    service_selectors: tuple[LabelSelector, ...] = ()
    preferred: tuple[PreferredNodes, ...] = ()
    """Among the nodes that the advertisement selects."""
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class ServiceAllocation:
    """Which Services a pool is pinned to, and how early it is tried: priority 1 first, 0 last.

    A Service fits if its namespace is among `namespaces` (where there are any) and one of the service selectors fits
    it (where there are any). With nothing restricted it still counts as pinned; with namespace selectors that fit no
    namespace, none is restricted, but nobody gets an address of the pool unless he asks for one (as in MetalLB).
    """

    priority: int = 0
    namespaces: tuple[str, ...] = ()
    """Those named, and those that a selector fits, as far as Namespaces were known."""
    namespace_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """Addresses to hand out, and how they are announced. Order of `addresses` is the order of allocation."""

    name: str
    addresses: tuple[AddressRange, ...]
    auto_assign: bool = True
    avoid_buggy_ips: bool = False
    layer2: tuple[L2Advertisement, ...] = ()
    bgp: tuple[BGPAdvertisement, ...] = ()
    allocation: ServiceAllocation | None = None
    """None where the pool is for everybody."""

    @property
    def prefixes(self) -> tuple[IPNetwork, ...]:
        """All prefixes in the order in which their addresses are handed out."""
        if len(self.addresses) == 1:
            return self.addresses[0].prefixes
        return tuple(prefix for entry in self.addresses for prefix in entry.prefixes)

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """The protocols that announce this pool; a legacy pool has exactly one."""
        layer2 = (Protocol.LAYER2,) if self.layer2 else ()
        bgp = (Protocol.BGP,) if self.bgp else ()
        return layer2 + bgp


@dataclass(frozen=True, slots=True)
class Peer:
    """A router to speak BGP to (RFC 4271). Hold time 0 turns the timers off."""

    my_asn: int
    peer_asn: int
    """`ANY_OTHER_ASN` where the router may be in whichever AS, but not in ours."""
    address: IPAddress
    port: int = DEFAULT_BGP_PORT
    source_address: IPAddress | None = None
    router_id: ipaddress.IPv4Address | None = None
    hold_time_s: int = DEFAULT_HOLD_TIME_S
    keepalive_time_ns: int = DEFAULT_HOLD_TIME_S * 10**9 // 3
    node_selectors: tuple[LabelSelector, ...] = ()
    password: str = field(default="", repr=False)
    bfd_profile: str = ""
    ebgp_multihop: bool = False
    connect_time_s: int | None = None
    """How long to wait before the next try to connect; None for the router's own default."""
    graceful_restart: bool = False
    dual_stack: bool = False
    """Carry both address families, not only the one of `address`."""
    dynamic_asn: bool = False
    """Whether `peer_asn` was written as a relation to ours, not as a number."""
    local_asn: int | None = None
    """What this node calls itself to this router, in the place of `my_asn`."""
    vrf: str = ""
    """The VRF device by which the router is reached; empty for the default one."""
    name: str = ""
    """What advertisements call it; a peer of a legacy configuration has none."""

    @property
    def session_asn(self) -> int:
        """The AS number that this router is told, and finds in the paths."""
        return self.my_asn if self.local_asn is None else self.local_asn

    @property
    def internal(self) -> bool:
        """Tell whether the peer is in our own autonomous system: iBGP."""
        return self.session_asn == self.peer_asn

    def expects(self, asn: int) -> bool:
        """Tell whether the router may be of this AS."""
        return asn != self.session_asn if self.peer_asn == ANY_OTHER_ASN else asn == self.peer_asn


@dataclass(frozen=True, slots=True)
class BFDProfile:
    """A named set of BFD timers (RFC 5880); None leaves a value to the BFD daemon's default."""

    name: str
    receive_interval_ms: int | None = None
    transmit_interval_ms: int | None = None
    detect_multiplier: int | None = None
    echo_interval_ms: int | None = None
    echo_mode: bool = False
    passive_mode: bool = False
    minimum_ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """Everything an operator can say, whichever way it was written."""

    pools: tuple[Pool, ...] = ()
    peers: tuple[Peer, ...] = ()
    bfd_profiles: tuple[BFDProfile, ...] = ()
    communities: tuple[tuple[str, Community | LargeCommunity], ...] = ()
    """Aliases, sorted by name."""
    reads_newer_annotations: bool = field(default=False, compare=False)
    """Whether a Service's annotations of `metallb.io/` come first, as in MetalLB since 0.14.9, which reads custom
    resources. Those of a legacy configuration are not read. How it was written, not what it says."""


# --- what the cluster says -----------------------------------------------------------------------------


class ObjectKey(NamedTuple):
    """Namespace and name of an object; prints as `namespace/name`.

    A tuple, as it is hashed and compared more often than anything else: that takes no call of Python then.
    """

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class ServicePort:
    """What a client connects to: `protocol` is TCP, UDP or SCTP."""

    protocol: str
    port: int

    def __str__(self) -> str:
        return f"{self.protocol}/{self.port}"


@dataclass(frozen=True, slots=True)
class Ingress:
    """One entry of `status.loadBalancer.ingress`, texts as they stand there.

    `extra` is the JSON text of fields that metalpy does not read (ipMode, ports) and puts back as they were.
    """

    ip: str = ""
    hostname: str = ""
    extra: str = ""

    @property
    def target(self) -> str:
        """The address, or the host name that is there instead."""
        return self.ip or self.hostname


@dataclass(frozen=True, slots=True)
class NewerWishes:
    """What a Service asks for by annotations of `metallb.io/`; each counts before its older form, where they count."""

    pool: str = ""
    ips: str = ""
    sharing_key: str = ""


NO_NEWER_WISHES = NewerWishes()


@dataclass(frozen=True, slots=True)
class Service:
    """A Service, as far as a load balancer reads it. Annotation values are texts, empty where absent."""

    key: ObjectKey
    labels: Labels = ()
    uid: str = ""
    resource_version: str = ""
    created: str = ""
    """`metadata.creationTimestamp`, RFC 3339 in UTC: sorts as text."""
    type: str = "LoadBalancer"
    load_balancer_class: str | None = None
    cluster_ips: tuple[str, ...] = ()
    ip_family_policy: Literal["SingleStack", "PreferDualStack", "RequireDualStack"] = "SingleStack"
    ports: tuple[ServicePort, ...] = ()
    selector: Labels = ()
    external_traffic_policy: Literal["Cluster", "Local"] = "Cluster"
    load_balancer_ip: str = ""
    wanted_pool: str = ""
    """Annotation `metallb.universe.tf/address-pool`."""
    wanted_ips: str = ""
    """Annotation `metallb.universe.tf/loadBalancerIPs`."""
    sharing_key: str = ""
    """Annotation `metallb.universe.tf/allow-shared-ip`."""
    newer: NewerWishes = NO_NEWER_WISHES
    preferred_node: str = ""
    """Annotation `metalpy.io/preferred-node`."""
    ingress: tuple[Ingress, ...] = ()

    def with_newer_first(self) -> Service:
        """Give the Service with what its newer annotations ask for in the place of what the older ones do."""
        return replace(
            self,
            wanted_pool=self.newer.pool or self.wanted_pool,
            wanted_ips=self.newer.ips or self.wanted_ips,
            sharing_key=self.newer.sharing_key or self.sharing_key,
        )

    @property
    def pool_annotation(self) -> str:
        """The annotation that asks for the pool."""
        is_newer = self.newer.pool and self.newer.pool == self.wanted_pool
        return NEWER_POOL_ANNOTATION if is_newer else POOL_ANNOTATION

    @property
    def addresses_annotation(self) -> str:
        """The annotation that asks for addresses."""
        is_newer = self.newer.ips and self.newer.ips == self.wanted_ips
        return NEWER_ADDRESSES_ANNOTATION if is_newer else ADDRESSES_ANNOTATION


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address behind a Service. `node` is empty where the cluster does not say."""

    address: str
    ready: bool = True
    node: str = ""
    serving: bool = False
    """Answers though it is not ready: a pod that is being shut down in good order."""

    @property
    def usable(self) -> bool:
        """Tell whether traffic may go to it; MetalLB counts `serving` since 0.14."""
        return self.ready or self.serving


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the cluster. `ready` is its Ready condition; a node without one counts as ready."""

    name: str
    labels: Labels = ()
    ready: bool = True
    network_unavailable: bool = False
    subnets: str = ""
    """Annotation `metalpy.io/subnets`."""


@dataclass(frozen=True, slots=True)
class SpeakerPod:
    """A Pod in which a speaker runs. One that is being deleted is not `ready`, whatever its condition says."""

    node: str
    ready: bool = True


class Severity(enum.StrEnum):
    """The type of a Kubernetes Event."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Event:
    """What a user is to be told about an object, beside the object: a core/v1 Event.

    `kind` is one of `api_version`: Service, ConfigMap, or a custom resource.
    """

    kind: str
    key: ObjectKey
    severity: Severity
    reason: str
    message: str
    component: Literal["metallb-controller", "metallb-speaker"] = "metallb-controller"
    uid: str = ""
    api_version: str = "v1"
