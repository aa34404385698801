"""BGPPeer and BFDProfile resources."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from metalpy.config.bfd_values import RESOURCE_FORM, read_profile
from metalpy.config.findings import shown
from metalpy.config.peer_values import NS, PeerValues
from metalpy.config.resource_objects import BASIC_AUTH
from metalpy.config.resource_sections import PEER, PROFILE, SECRET
from metalpy.config.selectors import KUBERNETES_FORM, SelectorReader, canonical_selectors
from metalpy.config.values import parse_duration
from metalpy.config.whole_numbers import UINT16, UINT32
from metalpy.model import ANY_OTHER_ASN, DEFAULT_BGP_PORT, DEFAULT_HOLD_TIME_S, BFDProfile, ObjectKey, Peer

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from metalpy.config.decoding import Decoder, Fields
    from metalpy.config.resource_objects import Resource, SecretPassword

_HIGHEST_PORT = 16384
_LONGEST_CONNECT_S = 65535
_INTERNAL, _EXTERNAL = "internal", "external"
_LONGEST_INTERFACE = 15
"""Linux's IFNAMSIZ without the NUL."""
_UNKNOWN = ipaddress.IPv4Address(0)
"""The address of a router that is not given, or is none; that is an error by then."""
_NOT_HONOURED = "cannot be honoured here: remove it, or leave this peer to MetalLB's FRR mode"
_UNKNOWN_PROFILE = "is no BFDProfile of this configuration: create it, or remove the line"


