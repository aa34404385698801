"""What a speaker has heard of its cluster, and what of that it has not yet acted on."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import structlog

from metalpy.allocation.demand import is_ours
from metalpy.announcement.candidates import subnets_of
from metalpy.cluster.interface import (
    ConfigChanged,
    ConfigSynced,
    EndpointsChanged,
    NodeChanged,
    ResourcesChanged,
    ServiceChanged,
    SpeakerPodChanged,
    Synced,
)

if TYPE_CHECKING:
    from metalpy.cluster.interface import AnyConfigChanged, Change
    from metalpy.model import Endpoint, Node, ObjectKey, Service, SpeakerPod

_log = structlog.get_logger()


class Surroundings:
    """The Services of one class, and all endpoints, nodes and speakers' Pods."""

    def __init__(self, lb_class: str = "") -> None:
        self._lb_class = lb_class
        self.services: dict[ObjectKey, Service] = {}
        self.endpoints: dict[ObjectKey, tuple[Endpoint, ...]] = {}
        self.nodes: dict[str, Node] = {}
        self.pods: dict[ObjectKey, SpeakerPod] = {}
        self.config: AnyConfigChanged | None = None
        """The newest configuration, if it came since somebody last took it away from here."""
        self.dirty: set[ObjectKey] = set()
        """Services to look at anew."""
        self.config_synced = False
        self.synced = False

    def note(self, change: Change) -> None:
        """Take in one change."""
        match change:
            case ServiceChanged(key, service):
                self.dirty.add(key)
                _set(self.services, key, service if service and is_ours(service, self._lb_class) else None)
            case EndpointsChanged(key, endpoints):
                self.dirty.add(key)
                _set(self.endpoints, key, endpoints)
            case NodeChanged(name, node):
                self._check_subnets(self.nodes.get(name), node)
                _set(self.nodes, name, node)
            case SpeakerPodChanged(key, pod):
                _set(self.pods, key, pod)
            case ConfigChanged() | ResourcesChanged():
                self.config = change
            case ConfigSynced():
                self.config_synced = True
            case Synced():
                self.synced = True
                self.dirty.update(self.services)

    @staticmethod
    def _check_subnets(before: Node | None, after: Node | None) -> None:
        """Say so, once, where the subnets that a node lists cannot be read: it then lists none."""
        if after is None or (before and before.subnets == after.subnets):
            return
        try:
            subnets_of(after.subnets)
        except ValueError as error:
            _log.warning("metalpy.io/subnets is passed over", op="watch", node=after.name, error=str(error))


Key = TypeVar("Key")
Value = TypeVar("Value")


def _set(values: dict[Key, Value], key: Key, value: Value | None) -> None:
    if value is None:
        values.pop(key, None)
    else:
        values[key] = value
