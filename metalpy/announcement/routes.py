"""What a node's router is to do: the sessions it keeps and what each prefix looks like to which of its peers."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalpy.model import BFDProfile, Community, Family, IPNetwork, LargeCommunity, Peer

if TYPE_CHECKING:
    from ipaddress import IPv4Address

RESERVED_ADMINISTRATOR = 4_200_000_000
"""Of large communities: tells the router which peers may have a route, and never leaves the node (RFC 6996)."""


@dataclass(frozen=True, slots=True)
class Session:
    """One BGP session that this node keeps, with its BFD profile, if it names one, looked up."""

    peer: Peer
    router_id: IPv4Address
    bfd: BFDProfile | None = None
    """Every interval and the multiplier given; nothing in it that the router cannot do."""
    families: tuple[Family, ...] = ()
    """What it carries, IPv4 first."""


@dataclass(frozen=True, slots=True)
class RouteAttributes:
    """The attributes of a route that an operator decides (RFC 4271 section 5.1, RFC 1997, RFC 8092)."""

    local_pref: int | None = None
    """None towards other autonomous systems, which never see one (RFC 4271 section 5.1.5)."""
    communities: tuple[Community, ...] = ()
    """Ascending by value, without repetition."""
    large_communities: tuple[LargeCommunity, ...] = ()
    """Likewise."""

    @property
    def order(self) -> tuple[int, tuple[int, ...], tuple[LargeCommunity, ...]]:
        """Give what attributes are sorted by."""
        local_pref = -1 if self.local_pref is None else self.local_pref
        return local_pref, tuple(community.value for community in self.communities), self.large_communities

    def united(self, other: RouteAttributes) -> RouteAttributes:
        """Merge two wishes for one route to one peer: the higher preference, all communities of both."""
        preferences = [wish.local_pref for wish in (self, other) if wish.local_pref is not None]
        return RouteAttributes(
            max(preferences, default=None),
            ascending((*self.communities, *other.communities)),
            tuple(sorted({*self.large_communities, *other.large_communities})),
        )


Variants = tuple[tuple[RouteAttributes, frozenset[Peer]], ...]
"""The attributes that a prefix is announced with and the peers that see them, ascending by attributes."""

Routes = Mapping[IPNetwork, Variants]
"""What one Service wants announced. No variants are empty."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """How one prefix is announced: which peers see it, with which attributes. No peer is there twice.

    No variants at all mean that the prefix is withdrawn.
    """

    prefix: IPNetwork
    variants: Variants = ()


def audience(routes: Routes) -> tuple[str, ...]:
    """Name the peers that see any of the routes, ascending; one without a name by its address."""
    return _names(tuple(routes.values()))


@functools.lru_cache(64)  # those of one pool are alike, and ten thousand Services may have one
def _names(of: tuple[Variants, ...]) -> tuple[str, ...]:
    peers = (peer for variants in of for _, audience in variants for peer in audience)
    return tuple(sorted({peer.name or str(peer.address) for peer in peers}))


def ascending(communities: tuple[Community, ...]) -> tuple[Community, ...]:
    """Sort communities by value, each once."""
    return tuple(sorted(set(communities), key=lambda community: community.value))


def variants_of(wishes: Mapping[Peer, RouteAttributes]) -> Variants:
    """Group peers by what they are to see."""
    audiences: dict[RouteAttributes, list[Peer]] = {}
    for peer, attributes in wishes.items():
        audiences.setdefault(attributes, []).append(peer)
    ordered = sorted(audiences, key=lambda attributes: attributes.order)
    return tuple((attributes, frozenset(audiences[attributes])) for attributes in ordered)