@dataclass(frozen=True, slots=True)
class TimerRules:
    """What absent timers of a BGPPeer mean: they changed with MetalLB's versions and differ by its mode.

    Where `zero_is_absent`, as before 0.14.9, a hold time of 0 is no hold time given; where
    `hold_follows_keepalive`, as since then, a keepalive time alone makes the hold time three times as long.
    """

    absent_hold_s: int = DEFAULT_HOLD_TIME_S
    absent_keepalive_s: int = DEFAULT_HOLD_TIME_S // 3
    zero_is_absent: bool = False
    hold_follows_keepalive: bool = True


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a set of custom resources is read against.

    `namespace` is the daemons' own: empty means that all objects must be in one. `secrets` are added to those
    among the objects. With `nodes`, their labels, local preferences that contradict each other on a node
    refuse the set; without, that is not looked at, as MetalLB does not where it knows no nodes. Not `by_schema`,
    objects are read as MetalLB's loader does without an API server, which checks names and bounds before it.
    """

    namespace: str = ""
    secrets: Mapping[ObjectKey, SecretPassword] = field(default_factory=dict)
    nodes: Sequence[Mapping[str, str]] = ()
    timers: TimerRules = field(default_factory=TimerRules)
    by_schema: bool = True


class PeerResources:
    """Reads the BGPPeers of one set of objects."""

    def __init__(
        self,
        decoder: Decoder,
        profiles: frozenset[str],
        secrets: Mapping[ObjectKey, SecretPassword],
        surroundings: Surroundings,
    ) -> None:
        self._decoder = decoder
        self._findings = decoder.findings
        self._values = PeerValues(decoder)
        self._selectors = SelectorReader(decoder, KUBERNETES_FORM)
        self._profiles = profiles
        self._secrets = secrets
        self._timers = surroundings.timers
        self._by_schema = surroundings.by_schema
        self._known: dict[Hashable, str] = {}

    def read(self, resources: Iterable[Resource]) -> tuple[Peer, ...]:
        """Give the peers without errors, in the order written."""
        peers = []
        for resource in resources:
            fields = self._decoder.fields(resource.spec, resource.path, PEER[resource.version])
            peer = None if fields is None else self._peer(fields, resource)
            if peer is not None:
                peers.append(peer)
        return tuple(peers)

    def _peer(self, fields: Fields, resource: Resource) -> Peer | None:
        errors = len(self._findings.errors)
        self._refuse_what_is_not_honoured(fields)
        sides = self._sides(fields)
        address = self._values.ip(fields, "peerAddress", missing="is missing: give the IP address of the router")
        hold_s, keepalive_ns = self._timer_values(fields)
        selectors, _ = self._selectors.selectors(fields, "nodeSelectors")
        peer = replace(
            sides,
            address=address or _UNKNOWN,
            port=self._decoder.number(fields, "peerPort", 0, _HIGHEST_PORT if self._by_schema else UINT16)
            or DEFAULT_BGP_PORT,
            source_address=self._values.source_address(fields, "sourceAddress", address),
            router_id=self._values.router_id(fields, "routerID"),
            hold_time_s=hold_s,
            keepalive_time_ns=keepalive_ns,
            node_selectors=selectors,
            password=self._password(fields, resource.key.namespace),
            bfd_profile=self._values.profile(fields, "bfdProfile", self._profiles, _UNKNOWN_PROFILE),
            ebgp_multihop=self._values.ebgp_multihop(fields, "ebgpMultiHop", sides.session_asn, sides.peer_asn),
            connect_time_s=self._connect_time_s(fields),
            graceful_restart=self._decoder.flag(fields, "enableGracefulRestart", default=False),
            dual_stack=self._decoder.flag(fields, "dualStackAddressFamily", default=False),
            vrf=self._vrf(fields),
            name=resource.key.name,
        )
        if len(self._findings.errors) > errors:
            return None
        if self._by_schema:
            self._refuse_repeated(fields, peer)
        hold_s, keepalive_ns = self._values.timers_that_fit(fields, "holdTime", hold_s, keepalive_ns)
        return replace(peer, hold_time_s=hold_s, keepalive_time_ns=keepalive_ns)

    def _refuse_what_is_not_honoured(self, fields: Fields) -> None:
        interface = self._decoder.text_field(fields, "interface")
        if interface:
            self._decoder.error(fields, "interface", _NOT_HONOURED, value=shown(interface))
        if self._decoder.flag(fields, "disableMP", default=False):
            text = "has no effect, as in MetalLB since 0.15: remove the line"
            self._decoder.warn(fields, "disableMP", text, value="true")

    def _sides(self, fields: Fields) -> Peer:
        """Read which autonomous systems speak to each other: a peer that lacks everything else."""
        mine = self._values.asn(fields, "myASN", "the cluster")
        local = self._decoder.number(fields, "localASN", 1, UINT32, asn=True)
        relation = self._decoder.text_field(fields, "dynamicASN")
        if not relation:
            return Peer(mine, self._values.asn(fields, "peerASN", "the router"), _UNKNOWN, local_asn=local)
        if relation not in {_INTERNAL, _EXTERNAL}:
            text = f"must be {_INTERNAL}, for a router of the cluster's own AS, or {_EXTERNAL}"
            self._decoder.error(fields, "dynamicASN", text, value=shown(relation))
        elif self._decoder.number(fields, "peerASN", 0, UINT32, asn=True):
            text = "must not be there beside `peerASN`: remove one of them"
            self._decoder.error(fields, "dynamicASN", text, value=shown(relation))
        elif relation == _INTERNAL and local is not None:
            text = "must not be there beside `localASN`, which a router of the cluster's own AS is not told"
            self._decoder.error(fields, "dynamicASN", text, value=shown(relation))
        theirs = mine if relation == _INTERNAL else ANY_OTHER_ASN
        return Peer(mine, theirs, _UNKNOWN, local_asn=local, dynamic_asn=True)

    def _vrf(self, fields: Fields) -> str:
        name = self._decoder.text_field(fields, "vrf") or ""
        if len(name.encode()) > _LONGEST_INTERFACE or any(one in "/:" or one.isspace() for one in name):
            text = f"must be the name of a network interface: up to {_LONGEST_INTERFACE} bytes, without / : and spaces"
            self._decoder.error(fields, "vrf", text, value=shown(name))
        return name

    def _timer_values(self, fields: Fields) -> tuple[int, int]:
        """Give hold time in seconds and keepalive time in nanoseconds."""
        rules = self._timers
        hold_s = self._values.hold_time_s(fields, "holdTime")
        if hold_s == 0 and rules.zero_is_absent:
            hold_s = None
        keepalive_s = self._values.keepalive_time_s(fields, "keepaliveTime", hold_s)
        if hold_s is None and not keepalive_s:
            return rules.absent_hold_s, rules.absent_keepalive_s * NS
        if hold_s is None:
            hold_s = (keepalive_s or 0) * 3 if rules.hold_follows_keepalive else rules.absent_hold_s
        # A keepalive time of 0s, which old converters wrote, is none given.
        return hold_s, keepalive_s * NS if keepalive_s else hold_s * NS // 3

    def _connect_time_s(self, fields: Fields) -> int | None:
        text = self._decoder.text_field(fields, "connectTime")
        if not text:
            return None
        wanted = f"must be whole seconds from 1s to {_LONGEST_CONNECT_S}s"
        try:
            duration_ns = parse_duration(text)
        except ValueError as error:
            self._decoder.error(fields, "connectTime", str(error), value=shown(text))
            return None
        if duration_ns % NS or not 1 <= duration_ns // NS <= _LONGEST_CONNECT_S:
            self._decoder.error(fields, "connectTime", wanted, value=shown(text))
            return None
        return duration_ns // NS

    def _password(self, fields: Fields, namespace: str) -> str:
        password = self._values.password(fields, "password")
        node = fields.get("passwordSecret")
        path = fields.path_of("passwordSecret")
        reference = None if node is None else self._decoder.fields(node, path, SECRET)
        name = None if reference is None else self._decoder.text_field(reference, "name")
        if not name or reference is None:
            return password
        if password:
            self._decoder.error(fields, "passwordSecret", "must not be there beside `password`: remove one of them")
            return ""
        elsewhere = self._decoder.text_field(reference, "namespace")
        if elsewhere and elsewhere != namespace:
            text = f"must be the daemons' own namespace, {namespace}, or absent"
            self._decoder.error(reference, "namespace", text, value=shown(elsewhere))
            return ""
        secret = self._secrets.get(ObjectKey(namespace, name))
        if secret is None:
            text = f"names a Secret that is not there: create it in {namespace}, of type {BASIC_AUTH}"
            self._decoder.error(reference, "name", text, value=shown(name))
        elif secret.type != BASIC_AUTH:
            text = f"names a Secret of type {shown(secret.type)}: it must be of type {BASIC_AUTH}"
            self._decoder.error(reference, "name", text, value=shown(name))
        elif secret.password is None:
            text = "names a Secret that has no text under `password`"
            self._decoder.error(reference, "name", text, value=shown(name))
        else:
            self._values.warn_of_long_password(fields, "passwordSecret", secret.password)
            return secret.password
        return ""

    def _refuse_repeated(self, fields: Fields, peer: Peer) -> None:
        identity = replace(peer, node_selectors=(), name=""), canonical_selectors(peer.node_selectors)
        earlier = self._known.setdefault(identity, fields.path)
        if earlier != fields.path:
            text = f"is the same peer as {earlier} once defaults are filled in: remove one"
            self._findings.error(fields.at, fields.path, text)


def read_profiles(decoder: Decoder, resources: Iterable[Resource]) -> tuple[frozenset[str], tuple[BFDProfile, ...]]:
    """Read the BFDProfiles; gives also the names of those that have errors."""
    profiles: dict[str, BFDProfile] = {}
    for resource in resources:
        fields = decoder.fields(resource.spec, resource.path, PROFILE)
        profile = BFDProfile(resource.key.name)
        profiles[profile.name] = (
            profile if fields is None else read_profile(decoder, fields, profile.name, RESOURCE_FORM)
        )
    return frozenset(profiles), tuple(profiles.values())
