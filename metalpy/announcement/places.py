"""Where two configurations are compared: the kinds of nodes that their selectors tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalpy.announcement.meaning import Alternatives, alternatives

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metalpy.model import Config, LabelSelector, Node


@dataclass(frozen=True, slots=True)
class Place:
    """Nodes that the selectors do not tell apart. `certain` is false where the place may well not exist."""

    name: str
    fitting: frozenset[Alternatives]
    certain: bool = True

    def applies(self, wanted: Alternatives) -> bool:
        """Tell whether selectors fit these nodes."""
        return not wanted or wanted in self.fitting


def places_of(left: Config, right: Config, nodes: Sequence[Node] | None) -> list[Place]:
    """Give the places that matter; without nodes, imagined ones.

    There, selectors that both configurations have are tried one by one, and those that only one has are taken to
    fit, so that a difference is one whatever the nodes; further, uncertain places are where these do not fit.
    """
    if nodes is not None:
        return _real(_selectors(left) | _selectors(right), nodes)
    ours, theirs = _selectors(left), _selectors(right)
    both, single = frozenset(map(alternatives, ours)), frozenset(map(alternatives, theirs))
    shared, odd = (both & single) - {frozenset()}, (both ^ single) - {frozenset()}
    certain = {odd, odd | shared, *(odd | {one} for one in shared)}
    uncertain = {shared, frozenset[Alternatives](), *(frozenset({one}) for one in odd)} if odd else set()
    return [Place("", fitting) for fitting in certain] + [
        Place("", fitting, certain=False) for fitting in uncertain - certain
    ]


def _real(selectors: set[tuple[LabelSelector, ...]], nodes: Sequence[Node]) -> list[Place]:
    named: dict[frozenset[Alternatives], list[str]] = {}
    for node in nodes:
        labels = dict(node.labels)
        fitting = frozenset(alternatives(wanted) for wanted in selectors if any(one.matches(labels) for one in wanted))
        named.setdefault(fitting, []).append(node.name)
    return [Place(_listed(names), fitting) for fitting, names in named.items()]


def _selectors(config: Config) -> set[tuple[LabelSelector, ...]]:
    return set(_each_selector(config))


def _each_selector(config: Config) -> Iterator[tuple[LabelSelector, ...]]:
    for peer in config.peers:
        yield peer.node_selectors
    for pool in config.pools:
        for l2 in pool.layer2:
            yield l2.node_selectors
            yield from ((one.selector,) for one in l2.preferred)
        for bgp in pool.bgp:
            yield bgp.node_selectors


def _listed(names: Sequence[str]) -> str:
    first = ", ".join(names[:3])
    more = len(names) - 3
    return f"{first} and {more} more nodes" if more > 0 else first
