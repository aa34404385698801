"""Advertisements that contradict each other."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from metalpy.model import Family, any_selector_matches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from metalpy.model import BGPAdvertisement, Pool


def localpref_conflicts(
    pool: Pool, nodes: Sequence[Mapping[str, str]]
) -> Iterator[tuple[BGPAdvertisement, BGPAdvertisement]]:
    """Give pairs of a pool's advertisements, later and earlier, that want one prefix with two preferences.

    That is: the same length in a family that the pool has, on one of the nodes (given by their labels), to a
    common peer. Those with service selectors are not looked at, since it depends on the Services.
    """
    if len(pool.bgp) <= 1:
        return
    families = {Family.of(prefix) for prefix in pool.prefixes}
    plain = [entry for entry in pool.bgp if not entry.service_selectors]
    for earlier, later in combinations(plain, 2):
        if (
            earlier.localpref != later.localpref
            and any(earlier.length(family) == later.length(family) for family in families)
            and (earlier.peers is None or later.peers is None or set(earlier.peers) & set(later.peers))
            and any(
                any_selector_matches(earlier.node_selectors, labels)
                and any_selector_matches(later.node_selectors, labels)
                for labels in nodes
            )
        ):
            yield later, earlier
