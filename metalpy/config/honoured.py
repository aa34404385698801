"""What custom resources can say and metalpy cannot do: refused by the daemons, never passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalpy.config.resource_objects import POOL
from metalpy.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metalpy.model import Config, Pool

_NAMESPACES = "cannot be honoured here, where labels of namespaces are not read: list the names under `namespaces`"


def not_honoured(config: Config, namespace: str) -> Sequence[Problem]:
    """List the fields that a daemon must refuse, each by its object; read from resources of this namespace."""
    found = {problem: None for pool in config.pools for problem in _in_pool(pool, namespace)}
    return tuple(found)


def _in_pool(pool: Pool, namespace: str) -> Iterator[Problem]:
    if pool.allocation and pool.allocation.namespace_selectors:
        path = f"{POOL} {namespace}/{pool.name}: spec.serviceAllocation.namespaceSelectors"
        yield Problem(0, 0, path, "", _NAMESPACES)
