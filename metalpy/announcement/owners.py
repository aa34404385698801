"""Layer 2: the owners of all addresses at once, kept up to date as Services, pods and nodes change.

Owned is an address, not a Service: Services whose first address is the same, and whose rosters are, have the same
owner by construction. What they say about it is put together so that every speaker understands the same, in
whatever order it heard of them: the oldest Service that prefers a node is heard, and the address is as old as the
oldest. A Service without a usable endpoint is not announced, but its address keeps its place: somebody else's
failing pods are no reason for an address to move.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from metalpy.announcement.candidates import Rosters, Rules
from metalpy.announcement.causes import Cause, Standing, cause
from metalpy.announcement.layer2 import ElectionOrder, elected, has_usable
from metalpy.announcement.speakers import Speakers
from metalpy.announcement.spread import Bid, spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metalpy.announcement.announceable import Announceable
    from metalpy.announcement.candidates import Scores
    from metalpy.model import Endpoint, IPAddress, ObjectKey, Service

_NOBODY = Standing()


class _Claim(NamedTuple):
    """What one Service says about its address."""

    service: Service
    announced: Announceable
    endpoints: tuple[Endpoint, ...]


class _Lot(NamedTuple):
    """What is owned: an address, among the nodes of a roster, some of which may be preferred."""

    address: IPAddress
    roster: frozenset[str]
    scores: Scores


@dataclass(slots=True)
class _Holding:
    """One lot: the Services that it is for, and how it stands with it."""

    keys: set[ObjectKey]
    order: ElectionOrder
    bid: Bid
    standing: Standing = _NOBODY


class Owners:
    """Owners by the rules of `rules`. Changes take effect with `settle`."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._speakers = Speakers(frozenset(), {})
        self._rosters = Rosters(self._speakers, rules)
        self._present: dict[frozenset[str], frozenset[str]] = {}
        self._claims: dict[ObjectKey, _Claim] = {}
        self._lots: dict[ObjectKey, _Lot] = {}
        self._holdings: dict[_Lot, _Holding] = {}
        self._by_roster: defaultdict[frozenset[str], set[_Lot]] = defaultdict(set)
        self._changed: set[ObjectKey] = set()
        self._unsettled: set[_Lot] = set()
        self._uneven: set[frozenset[str]] = set()
        """Rosters of which all lots are to be decided anew."""
        self._causes: dict[ObjectKey, tuple[str, Cause]] = {}

    def put(self, service: Service, announced: Announceable, endpoints: Sequence[Endpoint] | None) -> None:
        """Take in how a Service is now."""
        claim = _Claim(service, announced, tuple(endpoints or ()))
        if self._claims.get(service.key) != claim:
            self._claims[service.key] = claim
            self._changed.add(service.key)

    def drop(self, key: ObjectKey) -> None:
        """Take in that a Service is gone, or no longer for this protocol."""
        if self._claims.pop(key, None):
            self._changed.add(key)

    def see(self, speakers: Speakers) -> None:
        """Take in which nodes there are, and which are alive."""
        if speakers == self._speakers:
            return
        if _lasting(speakers) != _lasting(self._speakers):
            self._changed.update(self._claims)
        self._speakers = speakers
        self._rosters = Rosters(speakers, self._rules)
        before, self._present = self._present, {}
        for roster in self._by_roster:
            if self._present_of(roster) != before.get(roster):
                self._uneven.add(roster)

    def owner(self, key: ObjectKey) -> str | None:
        """Name the node that answers for a Service; None if none may, or it has no usable endpoint."""
        claim, lot = self._claims.get(key), self._lots.get(key)
        if claim is None or lot is None or not has_usable(claim.endpoints):
            return None
        return self._holdings[lot].standing.owner

    def interfaces(self, key: ObjectKey, node: str) -> frozenset[str] | None:
        """Name the interfaces on which a node answers for a Service if it owns it; None for every one."""
        claim = self._claims.get(key)
        return self._rosters.interfaces(node, claim.service, claim.announced) if claim else None

    def gained(self, key: ObjectKey) -> tuple[str, Cause] | None:
        """Tell which node owned a Service's address before the last `settle`, and why it does not any more.

        None if its owner is the same, or it had none.
        """
        return self._causes.get(key)

    def settle(self) -> set[ObjectKey]:
        """Put what changed in force. Returns the Services that have changed, or whose owner has."""
        self._causes.clear()
        touched, self._changed = self._changed, set()
        before = {key: (lot.address, self._holdings[lot].standing) for key in touched if (lot := self._lots.get(key))}
        for key in touched:
            self._place(key)
        moved: set[ObjectKey] = set()
        for lot, standing in self._standings():
            holding = self._holdings[lot]
            if standing.owner != holding.standing.owner:
                moved |= holding.keys
                before |= {key: (lot.address, holding.standing) for key in holding.keys if key not in before}
            holding.standing = standing
        for key, (address, standing) in before.items():
            self._note_cause(key, address, standing)
        self._unsettled.clear()
        self._uneven.clear()
        return moved | touched

    def _place(self, key: ObjectKey) -> None:
        """Move a Service to the lot that it belongs to now."""
        claim, before = self._claims.get(key), self._lots.get(key)
        after = self._lot(claim) if claim else None
        if before and before != after:
            self._leave(key, before)
        if after is None:
            return
        self._lots[key] = after
        holding = self._holdings.get(after)
        if holding is None:
            order = ElectionOrder(after.roster, after.address, after.scores)
            holding = self._holdings[after] = _Holding(set(), order, Bid(after.address, order))
            self._by_roster[after.roster].add(after)
            self._unsettle(after)
        holding.keys.add(key)
        self._bid(after, holding)

    def _lot(self, claim: _Claim) -> _Lot:
        scores = self._rosters.scores(claim.service, claim.announced)
        return _Lot(claim.announced.addresses[0], self._rosters.roster(*claim), scores)

    def _leave(self, key: ObjectKey, lot: _Lot) -> None:
        del self._lots[key]
        holding = self._holdings[lot]
        holding.keys.discard(key)
        if holding.keys:
            self._bid(lot, holding)
            return
        del self._holdings[lot]
        lots = self._by_roster[lot.roster]
        lots.discard(lot)
        self._unsettle(lot)
        if not lots:
            del self._by_roster[lot.roster]
            self._present.pop(lot.roster, None)

    def _unsettle(self, lot: _Lot) -> None:
        """Have a lot decided anew, and what else of its roster depends on it."""
        if self._rules.spread:
            self._uneven.add(lot.roster)
        else:
            self._unsettled.add(lot)

    def _bid(self, lot: _Lot, holding: _Holding) -> None:
        """Put together what a lot's Services say about it."""
        services = [self._claims[key].service for key in holding.keys if key in self._claims]
        services.sort(key=lambda one: (one.created, one.key))
        preferred = next((one.preferred_node for one in services if one.preferred_node), "")
        bid = Bid(lot.address, holding.order, services[0].created if services else "", preferred)
        if bid != holding.bid:
            holding.bid = bid
            self._unsettle(lot)

    def _standings(self) -> Iterable[tuple[_Lot, Standing]]:
        """Decide anew how it stands with what is unsettled."""
        for roster in self._uneven & self._by_roster.keys():
            lots, present = self._by_roster[roster], self._present_of(roster)
            if self._rules.spread:
                owners = spread([self._holdings[lot].bid for lot in lots], roster, present)
                for lot in lots:
                    bid = self._holdings[lot].bid
                    yield lot, Standing(owners.get(lot.address), present, bid.preferred, lot.scores)
            else:
                self._unsettled.update(lots)
        for lot in self._unsettled & self._holdings.keys():
            bid, present = self._holdings[lot].bid, self._present_of(lot.roster)
            yield lot, Standing(elected(bid.order, present, bid.preferred), present, bid.preferred, lot.scores)

    def _present_of(self, roster: frozenset[str]) -> frozenset[str]:
        found = self._present.get(roster)
        if found is None:
            found = self._present[roster] = self._rosters.present(roster)
        return found

    def _note_cause(self, key: ObjectKey, address: IPAddress, before: Standing) -> None:
        lot = self._lots.get(key)
        if lot is None or lot.address != address or before.owner is None:
            return
        after = self._holdings[lot].standing
        if after.owner is None or after.owner == before.owner:
            return
        claim = self._claims[key]
        obstacle = self._rosters.obstacle(before.owner, claim.service, claim.announced, lot.roster)
        self._causes[key] = before.owner, cause(before, after, obstacle)


def _lasting(speakers: Speakers) -> dict[str, object]:
    """Give what rosters follow from."""
    nodes = speakers.nodes
    return {name: (node.labels, node.subnets) if (node := nodes.get(name)) else None for name in speakers.names}
