"""Model values for the tests of the routes, in few words."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from metalpy.announcement.announceable import Announceable, Withheld
from metalpy.announcement.bgp import RoutePlan
from metalpy.announcement.sessions import Capabilities, sessions
from metalpy.model import (
    AddressRange,
    BGPAdvertisement,
    Community,
    Config,
    Endpoint,
    LargeCommunity,
    Node,
    ObjectKey,
    Peer,
    Pool,
    Service,
    parse_address,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metalpy.announcement.routes import Announcement, Routes

NODE = Node("node1", (("rack", "1"),))
EBGP = Peer(64600, 64601, ip_address("10.9.0.1"), dual_stack=True)
IBGP = Peer(64600, 64600, ip_address("10.9.0.2"), dual_stack=True)
READY = (Endpoint("10.1.0.1", node="node2"),)

Seen = dict[str, tuple[int | None, tuple[str, ...]]]
"""What a peer sees: prefix → local preference and communities, large ones behind the others."""


def community(text: str) -> Community:
    high, low = text.split(":")
    return Community(int(high) << 16 | int(low), text)


def large(text: str) -> LargeCommunity:
    administrator, data1, data2 = map(int, text.split(":"))
    return LargeCommunity(administrator, data1, data2, text)


def advertisement(length: int = 32, v6: int = 128, *communities: str, **fields: Any) -> BGPAdvertisement:
    values = tuple(map(community, communities))
    return BGPAdvertisement(aggregation_length=length, aggregation_length_v6=v6, communities=values, **fields)


def pool(*advertisements: BGPAdvertisement, name: str = "p") -> Pool:
    entries = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/112"))
    return Pool(name, (AddressRange(entries),), bgp=advertisements or (BGPAdvertisement(),))


def service(name: str = "web", **fields: Any) -> Service:
    return Service(ObjectKey("default", name), **fields)


def announced(pool: Pool, *addresses: str) -> Announceable:
    return Announceable(tuple(parse_address(text) for text in addresses or ("192.0.2.10",)), pool)


def plan(*peers: Peer, node: Node = NODE, ignore_exclude_label: bool = False) -> RoutePlan:
    config = Config(peers=peers or (EBGP, IBGP))
    kept = sessions(config, node, Capabilities(bfd=True), IPv4Address("10.9.0.11"))
    assert kept.refused == ()
    return RoutePlan(node, kept.sessions, ignore_exclude_label=ignore_exclude_label)


def routes(
    pool: Pool,
    *addresses: str,
    peers: Sequence[Peer] = (),
    of: Service | None = None,
    endpoints: Sequence[Endpoint] | None = READY,
    **fields: Any,
) -> Routes:
    """Give the routes of a Service, which must be announced."""
    found = plan(*peers, **fields).routes(of or service(), announced(pool, *addresses), endpoints)
    assert not isinstance(found, Withheld), found.reason
    return found


def seen_by(peer: Peer, routes: Routes | Iterable[Announcement]) -> Seen:
    """Give what a peer sees; it must not see a prefix twice."""
    entries = routes.items() if isinstance(routes, Mapping) else [(entry.prefix, entry.variants) for entry in routes]
    seen: Seen = {}
    for prefix, variants in entries:
        for attributes, peers in variants:
            if peer in peers:
                assert str(prefix) not in seen
                texts = (*map(str, attributes.communities), *map(str, attributes.large_communities))
                seen[str(prefix)] = attributes.local_pref, texts
    return seen
