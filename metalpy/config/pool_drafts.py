"""Pools of custom resources while their advertisements, which are objects of their own, are looked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from metalpy.model import Pool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metalpy.config.pool_addresses import Entry
    from metalpy.config.resource_objects import Resource
    from metalpy.model import BGPAdvertisement, L2Advertisement, ServiceAllocation

Advertisement = TypeVar("Advertisement")


@dataclass(slots=True)
class Draft:
    """A pool without its advertisements, and those that were found so far."""

    resource: Resource
    entries: Sequence[Entry]
    auto_assign: bool
    avoid_buggy_ips: bool
    allocation: ServiceAllocation | None
    layer2: list[L2Advertisement] = field(default_factory=list)
    bgp: list[BGPAdvertisement] = field(default_factory=list)
    _labels: Mapping[str, str] | None = None

    def labels(self) -> Mapping[str, str]:
        """Give the pool's labels, which are read once, and not at all where nothing selects pools by them."""
        if self._labels is None:
            self._labels = self.resource.labels()
        return self._labels

    def pool(self) -> Pool:
        """Give the pool."""
        return Pool(
            name=self.resource.key.name,
            addresses=tuple(entry.addresses for entry in self.entries),
            auto_assign=self.auto_assign,
            avoid_buggy_ips=self.avoid_buggy_ips,
            layer2=_without_repeats(self.layer2),
            bgp=_without_repeats(self.bgp),
            allocation=self.allocation,
        )


def _without_repeats(advertisements: Sequence[Advertisement]) -> tuple[Advertisement, ...]:
    """Leave out those that mean the same as an earlier one."""
    return tuple(dict.fromkeys(advertisements)) if len(advertisements) > 1 else tuple(advertisements)
