"""What a node's router is to do: the sessions it keeps and what each prefix looks like to which of its peers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from metalpy.model import BFDProfile, Community, IPNetwork, LargeCommunity, Peer


@dataclass(frozen=True, slots=True)
class Session:
    """One BGP session that this node keeps, with its BFD profile, if it names one, looked up."""

    peer: Peer
    router_id: IPv4Address
    bfd: BFDProfile | None = None


@dataclass(frozen=True, slots=True)
class RouteAttributes:
    """The attributes of a route that an operator decides (RFC 4271 section 5.1, RFC 1997, RFC 8092)."""

    local_pref: int | None = None
    """None towards other autonomous systems, which never see one (RFC 4271 section 5.1.5)."""
    communities: tuple[Community, ...] = ()
    """Ascending by value, without repetition."""
    large_communities: tuple[LargeCommunity, ...] = ()
    """Likewise."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """How one prefix is announced: which peers see it, with which attributes. No peer is there twice.

    No variants at all mean that the prefix is withdrawn.
    """

    prefix: IPNetwork
    variants: tuple[tuple[RouteAttributes, frozenset[Peer]], ...] = ()
