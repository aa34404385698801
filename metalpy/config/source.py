"""Which of the two forms of a configuration counts, where both may be there: they are never merged."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from metalpy.config.resource_objects import POOL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class ConfigSource(enum.StrEnum):
    """Where the configuration is. `AUTO`: in custom resources only if there is no ConfigMap, but a pool."""

    CONFIGMAP = "configmap"
    CRS = "crs"
    AUTO = "auto"

    @property
    def reads_configmap(self) -> bool:
        """Tell whether the ConfigMap is looked at."""
        return self is not ConfigSource.CRS

    @property
    def reads_resources(self) -> bool:
        """Tell whether custom resources are looked at."""
        return self is not ConfigSource.CONFIGMAP


class ResourceSet(Protocol):
    """A set of custom resources, as decoded JSON."""

    @property
    def objects(self) -> Sequence[Mapping[str, Any]]:
        """All of them."""
        ...


Text = TypeVar("Text")
Resources = TypeVar("Resources", bound=ResourceSet)


def has_pool(objects: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether there is an IPAddressPool: custom resources without one count as no configuration."""
    return any(obj["kind"] == POOL for obj in objects)


def chosen(source: ConfigSource, configmap: Text | None, resources: Resources | None) -> Text | Resources | None:
    """Tell which of the two is the configuration; None while there is none."""
    match source:
        case ConfigSource.CONFIGMAP:
            return configmap
        case ConfigSource.CRS:
            return resources
        case ConfigSource.AUTO:
            return configmap or (resources if resources and has_pool(resources.objects) else None)
