"""Whether two configurations mean the same, and where not: pools, layer 2, sessions and routes.

Names of advertisements, peers and communities, orders and defaults written out are no part of the meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metalpy.announcement.meaning import alternatives, answers_of, routes_to, session_fields
from metalpy.announcement.owned import owned_by
from metalpy.announcement.places import places_of
from metalpy.model import Family

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from metalpy.announcement.meaning import Alternatives, Reading, Route
    from metalpy.announcement.places import Place
    from metalpy.model import Config, Node, Peer, Pool

_MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which the right configuration means something else than the left.

    `code` is D-POOL, D-ADDR, D-AUTO, D-ALLOC, D-L2, D-ROUTE, D-SESS or D-BFD; A-1 where the one in force of
    several advertisements is not said, U-2 where it depends on nodes that are not known; W-2 is no difference.
    """

    code: str
    object: str
    text: str


@dataclass(frozen=True, slots=True)
class Side:
    """A configuration, and how its daemon reads it."""

    config: Config
    reading: Reading


def differences(
    left: Side, right: Side, *, renamed: Mapping[str, str], nodes: Sequence[Node] | None = None
) -> list[Difference]:
    """Compare what two sides mean. `renamed` are the right names of left pools; others keep theirs."""
    found: dict[Difference, None] = {}
    pairs, missing = _paired_pools(left.config, right.config, renamed)
    found.update(dict.fromkeys(missing))
    for pool, other in pairs:
        found.update(dict.fromkeys(_pool_differences(pool, other)))
    unsure: dict[str, None] = {}
    ignored = _ignored_fields(left.reading, right.reading)
    sessions = _sessions(left.config, ignored), _sessions(right.config, ignored)
    for place in places_of(left.config, right.config, nodes):
        here = list(_differences_at(place, left, right, pairs, sessions))
        if place.certain:
            found.update(dict.fromkeys(here))
        else:
            unsure.update(dict.fromkeys(difference.object for difference in here))
    told = {difference.object for difference in found}
    text = "selectors differ, and whether that matters depends on the nodes, which are not given"
    return [*found, *(Difference("U-2", name, text) for name in unsure if name not in told)]


def _paired_pools(
    left: Config, right: Config, renamed: Mapping[str, str]
) -> tuple[list[tuple[Pool, Pool]], list[Difference]]:
    theirs = {pool.name: pool for pool in right.pools}
    pairs, missing = [], []
    for pool in left.pools:
        other = theirs.pop(renamed.get(pool.name, pool.name), None) or theirs.pop(pool.name, None)
        if other is None:
            missing.append(Difference("D-POOL", f"pool {pool.name}", "is missing"))
        else:
            pairs.append((pool, other))
    return pairs, [*missing, *(Difference("D-POOL", f"pool {name}", "is there in addition") for name in theirs)]


def _pool_differences(pool: Pool, other: Pool) -> Iterator[Difference]:
    name = f"pool {pool.name}"
    if pool.addresses != other.addresses or pool.avoid_buggy_ips != other.avoid_buggy_ips:
        ours, theirs = owned_by(pool), owned_by(other)
        if ours != theirs:
            lost, added = ", ".join(ours.without(theirs)), ", ".join(theirs.without(ours))
            parts = [f"loses {lost}" if lost else "", f"gains {added}" if added else ""]
            if pool.avoid_buggy_ips != other.avoid_buggy_ips:
                parts.append(
                    f"{'no longer ' if pool.avoid_buggy_ips else ''}leaves out addresses that end in .0 and .255"
                )
            yield Difference("D-ADDR", name, "; ".join(part for part in parts if part))
        elif pool.prefixes != other.prefixes:
            yield Difference("W-2", name, "has its addresses in another order, and hands out others first")
    if pool.auto_assign != other.auto_assign:
        yield Difference("D-AUTO", name, f"auto-assign becomes {str(other.auto_assign).lower()}")
    if pool.allocation != other.allocation:
        yield Difference("D-ALLOC", name, "is for other Services: its service allocation differs")


def _differences_at(
    place: Place,
    left: Side,
    right: Side,
    pools: Sequence[tuple[Pool, Pool]],
    sessions: tuple[Sequence[_Session], Sequence[_Session]],
) -> Iterator[Difference]:
    on = f" on {place.name}" if place.name else ""
    for pool, other in pools:
        if pool.layer2 == other.layer2:
            continue
        ours, theirs = answers_of(pool.layer2, place.applies), answers_of(other.layer2, place.applies)
        if ours != theirs:
            text = "is not answered for any more" if not theirs else "is answered for, and was not"
            text = "is answered for on other interfaces or for other Services" if ours and theirs else text
            yield Difference("D-L2", f"pool {pool.name}", f"{text}, by ARP and NDP{on}")
    peers, told = _paired_sessions(place, *sessions, on)
    yield from told
    yield from _route_differences(place, left, right, pools, peers)


