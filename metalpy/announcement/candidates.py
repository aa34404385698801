"""Layer 2: which nodes may answer for a Service's addresses, before one of them is elected.

A node may be kept out for good, by what operators and pods say (labels, selectors, subnets, endpoints), or away for
a while (its speaker is dead, it has no network). The first decides the *roster*, the second who of it is *present*.
"""

from __future__ import annotations

import enum
import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from metalpy.model import EXCLUDE_LABEL, any_selector_matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metalpy.announcement.announceable import Announceable
    from metalpy.announcement.speakers import Speakers
    from metalpy.model import Endpoint, IPAddress, IPNetwork, L2Advertisement, Node, Service


@dataclass(frozen=True, slots=True)
class Rules:
    """What an operator chose for layer 2: the same on every speaker, or two nodes answer for one address."""

    ignore_exclude_label: bool = False
    """Nodes labelled out of load balancing are candidates all the same."""
    subnet_aware: bool = False
    """An address in a subnet that nodes list is answered for by one of those nodes only."""
    spread: bool = False
    """No node holds more than its share of the addresses."""


class Obstacle(enum.StrEnum):
    """Why a node may not answer."""

    NODE_GONE = "memberGone"
    NODE_NOT_READY = "nodeNotReady"
    NODE_WITHOUT_NETWORK = "nodeNetworkUnavailable"
    NODE_EXCLUDED = "nodeExcluded"
    NOT_SELECTED = "configChanged"
    NO_ENDPOINT = "endpointsMoved"


@lru_cache(maxsize=4096)
def subnets_of(text: str) -> tuple[IPNetwork, ...]:
    """Read a node's `metalpy.io/subnets`. Raises `ValueError` that names what is no subnet."""
    subnets = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        try:
            subnets.append(ipaddress.ip_network(entry, strict=False))
        except ValueError:
            raise ValueError(f"{entry!r} is no subnet: want CIDRs with commas between, as 192.168.1.0/24") from None
    return tuple(subnets)


Scores = frozenset[tuple[str, int]]
"""Nodes and how much they are preferred; those that are not have no score."""
EVEN: Scores = frozenset()


