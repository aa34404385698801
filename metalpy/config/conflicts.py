"""Advertisements that contradict each other."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from metalpy.model import any_selector_matches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from metalpy.model import BGPAdvertisement, Pool

_IPV4 = 4


def localpref_conflicts(
    pool: Pool, nodes: Sequence[Mapping[str, str]]
) -> Iterator[tuple[BGPAdvertisement, BGPAdvertisement]]:
    """Give pairs of a pool's advertisements, later and earlier, that want one prefix with two preferences.

    That is: the same length in a family that the pool has, on one of the nodes (given by their labels), to a
    common peer. Those with service selectors are not looked at, since it depends on the Services.
    """
    if len(pool.bgp) <= 1:
        return
    versions = {prefix.version for prefix in pool.prefixes}
    plain = [entry for entry in pool.bgp if not entry.service_selectors]
    for earlier, later in combinations(plain, 2):
        if (
            earlier.localpref != later.localpref
            and any(length_of(earlier, version) == length_of(later, version) for version in versions)
            and (earlier.peers is None or later.peers is None or set(earlier.peers) & set(later.peers))
            and any(
                any_selector_matches(earlier.node_selectors, labels)
                and any_selector_matches(later.node_selectors, labels)
                for labels in nodes
            )
        ):
            yield later, earlier


def length_of(advertisement: BGPAdvertisement, version: int) -> int:
    """Give the aggregation length for addresses of one IP version."""
    return advertisement.aggregation_length if version == _IPV4 else advertisement.aggregation_length_v6
