"""Who answers for a Service that is alone in its cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalpy.announcement.candidates import Rules
from metalpy.announcement.owners import Owners
from metalpy.announcement.speakers import Speakers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metalpy.announcement.announceable import Announceable
    from metalpy.model import Endpoint, Node, Service


def owner(
    service: Service,
    announced: Announceable,
    endpoints: Sequence[Endpoint] | None,
    alive: frozenset[str],
    nodes: Mapping[str, Node],
    *,
    ignore_exclude_label: bool = False,
) -> str | None:
    """Name the node; None if no node may."""
    owners = Owners(Rules(ignore_exclude_label=ignore_exclude_label))
    owners.see(Speakers(alive, nodes))
    owners.put(service, announced, endpoints)
    owners.settle()
    return owners.owner(service.key)