class Rosters:
    """Gives rosters while nodes and their labels stay as they are: what Services have in common is looked up once."""

    def __init__(self, speakers: Speakers, rules: Rules) -> None:
        self._speakers = speakers
        self._rules = rules
        self._selected: dict[tuple[L2Advertisement, ...], frozenset[str]] = {}
        self._scores: dict[tuple[L2Advertisement, ...], Scores] = {}
        self._listed = _nodes_by_subnet(speakers.nodes.values()) if rules.subnet_aware else {}
        self._narrowed: dict[frozenset[str], frozenset[str]] = {}
        """One object for equal rosters: they are many and hashed often."""

    def roster(self, service: Service, announced: Announceable, endpoints: Sequence[Endpoint] | None) -> frozenset[str]:
        """Name the nodes that may answer whenever they are present.

        With externalTrafficPolicy Local these have a usable endpoint. A node labelled out of load balancing is none
        (as in MetalLB since 0.14) unless that label is ignored. If any node lists a subnet that contains the
        Service's first address, and rosters are subnet-aware, only such nodes are.
        """
        roster = self._of_pool(_for_service(announced.pool.layer2, service))
        if self._listed and (inside := self._inside(announced.addresses[0])) is not None:
            roster &= inside
        if service.external_traffic_policy == "Local":
            roster &= {endpoint.node for endpoint in endpoints or () if endpoint.usable}
        return self._narrowed.setdefault(roster, roster)

    def _of_pool(self, layer2: tuple[L2Advertisement, ...]) -> frozenset[str]:
        found = self._selected.get(layer2)
        if found is None:
            names = self._speakers.names
            found = frozenset(name for name in names if self._obstacle_of(name, layer2) is None)
            self._selected[layer2] = found
        return found

    def _inside(self, address: IPAddress) -> frozenset[str] | None:
        """Name the nodes that list a subnet with this address in it; None if no node does."""
        found = [names for subnet, names in self._listed.items() if address in subnet]
        return frozenset().union(*found) if found else None

    def _obstacle_of(self, name: str, layer2: Iterable[L2Advertisement]) -> Obstacle | None:
        labels = self._speakers.labels(name)
        if EXCLUDE_LABEL in labels and not self._rules.ignore_exclude_label:
            return Obstacle.NODE_EXCLUDED
        if not any(any_selector_matches(entry.node_selectors, labels) for entry in layer2):
            return Obstacle.NOT_SELECTED
        return None

    def obstacle(self, name: str, service: Service, announced: Announceable, roster: frozenset[str]) -> Obstacle | None:
        """Tell what keeps a node from answering; None if nothing does."""
        if away := self._away(name):
            return away
        if name in roster:
            return None
        kept_out = self._obstacle_of(name, _for_service(announced.pool.layer2, service))
        if kept_out is None and service.external_traffic_policy == "Local":
            inside = self._inside(announced.addresses[0]) if self._listed else None
            if inside is None or name in inside:
                return Obstacle.NO_ENDPOINT
        return kept_out or Obstacle.NOT_SELECTED

    def scores(self, service: Service, announced: Announceable) -> Scores:
        """Add up how much advertisements prefer nodes that they select themselves."""
        layer2 = announced.pool.layer2
        if not any(entry.preferred for entry in layer2):
            return EVEN
        entries = _for_service(layer2, service)
        found = self._scores.get(entries)
        if found is None:
            scores = ((name, self._score(name, entries)) for name in self._speakers.names)
            found = self._scores[entries] = frozenset((name, score) for name, score in scores if score)
        return found

    def _score(self, name: str, entries: Iterable[L2Advertisement]) -> int:
        labels = self._speakers.labels(name)
        selecting = (entry for entry in entries if any_selector_matches(entry.node_selectors, labels))
        return sum(one.weight for entry in selecting for one in entry.preferred if one.selector.matches(labels))

    def interfaces(self, name: str, service: Service, announced: Announceable) -> frozenset[str] | None:
        """Name the interfaces on which a node answers if it is elected; None for every one. The election ignores them.

        Only the advertisements that select the node say so.
        """
        layer2 = announced.pool.layer2
        if not any(entry.interfaces for entry in layer2):
            return None
        labels = self._speakers.labels(name)
        entries = _for_service(layer2, service)
        return interfaces_of(entry for entry in entries if any_selector_matches(entry.node_selectors, labels))

    def present(self, roster: frozenset[str]) -> frozenset[str]:
        """Name those of a roster who are there: their speakers alive, their network available (MetalLB 0.13.10)."""
        return frozenset(name for name in roster & self._speakers.alive if self._away(name) is None)

    def _away(self, name: str) -> Obstacle | None:
        node = self._speakers.nodes.get(name)
        if name not in self._speakers.alive:
            return Obstacle.NODE_GONE if node is None or node.ready else Obstacle.NODE_NOT_READY
        return Obstacle.NODE_WITHOUT_NETWORK if node and node.network_unavailable else None


def interfaces_of(advertisements: Iterable[L2Advertisement]) -> frozenset[str] | None:
    """Unite the interfaces of advertisements, as MetalLB since 0.13.6; None for every one, where one names none."""
    united: frozenset[str] = frozenset()
    for entry in advertisements:
        if not entry.interfaces:
            return None
        united |= frozenset(entry.interfaces)
    return united


def _for_service(layer2: tuple[L2Advertisement, ...], service: Service) -> tuple[L2Advertisement, ...]:
    """Give the advertisements that are for a Service.

    One with selectors is not for Services that share an address (MetalLB since 0.16): two nodes would answer for it.
    """
    if not any(entry.service_selectors for entry in layer2):
        return layer2
    labels = dict(service.labels)
    # Where there are such selectors, the newer annotations count, too.
    shares = service.sharing_key or service.newer.sharing_key
    return tuple(
        entry
        for entry in layer2
        if not entry.service_selectors or (not shares and any_selector_matches(entry.service_selectors, labels))
    )


def _nodes_by_subnet(nodes: Iterable[Node]) -> Mapping[IPNetwork, frozenset[str]]:
    """Tell which nodes list which subnet. A list that cannot be read counts as none; somebody else says so."""
    found: dict[IPNetwork, set[str]] = {}
    for node in nodes:
        try:
            subnets = subnets_of(node.subnets)
        except ValueError:
            continue
        for subnet in subnets:
            found.setdefault(subnet, set()).add(node.name)
    return {subnet: frozenset(names) for subnet, names in found.items()}
