"""All manifest files together: which object counts, whose endpoints are whose, which ConfigMap is the one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import structlog

from metalpy.cluster.interface import (
    AnyConfigChanged,
    Change,
    ConfigChanged,
    EndpointsChanged,
    NodeChanged,
    ResourcesChanged,
    ServiceChanged,
)
from metalpy.cluster.manifest_objects import EndpointSet
from metalpy.cluster.resources import gone, resource_set
from metalpy.config.source import chosen as chosen_config
from metalpy.model import Endpoint, Node, Service

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from metalpy.cluster.manifest_objects import ConfigScope, Identity, ManifestObject
    from metalpy.model import Ingress, ObjectKey

log = structlog.get_logger()

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class FileObjects:
    """The objects of one file. One that is just away is not `is_present`."""

    objects: tuple[ManifestObject, ...]
    is_present: bool = True


@dataclass(frozen=True, slots=True)
class View:
    """What the manifests say, with the status that Services were written with."""

    services: Mapping[ObjectKey, Service] = field(default_factory=dict)
    endpoints: Mapping[ObjectKey, tuple[Endpoint, ...]] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    config: AnyConfigChanged | None = None
    duplicates: frozenset[tuple[Identity, str, str]] = frozenset()
    is_read: bool = True
    """False before the directory could be read for the first time."""


EMPTY_VIEW = View(is_read=False)


_BESIDE = ("Secret", "Namespace")
"""Kinds of objects that custom resources speak of."""


def view_of(files: Iterable[FileObjects], scope: ConfigScope, before: View) -> View:
    """Put the files together, given in the order of their paths: the first to have an object wins.

    One warning names both places of an object that is there twice, unless the view before had it already.
    """
    chosen: dict[Identity, ManifestObject] = {}
    duplicates: set[tuple[Identity, str, str]] = set()
    for file in sorted(files, key=lambda file: not file.is_present):
        for entry in file.objects:
            first = chosen.setdefault(entry.identity, entry)
            if first is not entry and file.is_present:
                duplicate = (entry.identity, _file_of(first.place), _file_of(entry.place))
                if duplicate not in before.duplicates | duplicates:
                    _warn_of_duplicate(first, entry)
                duplicates.add(duplicate)
    services = [entry.value for entry in chosen.values() if isinstance(entry.value, Service)]
    nodes = [entry.value for entry in chosen.values() if isinstance(entry.value, Node)]
    return View(
        services={service.key: service for service in services},
        endpoints=_endpoints(chosen),
        nodes={node.name: node for node in nodes},
        config=chosen_config(scope.source, _configmap(chosen, scope), _resources(chosen, scope)),
        duplicates=frozenset(duplicates),
    )


class StatusOverlay:
    """Lays the statuses that were written over what the manifests say, keeping objects that stay the same."""

    def __init__(self) -> None:
        self._written: dict[ObjectKey, tuple[Service, Service]] = {}

    def laid_over(self, view: View, statuses: Mapping[ObjectKey, tuple[Ingress, ...]]) -> View:
        """Give the view with the statuses of `statuses`; where there is none, the manifest's own one stays."""
        services: dict[ObjectKey, Service] = {}
        written: dict[ObjectKey, tuple[Service, Service]] = {}
        for key, service in view.services.items():
            ingress = statuses.get(key, service.ingress)
            if ingress == service.ingress:
                services[key] = service
                continue
            known = self._written.get(key)
            if known is None or known[0] is not service or known[1].ingress != ingress:
                known = service, replace(service, ingress=ingress)
            written[key] = known
            services[key] = known[1]
        self._written = written
        return replace(view, services=services)


def changes_between(before: View, after: View) -> list[Change]:
    """Give what makes the one view the other: the configuration and nodes first, then endpoints, Services."""
    changes: list[Change] = []
    if after.config is not None and after.config != before.config:
        changes.append(after.config)
    elif after.config is None and before.config is not None:
        changes.append(gone(before.config))
    changes += (NodeChanged(*pair) for pair in _different(before.nodes, after.nodes))
    changes += (EndpointsChanged(*pair) for pair in _different(before.endpoints, after.endpoints))
    changes += (ServiceChanged(*pair) for pair in _different(before.services, after.services))
    return changes


def _different(before: Mapping[Key, Value], after: Mapping[Key, Value]) -> Iterator[tuple[Key, Value | None]]:
    for key, value in after.items():
        known = before.get(key)
        if known is not value and known != value:
            yield key, value
    for key in before:
        if key not in after:
            yield key, None


def _endpoints(chosen: Mapping[Identity, ManifestObject]) -> dict[ObjectKey, tuple[Endpoint, ...]]:
    """Merge the slices of each Service; an Endpoints object counts only where there is no slice."""
    whole: dict[ObjectKey, set[Endpoint]] = {}
    sliced: dict[ObjectKey, set[Endpoint]] = {}
    for (kind, _), entry in chosen.items():
        value = entry.value
        if isinstance(value, EndpointSet) and value.service is not None:
            found = sliced if kind == "EndpointSlice" else whole
            found.setdefault(value.service, set()).update(value.endpoints)
    return {
        service: tuple(sorted(endpoints, key=lambda each: (each.address, each.node, each.ready)))
        for service, endpoints in (whole | sliced).items()
    }


def _resources(chosen: Mapping[Identity, ManifestObject], scope: ConfigScope) -> ResourcesChanged:
    found = {identity: entry.value for identity, entry in chosen.items() if isinstance(entry.value, dict)}
    beside = {kind: [found.pop(identity) for identity in list(found) if identity[0] == kind] for kind in _BESIDE}
    return resource_set(scope.namespace, found.values(), beside["Secret"], namespaces=beside["Namespace"])


def _configmap(chosen: Mapping[Identity, ManifestObject], scope: ConfigScope) -> ConfigChanged | None:
    for key in scope.keys:
        entry = chosen.get(("ConfigMap", key))
        if entry is not None and isinstance(entry.value, ConfigChanged):
            return entry.value
    return None


def _file_of(place: str) -> str:
    return place.rsplit(":", 1)[0]


def _warn_of_duplicate(first: ManifestObject, second: ManifestObject) -> None:
    kind, key = first.identity
    name = key.name if kind == "Node" else str(key)
    log.warning(
        "an object is there twice: the first one counts",
        op="readManifest",
        event_name="manifestDuplicate",
        object=f"{kind} {name}",
        file=first.place,
        ignored=second.place,
    )