# --- sessions ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Session:
    """A session to a peer, on nodes that the alternatives fit; all that counts about it is in its identity."""

    peer: Peer
    wanted: Alternatives
    fields: Mapping[str, Any]
    identity: tuple[Any, ...]


def _sessions(config: Config, ignored: frozenset[str]) -> list[_Session]:
    profiles = {profile.name: profile for profile in config.bfd_profiles}
    sessions = []
    for peer in config.peers:
        fields = {key: value for key, value in session_fields(peer, profiles).items() if key not in ignored}
        sessions.append(_Session(peer, alternatives(peer.node_selectors), fields, tuple(fields.values())))
    return sessions


def _paired_sessions(
    place: Place, left: Sequence[_Session], right: Sequence[_Session], on: str
) -> tuple[list[tuple[Peer, Peer]], list[Difference]]:
    waiting: dict[Any, list[_Session]] = {}
    for session in right:
        if place.applies(session.wanted):
            waiting.setdefault(session.identity, []).append(session)
    pairs, alone = [], []
    for session in left:
        if not place.applies(session.wanted):
            continue
        same = waiting.get(session.identity)
        if same:
            pairs.append((session.peer, same.pop(0).peer))
        else:
            alone.append(session)
    rest = [session for sessions in waiting.values() for session in sessions]
    told = []
    for session in alone:
        similar = next((other for other in rest if other.peer.address == session.peer.address), None)
        name = f"peer {session.peer.address}"
        if similar is None:
            told.append(Difference("D-SESS", name, f"has no session any more{on}"))
            continue
        rest.remove(similar)
        pairs.append((session.peer, similar.peer))
        changed = [key for key, value in session.fields.items() if similar.fields[key] != value]
        code = "D-BFD" if changed == ["BFD"] else "D-SESS"
        told.append(Difference(code, name, f"has another {', '.join(changed)}{on}"))
    told += [Difference("D-SESS", f"peer {other.peer.address}", f"has a session in addition{on}") for other in rest]
    return pairs, told


def _ignored_fields(left: Reading, right: Reading) -> frozenset[str]:
    """Name the fields that do not count: native mode knows no keepalive times, and needs no multihop."""
    ignored = set()
    if not (left.frr and right.frr):
        ignored.add("keepalive time")
    if not left.frr and not right.frr:
        ignored.add("eBGP multihop")
    return frozenset(ignored)


# --- routes --------------------------------------------------------------------------------------------


def _route_differences(
    place: Place,
    left: Side,
    right: Side,
    pools: Sequence[tuple[Pool, Pool]],
    peers: Sequence[tuple[Peer, Peer]],
) -> Iterator[Difference]:
    on = f" on {place.name}" if place.name else ""
    known: dict[object, list[tuple[str, str]]] = {}
    for pool, other in pools:
        if not pool.bgp and not other.bgp:
            continue
        families = frozenset(map(Family.of, pool.prefixes)), frozenset(map(Family.of, other.prefixes))
        shape = pool.bgp, other.bgp, families
        if shape not in known:
            ours = [entry for entry in pool.bgp if place.applies(alternatives(entry.node_selectors))]
            theirs = [entry for entry in other.bgp if place.applies(alternatives(entry.node_selectors))]
            known[shape] = []
            for peer, twin in peers:
                before = routes_to(peer, ours, families[0], left.reading)
                after = routes_to(twin, theirs, families[1], right.reading)
                lost, added = before.routes - after.routes, after.routes - before.routes
                to = f"to peer {peer.address}{on}"
                if after.ambiguous or (before.ambiguous and not (lost or added)):
                    text = "has advertisements of one length of which any may be in force"
                    known[shape].append(("A-1", f"{text}, {to}"))
                elif lost or added:
                    parts = [_shown("loses", lost), _shown("gains", added)]
                    text = "; ".join(part for part in parts if part)
                    known[shape].append(("D-ROUTE", f"{text}, {to}"))
        for code, text in known[shape]:
            yield Difference(code, f"pool {pool.name}", text)


def _shown(verb: str, routes: Iterable[Route]) -> str:
    texts = sorted(str(route) for route in routes)
    more = len(texts) - _MOST_SHOWN
    return f"{verb} {', '.join(texts[:_MOST_SHOWN])}{f' and {more} more' if more > 0 else ''}" if texts else ""
