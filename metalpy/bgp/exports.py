"""The rules by which gobgpd gives its paths to peers, as a set of plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalpy.bgp.paths import BASE
from metalpy.model import Family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from metalpy.announcement.routes import RouteAttributes
    from metalpy.bgp.neighbors import Neighbor
    from metalpy.bgp.paths import Tag
    from metalpy.model import IPAddress


@dataclass(frozen=True, slots=True)
class Export:
    """A path with this tag goes to this peer, with these attributes in place of its own."""

    tag: Tag
    address: IPAddress
    family: Family | None = None
    """Only paths of this family; None for both."""
    next_hop: IPAddress | None = None
    """Instead of the address of our side of the session."""
    attributes: RouteAttributes | None = None


def exports(
    neighbors: Iterable[Neighbor], number: Callable[[IPAddress], int], variants: Mapping[Tag, RouteAttributes]
) -> frozenset[Export]:
    """Give every rule that these sessions and these variants of paths need."""
    attributes: dict[int, dict[Tag, RouteAttributes]] = {}
    for tag, each in variants.items():
        attributes.setdefault(tag[1], {})[tag] = each
    rules = set()
    for neighbor in neighbors:
        peer, own = number(neighbor.address), Family.of(neighbor.address)
        tags: dict[Tag, RouteAttributes | None] = {(BASE, peer): None, **attributes.get(peer, {})}
        for tag, seen in tags.items():
            if neighbor.next_hop is None:
                rules.add(Export(tag, neighbor.address, attributes=seen))
                continue
            for family in neighbor.families:
                next_hop = None if family is own else neighbor.next_hop
                rules.add(Export(tag, neighbor.address, family, next_hop, seen))
    return frozenset(rules)
