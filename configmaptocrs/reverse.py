"""Custom resources back into a legacy configuration, as far as that can say what they say."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from configmaptocrs.document import mapping_to_text
from configmaptocrs.durations import go_duration
from configmaptocrs.findings import Finding
from metalpy.config.selectors import canonical_selectors
from metalpy.model import ANY_OTHER_ASN, DEFAULT_BGP_PORT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from metalpy.model import BFDProfile, BGPAdvertisement, Config, LabelSelector, Node, Peer, Pool

_NS = 10**9


@dataclass(slots=True)
class Reversed:
    """The legacy text, and what could not be said in it."""

    text: str
    dropped: list[Finding] = field(default_factory=list)


def reverse(config: Config, nodes: Sequence[Node] | None) -> Reversed:
    """Write a configuration in the legacy format; restrictions that restrict nothing on the nodes are left out."""
    dropped: list[Finding] = []
    pools = []
    for pool in sorted(config.pools, key=lambda pool: _natural(pool.name)):
        reasons = list(_unsayable(pool, config, nodes))
        dropped += [Finding("D-REVERSE", f"pool {pool.name}", reason) for reason in reasons]
        if not reasons:
            pools.append(_pool(pool))
    peers = []
    for peer in sorted(config.peers, key=lambda peer: _natural(peer.name)):
        options = {
            "connectTime": peer.connect_time_s is not None,
            "enableGracefulRestart": peer.graceful_restart,
        }
        essentials = {
            "dynamicASN external": peer.peer_asn == ANY_OTHER_ASN,
            "localASN": peer.local_asn is not None,
            "vrf": bool(peer.vrf),
        }
        for what, is_set in (options | essentials).items():
            if is_set:
                dropped.append(Finding("D-REVERSE", f"peer {peer.name}", f"{what} is not there in the legacy format"))
        if not any(essentials.values()):
            peers.append(_peer(peer))
    profiles = [_profile(profile) for profile in sorted(config.bfd_profiles, key=lambda one: _natural(one.name))]
    # Communities are written out where they are used, so that large aliases, which nobody can use, are no obstacle.
    sections = {"peers": peers, "address-pools": pools, "bfd-profiles": profiles}
    return Reversed(mapping_to_text({key: entries for key, entries in sections.items() if entries}), dropped)


def _natural(name: str) -> list[tuple[int, str]]:
    """Give a sort key by which `peer10` follows `peer9`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]


def _unsayable(pool: Pool, config: Config, nodes: Sequence[Node] | None) -> Iterator[str]:
    if pool.allocation is not None:
        yield "serviceAllocation is not there in the legacy format"
    if len(pool.protocols) != 1:
        yield "must have exactly one kind of advertisement" if pool.protocols else "has no advertisement at all"
    for l2 in pool.layer2:
        if l2.interfaces or l2.service_selectors or not _everywhere(l2.node_selectors, nodes):
            yield f"L2Advertisement {l2.name} restricts interfaces, nodes or Services"
        if l2.preferred:
            yield f"L2Advertisement {l2.name} prefers nodes"
    names = {peer.name for peer in config.peers}
    for bgp in pool.bgp:
        if bgp.peers is not None and not names <= set(bgp.peers):
            yield f"BGPAdvertisement {bgp.name} is for some of the peers"
        if bgp.service_selectors or not _everywhere(bgp.node_selectors, nodes):
            yield f"BGPAdvertisement {bgp.name} restricts nodes or Services"
        if bgp.large_communities:
            yield f"BGPAdvertisement {bgp.name} has large communities"


def _everywhere(selectors: tuple[LabelSelector, ...], nodes: Sequence[Node] | None) -> bool:
    if not canonical_selectors(selectors):
        return True
    return bool(nodes) and all(any(one.matches(dict(node.labels)) for one in selectors) for node in nodes or ())


def _peer(peer: Peer) -> dict[str, Any]:
    keepalive_is_default = peer.keepalive_time_ns == peer.hold_time_s * _NS // 3
    optional: dict[str, Any] = {
        "peer-port": peer.port if peer.port != DEFAULT_BGP_PORT else None,
        "source-address": str(peer.source_address) if peer.source_address else None,
        "router-id": str(peer.router_id) if peer.router_id else None,
        "keepalive-time": None if keepalive_is_default else go_duration(peer.keepalive_time_ns // _NS),
        "node-selectors": [_selector(one) for one in peer.node_selectors],
        "password": peer.password,
        "bfd-profile": peer.bfd_profile,
        "ebgp-multihop": peer.ebgp_multihop,
    }
    return {
        "my-asn": peer.my_asn,
        "peer-asn": peer.peer_asn,
        "peer-address": str(peer.address),
        "hold-time": go_duration(peer.hold_time_s),
    } | {key: value for key, value in optional.items() if value}


def _selector(selector: LabelSelector) -> dict[str, Any]:
    expressions = [
        {"key": one.key, "operator": str(one.operator)} | ({"values": list(one.values)} if one.values else {})
        for one in selector.match_expressions
    ]
    value: dict[str, Any] = {"match-labels": dict(selector.match_labels)} if selector.match_labels else {}
    return value | ({"match-expressions": expressions} if expressions else {})


def _pool(pool: Pool) -> dict[str, Any]:
    value: dict[str, Any] = {
        "name": pool.name,
        "protocol": str(pool.protocols[0]),
        "addresses": [entry.text for entry in pool.addresses],
    }
    if not pool.auto_assign:
        value["auto-assign"] = False
    if pool.avoid_buggy_ips:
        value["avoid-buggy-ips"] = True
    advertisements = [_advertisement(one) for one in pool.bgp]
    merged = [one for index, one in enumerate(advertisements) if one not in advertisements[:index]]
    return value | ({"bgp-advertisements": merged} if any(merged) else {})


def _advertisement(advertisement: BGPAdvertisement) -> dict[str, Any]:
    optional: dict[str, Any] = {
        "aggregation-length": advertisement.aggregation_length if advertisement.aggregation_length != 32 else None,  # noqa: PLR2004
        "localpref": advertisement.localpref or None,
        "communities": sorted(str(community) for community in advertisement.communities) or None,
    }
    if advertisement.aggregation_length_v6 != 128:  # noqa: PLR2004 - both are the families' bits
        optional["aggregation-length-v6"] = advertisement.aggregation_length_v6
    return {key: value for key, value in optional.items() if value is not None}


def _profile(profile: BFDProfile) -> dict[str, Any]:
    optional = {
        "receive-interval": profile.receive_interval_ms,
        "transmit-interval": profile.transmit_interval_ms,
        "detect-multiplier": profile.detect_multiplier,
        "echo-interval": profile.echo_interval_ms,
        "minimum-ttl": profile.minimum_ttl,
        "echo-mode": profile.echo_mode or None,
        "passive-mode": profile.passive_mode or None,
    }
    return {"name": profile.name} | {key: value for key, value in optional.items() if value is not None}


def passwords_told(config: Config) -> Iterable[Finding]:
    """Tell of passwords that stand in the text for everybody to read."""
    text = "has its password in the ConfigMap, in clear text"
    return [Finding("W-PW", f"peer {peer.name}", text) for peer in config.peers if peer.password]
