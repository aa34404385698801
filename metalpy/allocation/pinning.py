"""Pools that are for some Services only: whom they fit, and when they are tried (MetalLB since 0.13.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalpy.model import any_selector_matches

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalpy.allocation.demand import Demand
    from metalpy.allocation.pools import PoolSpace
    from metalpy.model import Pool


def fits(pool: Pool, demand: Demand) -> bool:
    """Tell whether a pool is for a demand's Service, by its namespace and labels."""
    pinned = pool.allocation
    if pinned is None:
        return True
    if pinned.namespaces and demand.key.namespace not in pinned.namespaces:
        return False
    return any_selector_matches(pinned.service_selectors, dict(demand.labels))


def in_order_of_trial(spaces: Iterable[PoolSpace], demand: Demand) -> list[PoolSpace]:
    """Give the pools that assign to a Service by themselves: those pinned to it first, by priority, 0 last."""
    return sorted((space for space in spaces if _offers(space.pool) and fits(space.pool, demand)), key=_turn)


def _offers(pool: Pool) -> bool:
    """Tell whether a pool assigns by itself: not where it is for namespaces, none of which is there."""
    pinned = pool.allocation
    return pool.auto_assign and not (pinned and pinned.namespace_selectors and not pinned.namespaces)


def _turn(space: PoolSpace) -> tuple[bool, bool, int]:
    pinned = space.pool.allocation
    priority = pinned.priority if pinned else 0
    return pinned is None, priority == 0, priority
