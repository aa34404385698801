"""BGP: which prefixes a node announces for a Service, to which of its peers and with which attributes.

Every node announces, other than in layer 2: with externalTrafficPolicy Local those with a healthy endpoint, else
all of them. The reasons against are the words that MetalLB's speakers log.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalpy.announcement.announceable import Withheld
from metalpy.announcement.routes import RESERVED_ADMINISTRATOR, RouteAttributes, Variants, ascending, variants_of
from metalpy.model import EXCLUDE_LABEL, Family, any_selector_matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from metalpy.announcement.announceable import Announceable
    from metalpy.announcement.routes import Routes, Session
    from metalpy.model import BGPAdvertisement, Endpoint, IPAddress, IPNetwork, Node, Peer, Pool, Service

MOST_COMMUNITIES = 63
"""Of one advertisement, as in MetalLB: 252 bytes of an attribute whose length has one byte (RFC 4271 section 4.3)."""

_NETWORKS: dict[Family, type[IPNetwork]] = {
    Family.IPV4: ipaddress.IPv4Network,
    Family.IPV6: ipaddress.IPv6Network,
}
_Lengths = dict[Family, tuple[tuple[int, Variants], ...]]


@dataclass(frozen=True, slots=True)
class RefusedAdvertisement:
    """An advertisement that yields no routes, what is wrong and what would be right. `index` counts from 0."""

    pool: str
    index: int
    name: str
    reason: str

    def __str__(self) -> str:
        return f"pool {self.pool!r}: BGP advertisement {self.name or self.index}: {self.reason}"


def refused_advertisements(pools: Iterable[Pool]) -> tuple[RefusedAdvertisement, ...]:
    """List the advertisements that yield no routes; the others of their pools do."""
    return tuple(
        RefusedAdvertisement(pool.name, index, advertisement.name, reason)
        for pool in pools
        for index, advertisement in enumerate(pool.bgp)
        if (reason := _reason_against(advertisement))
    )


def _reason_against(advertisement: BGPAdvertisement) -> str:
    count = len(set(advertisement.communities))
    if count > MOST_COMMUNITIES:
        return f"has {count} communities: one route can have {MOST_COMMUNITIES}"
    for community in advertisement.large_communities:
        if community.global_administrator == RESERVED_ADMINISTRATOR:
            return (
                f"large community {community} is reserved, as all of administrator {RESERVED_ADMINISTRATOR}: they "
                "steer the router and never leave the node; take another number"
            )
    return ""


class RoutePlan:
    """What a node's Services become on its sessions: a pure function of these, with what repeats kept at hand.

    Node labels, sessions and pools as they stand; make a new one when they change.
    """

    def __init__(self, node: Node, sessions: Sequence[Session], *, ignore_exclude_label: bool = False) -> None:
        self._node = node
        self._labels = dict(node.labels)
        self._sessions = tuple(sessions)
        self._excluded = EXCLUDE_LABEL in self._labels and not ignore_exclude_label
        self._pools: dict[str, _PoolPlan] = {}

    def routes(
        self, service: Service, announced: Announceable, endpoints: Sequence[Endpoint] | None
    ) -> Routes | Withheld:
        """Give the routes of a Service, or why this node announces none.

        A node does not announce while its network is unavailable (as in MetalLB since 0.13.10), nor if it is
        labelled out of load balancing (since 0.14) unless that label is ignored. `notOwner`: no advertisement of
        the pool selects this node and this Service. Routes may be none where no session can carry them.
        """
        if self._node.network_unavailable:
            return Withheld("nodeNetworkUnavailable")
        if self._excluded:
            return Withheld("nodeLabeledExcludeBalancers")
        lengths = self._pool(announced.pool).lengths(service)
        if lengths is None:
            return Withheld("notOwner")
        if reason := _endpoints_against(service, endpoints or (), self._node.name):
            return Withheld(reason)
        return {
            _aggregate(address, family, length): variants
            for address in announced.addresses
            for family in (Family.of(address),)
            for length, variants in lengths[family]
        }

    def _pool(self, pool: Pool) -> _PoolPlan:
        plan = self._pools.get(pool.name)
        if plan is None or plan.pool is not pool:
            plan = self._pools[pool.name] = _PoolPlan(pool, self._labels, self._sessions)
        return plan


class _PoolPlan:
    """One pool on this node: what is announced of an address of each family."""

    def __init__(self, pool: Pool, labels: Mapping[str, str], sessions: tuple[Session, ...]) -> None:
        self.pool = pool
        self._sessions = sessions
        self._here = tuple(entry for entry in pool.bgp if any_selector_matches(entry.node_selectors, labels))
        self._is_for_all = not any(entry.service_selectors for entry in self._here)
        self._known: dict[tuple[int, ...], _Lengths] = {}

    def lengths(self, service: Service) -> _Lengths | None:
        """Give the aggregation lengths and their variants for this Service; None if no advertisement is for it."""
        chosen = tuple(range(len(self._here)))
        if not self._is_for_all:
            labels = dict(service.labels)
            chosen = tuple(i for i in chosen if any_selector_matches(self._here[i].service_selectors, labels))
        if not chosen:
            return None
        if chosen not in self._known:
            entries = tuple(self._here[i] for i in chosen)
            self._known[chosen] = {family: tuple(self._variants(entries, family)) for family in Family}
        return self._known[chosen]

    def _variants(self, entries: Iterable[BGPAdvertisement], family: Family) -> Iterator[tuple[int, Variants]]:
        """Give what each length looks like to whom.

        Of a legacy pool's entries with one length the last counts, as in MetalLB 0.12's own speakers. Objects
        have names and no order: theirs are united.
        """
        wishes: dict[int, dict[Peer, RouteAttributes]] = {}
        for entry in entries:
            if _reason_against(entry):
                continue
            length = entry.length(family)
            for session in self._sessions:
                if family in session.families and entry.reaches(session.peer):
                    wish, earlier = _attributes(entry, session.peer), wishes.get(length, {}).get(session.peer)
                    united = wish if earlier is None or not entry.name else earlier.united(wish)
                    wishes.setdefault(length, {})[session.peer] = united
        return ((length, variants_of(by_peer)) for length, by_peer in wishes.items())


def _attributes(advertisement: BGPAdvertisement, peer: Peer) -> RouteAttributes:
    """Give the attributes towards a peer. Unset, the preference is 0 towards our own system, as in MetalLB."""
    return RouteAttributes(
        local_pref=advertisement.localpref if peer.internal else None,
        communities=ascending(advertisement.communities),
        large_communities=tuple(sorted(set(advertisement.large_communities))),
    )


def _aggregate(address: IPAddress, family: Family, length: int) -> IPNetwork:
    return _NETWORKS[family]((int(address), length), strict=False)


def _endpoints_against(service: Service, endpoints: Sequence[Endpoint], node: str) -> str:
    """Tell why the endpoints forbid announcing. One that is anywhere listed as not usable does not count.

    So a pod of which one port is not ready takes no traffic from a router, though layer 2 is content with it.
    """
    is_local = service.external_traffic_policy == "Local"
    unusable = {endpoint.address for endpoint in endpoints if not endpoint.usable}
    for endpoint in endpoints:
        if endpoint.usable and endpoint.address not in unusable and not (is_local and endpoint.node != node):
            return ""
    return "noLocalEndpoints" if is_local else "noEndpoints"
