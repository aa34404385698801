"""Layer 2, opt-in: which one node answers for each address, when no node is to hold more than its share.

All speakers must agree from the cluster's state alone, without memory. So every address first gets a *home* among
all nodes of its roster, present or not; an address whose home is away is a *guest* of a node that is present. Homes
and guests go, oldest first, to the first node in the election's order that has not got its share.

What is guaranteed, for addresses of one roster of which none prefers a node:

- No node holds more than the fair share: addresses through nodes present, rounded up.
- Whichever nodes come and go, an address whose home is present is at home. So a node's leaving moves its own
  addresses, and its return moves them back; and while no other node is away that is all that moves. While others
  are away, their guests may move too.
- A new address moves no other one, but where it lets the share grow by one: then some may move to nodes that come
  earlier in their order. A deleted address may let others move up.

No rule without memory does better: say c >= 2 addresses a node, on 2c + 2 nodes or more. If leaving moved nothing but
the leaver's own, two addresses that go to one node when their homes leave alone would both be there when both
homes have left, and that node would hold c + 2, where c + 1 is the share. So at most one address could have each
node as its second, and there are more addresses than nodes.

An address that prefers a node of the roster has its home there, whatever the node's share. Share then means the
lowest level to which the other addresses fill the nodes up. Addresses of different rosters do not share nodes
evenly: each roster's addresses are spread by themselves.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from metalpy.model import IPAddress


@dataclass(frozen=True, slots=True)
class Bid:
    """An address in search of a node: who created it when, which node it prefers, and in which order it asks."""

    address: IPAddress
    order: Iterable[str]
    """The election order of the roster, the owner first."""
    created: str = ""
    preferred: str = ""

    @property
    def precedence(self) -> tuple[str, int, int]:
        """The older first; among equals by address."""
        return self.created, self.address.version, int(self.address)


def spread(bids: Iterable[Bid], roster: Collection[str], present: Collection[str]) -> dict[IPAddress, str]:
    """Give each address its node; empty where nobody is present. `present` is part of `roster`."""
    if not present:
        return {}
    by_age = sorted(bids, key=lambda bid: bid.precedence)
    homes = {bid.address: bid.preferred for bid in by_age if bid.preferred in roster}
    _fill([bid for bid in by_age if bid.address not in homes], roster, homes)
    held = {address: home for address, home in homes.items() if home in present}
    _fill([bid for bid in by_age if bid.address not in held], present, held)
    return held


def _fill(bids: Sequence[Bid], nodes: Collection[str], held: dict[IPAddress, str]) -> None:
    """Add the bids to what the nodes hold, evenly."""
    if not bids:
        return
    load = Counter(held.values())
    level = _level([load[node] for node in nodes], len(bids))
    room = {node for node in nodes if load[node] < level}
    for bid in bids:
        node = next(name for name in bid.order if name in room)
        held[bid.address] = node
        load[node] += 1
        if load[node] == level:
            room.discard(node)


def _level(loads: Sequence[int], more: int) -> int:
    """Give the lowest level to which nodes of these loads can be filled so that `more` fit in."""
    poured = 0
    ascending = sorted(loads)
    for count, load in enumerate(ascending, 1):
        poured += load
        level = -(-(poured + more) // count)
        if count == len(ascending) or level <= ascending[count]:
            return level
    raise ValueError("there are no nodes")
