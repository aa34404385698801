"""Layer 2: which one node answers for a Service's addresses.

The election is that of MetalLB 0.11 and later, so that speakers of both kinds in one cluster agree: of the candidate
nodes the one with the smallest SHA-256 of `node#address` wins, where the address is the Service's first, in
canonical text (RFC 5952).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from metalpy.model import any_selector_matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metalpy.announcement.announceable import Announceable
    from metalpy.model import Endpoint, IPAddress, Node, Service


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
) -> str | None:
    """Name the node that answers for a Service's addresses; None if no node may.

    `alive` are the nodes whose speakers are alive. No node may while no endpoint is ready; with
    externalTrafficPolicy Local only nodes with a ready endpoint may. `nodes` gives the labels that the pool's
    advertisements select by; a node it does not know has none.
    """
    ready = [endpoint for endpoint in endpoints or () if endpoint.ready]
    if not ready:
        return None
    candidates = alive
    if service.external_traffic_policy == "Local":
        candidates &= {endpoint.node for endpoint in ready}
    selected = (name for name in candidates if _is_selected(nodes.get(name), announced))
    return next(iter(election_order(selected, announced.addresses[0])), None)


def _is_selected(node: Node | None, announced: Announceable) -> bool:
    labels = dict(node.labels) if node else {}
    return any(any_selector_matches(entry.node_selectors, labels) for entry in announced.pool.layer2)
