"""Short ways to write the values that the tests of this directory need."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from metalpy.announcement.routes import Announcement, RouteAttributes, Session
from metalpy.announcement.sessions import carried
from metalpy.model import BFDProfile, Community, Family, LargeCommunity, Peer

if TYPE_CHECKING:
    from metalpy.model import IPNetwork

ROUTER_ID = IPv4Address("10.0.0.1")


def peer(address: str, peer_asn: int = 64512, my_asn: int = 64500, **fields: Any) -> Peer:
    return Peer(my_asn, peer_asn, ip_address(address), **fields)


def session(peer: Peer, router_id: IPv4Address = ROUTER_ID, bfd: BFDProfile | None = None) -> Session:
    return Session(peer, router_id, bfd, carried(peer, Family))


def attributes(
    local_pref: int | None = None, *communities: int, large: tuple[int, int, int] | None = None
) -> RouteAttributes:
    larges = (LargeCommunity(*large),) if large else ()
    return RouteAttributes(local_pref, tuple(Community(each) for each in communities), larges)


def announcement(prefix: str, *variants: tuple[RouteAttributes, set[Peer]]) -> Announcement:
    return Announcement(network(prefix), tuple((each, frozenset(peers)) for each, peers in variants))


def network(text: str) -> IPNetwork:
    return ip_network(text)
