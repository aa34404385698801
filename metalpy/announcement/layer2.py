"""Layer 2: which one node answers for a Service's addresses.

The election is that of MetalLB 0.11 and later, so that speakers of both kinds in one cluster agree: of the candidate
nodes the one with the smallest SHA-256 of `node#address` wins, where the address is the Service's first, in
canonical text (RFC 5952).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from metalpy.model import EXCLUDE_LABEL, Node, any_selector_matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metalpy.announcement.announceable import Announceable
    from metalpy.model import Endpoint, IPAddress, Service


def election_order(candidates: Iterable[str], address: IPAddress) -> list[str]:
    """Sort nodes by who should answer for an address, the owner first."""
    text = str(address)
    return sorted(candidates, key=lambda node: hashlib.sha256(f"{node}#{text}".encode()).digest())


def owner(
    service: Service,
    announced: Announceable,
    endpoints: Sequence[Endpoint] | None,
    alive: frozenset[str],
    nodes: Mapping[str, Node],
    *,
    ignore_exclude_label: bool = False,
) -> str | None:
    """Name the node that answers for a Service's addresses; None if no node may.

    `alive` are the nodes whose speakers are alive. No node may while no endpoint is usable; with
    externalTrafficPolicy Local only nodes with a usable endpoint may. A node may not while its network is
    unavailable (as in MetalLB since 0.13.10), nor if it is labelled out of load balancing (since 0.14) unless
    that label is ignored. A node that `nodes` does not know has no labels and a network.
    """
    usable = [endpoint for endpoint in endpoints or () if endpoint.usable]
    if not usable:
        return None
    candidates = alive
    if service.external_traffic_policy == "Local":
        candidates &= {endpoint.node for endpoint in usable}
    fit = (
        name
        for name in candidates
        if _may_announce(nodes.get(name, Node(name)), announced, ignore_exclude_label=ignore_exclude_label)
    )
    return next(iter(election_order(fit, announced.addresses[0])), None)


def _may_announce(node: Node, announced: Announceable, *, ignore_exclude_label: bool) -> bool:
    labels = dict(node.labels)
    if node.network_unavailable or (EXCLUDE_LABEL in labels and not ignore_exclude_label):
        return False
    return any(any_selector_matches(entry.node_selectors, labels) for entry in announced.pool.layer2)
