"""Which Services a pool of custom resources is for, and in which order pools are tried for one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalpy.model import any_selector_matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metalpy.allocation.demand import Demand
    from metalpy.model import Pool, ServiceAllocation


def fits(pool: Pool, demand: Demand, namespaces: Mapping[str, Mapping[str, str]]) -> bool:
    """Tell whether a Service may have addresses of a pool. `namespaces` are the labels of those that there are.

    Selectors that no namespace fits restrict nothing, as in MetalLB; such a pool is only never chosen by itself.
    """
    allocation = pool.allocation
    if allocation is None:
        return True
    named = _namespaces_of(allocation, namespaces)
    if named and demand.key.namespace not in named:
        return False
    return any_selector_matches(allocation.service_selectors, dict(demand.labels))


def by_turn(pools: Iterable[Pool], demand: Demand, namespaces: Mapping[str, Mapping[str, str]]) -> list[Pool]:
    """Give the pools that a Service may get addresses of without asking, in the order in which they are tried.

    Those that are pinned to it come first, by priority, 0 being the last of them.
    """
    fitting = [
        pool
        for pool in pools
        if pool.auto_assign and fits(pool, demand, namespaces) and not _waits_for_namespaces(pool, namespaces)
    ]
    return sorted(fitting, key=_rank)


def _rank(pool: Pool) -> tuple[bool, bool, int]:
    if pool.allocation is None:
        return True, False, 0
    return False, pool.allocation.priority == 0, pool.allocation.priority


def _waits_for_namespaces(pool: Pool, namespaces: Mapping[str, Mapping[str, str]]) -> bool:
    allocation = pool.allocation
    return bool(allocation and allocation.namespace_selectors and not _namespaces_of(allocation, namespaces))


def _namespaces_of(allocation: ServiceAllocation, namespaces: Mapping[str, Mapping[str, str]]) -> set[str]:
    named = set(allocation.namespaces)
    if allocation.namespace_selectors:
        named |= {
            name for name, labels in namespaces.items() if any_selector_matches(allocation.namespace_selectors, labels)
        }
    return named
