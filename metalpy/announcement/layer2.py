"""Layer 2: which one node answers for a Service's addresses.

The election is that of MetalLB 0.11 and later, so that speakers of both kinds in one cluster agree: of the candidate
nodes the one with the smallest SHA-256 of `node#address` wins, where the address is the Service's first, in
canonical text (RFC 5952). Where advertisements prefer nodes, those with the highest score come first, as in MetalLB's
main branch.
"""

from __future__ import annotations

import hashlib
import heapq
from typing import TYPE_CHECKING

from metalpy.announcement.candidates import EVEN

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from metalpy.announcement.candidates import Scores
    from metalpy.model import Endpoint, IPAddress

_HEAD = 8
"""How many nodes of an order are kept: the rest is asked for only where all of these are away or full."""


def election_order(candidates: Iterable[str], address: IPAddress, scores: Scores = EVEN) -> list[str]:
    """Sort nodes by who should answer for an address, the owner first."""
    return sorted(candidates, key=_rank(address, scores))


class ElectionOrder:
    """The election order of a roster for one address, to be gone through again and again."""

    __slots__ = ("_address", "_head", "_roster", "_scores")

    def __init__(self, roster: Collection[str], address: IPAddress, scores: Scores = EVEN) -> None:
        self._roster = roster
        self._address = address
        self._scores = scores
        self._head = heapq.nsmallest(_HEAD, roster, key=_rank(address, scores))

    def __iter__(self) -> Iterator[str]:
        yield from self._head
        if len(self._head) < len(self._roster):
            yield from election_order(self._roster, self._address, self._scores)[len(self._head) :]


def elected(order: Iterable[str], present: Collection[str], preferred: str) -> str | None:
    """Name the owner: the preferred node if it is present, else the first in order who is."""
    return preferred if preferred in present else next((name for name in order if name in present), None)


def has_usable(endpoints: Sequence[Endpoint] | None) -> bool:
    """Tell whether traffic for a Service has anywhere to go."""
    return any(endpoint.usable for endpoint in endpoints or ())


def _rank(address: IPAddress, scores: Scores) -> Callable[[str], tuple[int, bytes]]:
    text = f"#{address}".encode()
    above = dict(scores)
    return lambda node: (-above.get(node, 0), hashlib.sha256(node.encode() + text).digest())
