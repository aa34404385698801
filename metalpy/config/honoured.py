"""What custom resources can say and a daemon cannot do: refused, never passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalpy.config.resource_objects import POOL
from metalpy.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metalpy.model import Config

_NAMESPACES = (
    "cannot be honoured here, as reading Namespaces is not granted: grant list and watch on namespaces to the "
    "controller and start it anew, or list the names under `namespaces`"
)


def without_namespaces(config: Config, namespace: str) -> Iterator[Problem]:
    """Give the fields that need the labels of Namespaces, each by its object; read from resources of `namespace`."""
    for pool in config.pools:
        if pool.allocation and pool.allocation.namespace_selectors:
            path = f"{POOL} {namespace}/{pool.name}: spec.serviceAllocation.namespaceSelectors"
            yield Problem(0, 0, path, "", _NAMESPACES)
