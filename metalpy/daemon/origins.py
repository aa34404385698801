"""Where a configuration comes from: how it is read, and on which objects its authors are told what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from metalpy.cluster.interface import ConfigChanged, ResourcesChanged
from metalpy.config.configmap import config_text
from metalpy.config.honoured import without_namespaces
from metalpy.config.legacy import parse_legacy
from metalpy.config.references import place_of, secret_named_by
from metalpy.config.resource_objects import BASIC_AUTH, PEER, POOL, object_of
from metalpy.config.resource_peers import Surroundings
from metalpy.config.resources import parse_resource_objects
from metalpy.config.source import has_pool
from metalpy.errors import ConfigError
from metalpy.model import Event, ObjectKey, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from metalpy.cluster.interface import AnyConfigChanged
    from metalpy.config.legacy import ParsedConfig
    from metalpy.errors import Problem

Component = Literal["metallb-controller", "metallb-speaker"]
_STAYS = "the last good configuration stays in force: "


class Origin(Protocol):
    """One state of a configuration, as the cluster reported it."""

    @property
    def place(self) -> dict[str, str]:
        """What log lines say about where it is."""
        ...

    @property
    def is_there(self) -> bool:
        """Whether there is any."""
        ...

    def parse(self) -> ParsedConfig:
        """Read it. Raises `ConfigError`."""
        ...

    def invalid(self, problems: Sequence[Problem]) -> list[Event]:
        """Make the Events that say what is wrong in it."""
        ...

    def tell(self, reason: str, message: str, component: Component = "metallb-controller") -> list[Event]:
        """Make the Events that warn of something about it as a whole."""
        ...


def origin_of(change: AnyConfigChanged) -> Origin:
    """Give the origin that a change is about."""
    return ConfigMapOrigin(change) if isinstance(change, ConfigChanged) else ResourcesOrigin(change)


class ConfigMapOrigin:
    """A ConfigMap."""

    def __init__(self, change: ConfigChanged) -> None:
        self._change = change
        self.place = {"configmap": str(change.key)}
        self.is_there = change.data is not None

    def parse(self) -> ParsedConfig:
        """Read the text in it."""
        return parse_legacy(config_text(self._change.data or {}))

    def invalid(self, problems: Sequence[Problem]) -> list[Event]:
        """Tell it on the ConfigMap."""
        lines = "; ".join(problem.describe() for problem in problems)
        return self.tell("ConfigInvalid", _STAYS + lines)

    def tell(self, reason: str, message: str, component: Component = "metallb-controller") -> list[Event]:
        """Tell it on the ConfigMap."""
        change = self._change
        return [Event("ConfigMap", change.key, Severity.WARNING, reason, message, component, change.uid)]


class ResourcesOrigin:
    """A set of custom resources. Without a pool it counts as none: MetalLB would clear every Service for it."""

    def __init__(self, change: ResourcesChanged) -> None:
        self._change = change
        places = ((place_of(obj), obj) for obj in change.objects)
        self._objects = {(kind, ObjectKey(namespace, name)): obj for (kind, namespace, name), obj in places}
        self.place = {"resources": change.namespace}
        self.is_there = has_pool(change.objects)

    def parse(self) -> ParsedConfig:
        """Read all of them, and refuse what cannot be honoured."""
        namespace = self._change.namespace
        objects = list(self._change.objects)
        if self._change.secrets_unseen:
            objects += (_stand_in(namespace, name) for obj in objects if (name := secret_named_by(obj)))
        parsed = parse_resource_objects(objects, Surroundings(namespace))
        if self._change.namespaces_unseen and (problems := list(without_namespaces(parsed.config, namespace))):
            raise ConfigError(problems, parsed.warnings)
        return parsed

    def invalid(self, problems: Sequence[Problem]) -> list[Event]:
        """Tell it on each object that has errors."""
        lines: dict[tuple[str, ObjectKey], list[str]] = {}
        for problem in problems:
            if found := object_of(problem.path):
                lines.setdefault(found, []).append(_line(problem))
        return [self._event(*found, "ConfigInvalid", _STAYS + "; ".join(lines[found])) for found in sorted(lines)]

    def tell(self, reason: str, message: str, component: Component = "metallb-controller") -> list[Event]:
        """Tell it on the BGPPeers where a speaker of BGP warns, else on the pools."""
        about = PEER if reason.startswith("BGP") else POOL
        return [self._event(*found, reason, message, component) for found in self._objects if found[0] == about]

    def _event(
        self, kind: str, key: ObjectKey, reason: str, message: str, component: Component = "metallb-controller"
    ) -> Event:
        obj = self._objects.get((kind, key), {})
        uid, version = obj.get("metadata", {}).get("uid", ""), obj.get("apiVersion", "")
        return Event(kind, key, Severity.WARNING, reason, message, component, uid, version)


def _line(problem: Problem) -> str:
    return ": ".join(part for part in (problem.path, problem.value, problem.text) if part)


def _stand_in(namespace: str, name: str) -> dict[str, Any]:
    """Make a Secret to take the place of one that this daemon does not read and has no use for."""
    metadata = {"namespace": namespace, "name": name}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": BASIC_AUTH,
        "stringData": {"password": "-"},
    }
