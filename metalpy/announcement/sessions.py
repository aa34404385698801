"""Which BGP sessions a node keeps: the peers of a configuration, as one node with one router sees them.

Every peer is judged by itself. One that the router cannot have is refused by name, and the others keep their
sessions. The limits of any router here (gobgpd) are in the reasons below; what depends on its version or on the
node is told by `Capabilities`.
"""

from __future__ import annotations

import ipaddress
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metalpy.announcement.routes import Session
from metalpy.model import Family, any_selector_matches, host_port

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalpy.model import BFDProfile, Config, IPAddress, Node, Peer

BFD_INTERVAL_MS = 300
BFD_MULTIPLIER = 3
"""The values that MetalLB's BFD daemon takes where a profile says nothing."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one node's router can do."""

    bfd: bool = False
    """Watch a session by BFD over one hop (RFC 5881)."""
    families: frozenset[Family] = frozenset(Family)
    """The families of which the node has an address to be the next hop on a session of the other family."""


@dataclass(frozen=True, slots=True)
class _Remark:
    peer: Peer
    reason: str

    def __str__(self) -> str:
        return f"peer {peer_title(self.peer)}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Refused(_Remark):
    """A peer of this node that gets no session, what is wrong and what would be right."""


@dataclass(frozen=True, slots=True)
class Limited(_Remark):
    """A peer of this node whose session lacks something that was asked for."""


@dataclass(frozen=True, slots=True)
class Peering:
    """The sessions of one node, and what cannot be had; all in the order of the configuration."""

    sessions: tuple[Session, ...] = ()
    refused: tuple[Refused, ...] = ()
    limited: tuple[Limited, ...] = ()


def sessions(config: Config, node: Node, router: Capabilities, address: ipaddress.IPv4Address | None) -> Peering:
    """Choose the peers that this node keeps sessions with; `address` is the node's own, where it has IPv4.

    A node whose labels are not known yet has none. Of several peers at one address, or with different router
    IDs, those that agree with the first one listed are kept: the router knows a peer by its address alone, and
    itself by one ID.
    """
    labels = dict(node.labels)
    profiles = {profile.name: profile for profile in config.bfd_profiles}
    kept: dict[IPAddress, Peer] = {}
    refused: list[Refused] = []
    router_id: ipaddress.IPv4Address | None = None
    for peer in config.peers:
        if not any_selector_matches(peer.node_selectors, labels):
            continue
        reason = (
            _taken(peer, kept.get(peer.address))
            or _other_router_id(peer, router_id)
            or _timers(peer)
            or _bfd(peer, profiles.get(peer.bfd_profile), router)
        )
        if reason:
            refused.append(Refused(peer, reason))
            continue
        kept[peer.address] = peer
        router_id = router_id or peer.router_id
    known_id = router_id or address or router_id_of(node.name)
    return Peering(
        tuple(_session(peer, known_id, profiles, router) for peer in kept.values()),
        tuple(refused),
        tuple(Limited(peer, text) for peer in kept.values() for text in _lacking(peer, profiles)),
    )


def router_id_of(node: str) -> ipaddress.IPv4Address:
    """Make a router ID of a node's name, as MetalLB does without an IPv4 address: its CRC-32, low byte first."""
    return ipaddress.IPv4Address(zlib.crc32(node.encode()).to_bytes(4, "little"))


def carried(peer: Peer, families: Iterable[Family]) -> tuple[Family, ...]:
    """Tell which families a session carries: that of the peer's address, and if dual-stack all of `families`."""
    wanted = {Family.of(peer.address), *(families if peer.dual_stack else ())}
    return tuple(family for family in Family if family in wanted)


def peer_title(peer: Peer) -> str:
    """Name a peer to an operator: by its name if it has one, else by address and port."""
    return peer.name or host_port(peer.address, peer.port)


def _session(
    peer: Peer, router_id: ipaddress.IPv4Address, profiles: dict[str, BFDProfile], router: Capabilities
) -> Session:
    profile = profiles[peer.bfd_profile] if peer.bfd_profile else None
    return Session(peer, router_id, profile and _feasible(profile), carried(peer, router.families))


def _feasible(profile: BFDProfile) -> BFDProfile:
    """Fill in the defaults, and leave out what the router cannot do: changing that alone must disturb nothing."""
    return replace(
        profile,
        receive_interval_ms=profile.receive_interval_ms or BFD_INTERVAL_MS,
        transmit_interval_ms=profile.transmit_interval_ms or BFD_INTERVAL_MS,
        detect_multiplier=profile.detect_multiplier or BFD_MULTIPLIER,
        echo_interval_ms=None,
        echo_mode=False,
        passive_mode=False,
        minimum_ttl=None,
    )


# --- what refuses a peer -------------------------------------------------------------------------------


def _taken(peer: Peer, other: Peer | None) -> str:
    if other is None:
        return ""
    whose = "a peer" if peer_title(other) == peer_title(peer) else f"peer {peer_title(other)}"
    return (
        f"{peer.address} is also the address of {whose} listed before it, and a node keeps one session with an "
        "address: remove one, or select different nodes"
    )


def _other_router_id(peer: Peer, router_id: ipaddress.IPv4Address | None) -> str:
    if router_id is None or peer.router_id in {None, router_id}:
        return ""
    return (
        f"router ID {peer.router_id} differs from the {router_id} of a peer listed before it, and a node has one: "
        "give all peers of a node the same, or none"
    )


def _timers(peer: Peer) -> str:
    return "" if peer.hold_time_s else "hold time 0, which turns the timers off, cannot be had: give 3s or more"


def _bfd(peer: Peer, profile: BFDProfile | None, router: Capabilities) -> str:
    if not peer.bfd_profile:
        return ""
    if profile is None:
        return f"there is no BFD profile {peer.bfd_profile!r}: define it, or remove its name from the peer"
    if not router.bfd:
        return "BFD is not offered by this node's router (gobgpd has it since 4.5): remove the peer's BFD profile"
    if peer.ebgp_multihop:
        return (
            "BFD over several hops (RFC 5883) cannot be had: remove the BFD profile from the peer, or "
            "ebgp-multihop if the peer is on the same link"
        )
    return ""


# --- what a session then lacks -------------------------------------------------------------------------


def _lacking(peer: Peer, profiles: dict[str, BFDProfile]) -> list[str]:
    if not peer.bfd_profile:
        return []
    profile = profiles[peer.bfd_profile]
    texts = []
    if profile.echo_mode:
        texts.append("BFD runs without echo mode: failures are found by control packets alone")
    if profile.passive_mode:
        texts.append("BFD does not run in passive mode: control packets are sent at once")
    if profile.minimum_ttl is not None:
        texts.append("BFD does not check a minimum TTL: that is for peers several hops away")
    if peer.source_address is not None:
        texts.append("BFD packets leave from the address that the kernel chooses, not from the source address given")
    return texts
