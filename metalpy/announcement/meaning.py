"""What a configuration means on a node: sessions, and routes per session; whatever way it was written.

How equal advertisements go together, and which families a session carries, differs between daemons: a `Reading`
says which.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from metalpy.announcement import sessions
from metalpy.announcement.candidates import interfaces_of
from metalpy.config.selectors import CanonicalSelector, canonical_selectors
from metalpy.model import Family

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from metalpy.model import BFDProfile, BGPAdvertisement, L2Advertisement, LabelSelector, Peer

Alternatives = frozenset[CanonicalSelector]
"""Selectors of which one must fit, in canonical form; everything fits if there are none."""

_BFD_ECHO_MS = 50
_BFD_TTL = 254
"""Where a profile says nothing, as the defaults in `sessions`."""


class Carries(enum.Enum):
    """The address families that a session carries."""

    IPV4 = "IPv4 alone, whatever its own"
    ALL = "all"
    OWN = "its own, or both if the peer is dual-stack"


class EqualLengths(enum.Enum):
    """What becomes of several advertisements of one length."""

    LAST = "the last listed is in force"
    UNITED = "their communities are united"
    UNDEFINED = "any of them may be in force"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a daemon reads a configuration. `frr` tells whether FRR speaks BGP for it."""

    carries: Carries = Carries.OWN
    equal_lengths: EqualLengths = EqualLengths.UNITED
    frr: bool = False


@lru_cache(maxsize=65536)
def alternatives(selectors: tuple[LabelSelector, ...]) -> Alternatives:
    """Give selectors in canonical form."""
    return canonical_selectors(selectors)


def session_fields(peer: Peer, profiles: Mapping[str, BFDProfile]) -> dict[str, Any]:
    """Give everything that makes a session to a peer, by the words that a user knows."""
    keepalive_ns = peer.keepalive_time_ns or peer.hold_time_s * 10**9 // 3
    return {
        "address": peer.address,
        "port": peer.port,
        "own AS number": peer.session_asn,
        "peer's AS number": peer.peer_asn,
        "VRF": peer.vrf,
        "source address": peer.source_address,
        "router ID": peer.router_id,
        "hold time": peer.hold_time_s,
        "keepalive time": keepalive_ns,
        "password": peer.password,
        "BFD": _bfd(profiles.get(peer.bfd_profile)),
        "eBGP multihop": peer.ebgp_multihop,
        "graceful restart": peer.graceful_restart,
        "connect time": peer.connect_time_s,
    }


def _bfd(profile: BFDProfile | None) -> object:
    if profile is None:
        return None
    return (
        profile.receive_interval_ms or sessions.BFD_INTERVAL_MS,
        profile.transmit_interval_ms or sessions.BFD_INTERVAL_MS,
        profile.detect_multiplier or sessions.BFD_MULTIPLIER,
        profile.echo_interval_ms or _BFD_ECHO_MS,
        profile.echo_mode,
        profile.passive_mode,
        profile.minimum_ttl or _BFD_TTL,
    )


def carried(peer: Peer, families: frozenset[Family], reading: Reading) -> frozenset[Family]:
    """Give those of the families that a session carries."""
    if reading.carries is Carries.IPV4:
        return families & {Family.IPV4}
    if reading.carries is Carries.ALL:
        return families
    return families.intersection(sessions.carried(peer, families))


@dataclass(frozen=True, slots=True)
class Route:
    """How the addresses of a pool's family are announced: aggregated to `length`, with these attributes."""

    family: Family
    length: int
    local_pref: int
    communities: frozenset[str]
    services: Alternatives

    def __str__(self) -> str:
        extra = f" localpref {self.local_pref}" if self.local_pref else ""
        extra += f" communities {' '.join(sorted(self.communities))}" if self.communities else ""
        return f"{self.family} /{self.length}{extra}"


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes of one pool to one peer. `ambiguous` tells that which of several is in force is not said."""

    routes: frozenset[Route] = frozenset()
    ambiguous: bool = False


def routes_to(
    peer: Peer, advertisements: Sequence[BGPAdvertisement], families: frozenset[Family], reading: Reading
) -> Routes:
    """Give the routes to a peer by those advertisements of a pool that apply on its node."""
    reaching = [entry for entry in advertisements if entry.reaches(peer)]
    ambiguous = False
    grouped: dict[tuple[Family, int, Alternatives], Route] = {}
    for family in carried(peer, families, reading):
        for entry in reaching:
            length, services = entry.length(family), alternatives(entry.service_selectors)
            texts = {str(one) for one in (*entry.communities, *entry.large_communities)}
            route = Route(family, length, entry.localpref if peer.internal else 0, frozenset(texts), services)
            earlier = grouped.get((family, length, services), route)
            if reading.equal_lengths is not EqualLengths.LAST and earlier != route:
                ambiguous |= reading.equal_lengths is EqualLengths.UNDEFINED or earlier.local_pref != route.local_pref
                texts |= earlier.communities
                route = Route(family, length, route.local_pref, frozenset(texts), services)
            grouped[family, length, services] = route
    return Routes(frozenset(grouped.values()), ambiguous)


Answers = frozenset[tuple[frozenset[str], Alternatives, int]]
"""Where a node answers for a pool's addresses: interfaces (none for all of them), for which Services, how preferred."""


def answers_of(advertisements: Sequence[L2Advertisement], applies: Callable[[Alternatives], bool]) -> Answers:
    """Give where a node answers for a pool; nothing at all if it does not."""
    entries: dict[Alternatives, list[L2Advertisement]] = {}
    for entry in advertisements:
        if applies(alternatives(entry.node_selectors)):
            entries.setdefault(alternatives(entry.service_selectors), []).append(entry)
    everywhere = frozenset[str]()
    found = {
        services: (interfaces_of(group), sum(_preference(entry, applies) for entry in group))
        for services, group in entries.items()
    }
    if found.get(frozenset(), (everywhere, 0))[0] is None:  # on all interfaces for all Services
        found = {services: (None, score) for services, (_, score) in found.items() if score or not services}
    return frozenset((names or everywhere, services, score) for services, (names, score) in found.items())


def _preference(entry: L2Advertisement, applies: Callable[[Alternatives], bool]) -> int:
    """Add up what an advertisement prefers a node by, but for what it prefers all nodes by alike."""
    some = alternatives(entry.node_selectors)
    fitting = ((one.weight, alternatives((one.selector,))) for one in entry.preferred)
    return sum(weight for weight, wanted in fitting if applies(wanted) and (wanted or some))
