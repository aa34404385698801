"""What reflectors feed: JSON objects become model values at once, and only what really changed is reported."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog

from metalpy.cluster.interface import (
    Change,
    ConfigChanged,
    EndpointsChanged,
    NodeChanged,
    ServiceChanged,
    SpeakerPodChanged,
)
from metalpy.cluster.objects import (
    config_from,
    endpoints_from_endpoints,
    endpoints_from_slice,
    node_from,
    service_from,
    speaker_pod_from,
)
from metalpy.cluster.reading import json_value, read
from metalpy.cluster.resources import Json, resource_from
from metalpy.cluster.shapes import NamedObject
from metalpy.errors import ClusterError, ManifestError
from metalpy.model import Endpoint, Node, ObjectKey, Service, SpeakerPod

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import msgspec

Value = TypeVar("Value")
Report = Callable[[Hashable, Change], None]

_log = structlog.get_logger()


class _ValueSink(Generic[Value]):
    """Keeps the model values of one kind of object, by key; subclasses say how to read and what to report."""

    kind = ""

    def __init__(self, report: Report) -> None:
        self._report_change = report
        self._values: dict[ObjectKey, Value] = {}

    def read(self, obj: msgspec.Raw) -> Value:
        raise NotImplementedError

    def changed(self, key: ObjectKey, before: Value | None, after: Value | None) -> None:
        raise NotImplementedError

    def decode(self, objects: Iterable[msgspec.Raw]) -> dict[ObjectKey, Value | None]:
        """Read objects by their keys; None for one that cannot be read."""
        values: dict[ObjectKey, Value | None] = {}
        for obj in objects:
            key = _key(obj)
            try:
                values[key] = self.read(obj)
            except ManifestError as error:
                _log.error("an object cannot be read, its last readable form stays", op="watch", error=str(error))
                values[key] = None
        return values

    def replace(self, values: Mapping[ObjectKey, Value | None]) -> None:
        """Take in everything that there is."""
        for key in sorted(self._values.keys() - values.keys()):
            self._set(key, None)
        self._set_readable(values)

    def put(self, obj: msgspec.Raw) -> None:
        """Take in one object."""
        self._set_readable(self.decode([obj]))

    def _set_readable(self, values: Mapping[ObjectKey, Value | None]) -> None:
        for key, value in values.items():
            if value is not None:
                self._set(key, value)

    def remove(self, obj: msgspec.Raw) -> None:
        """Take in that one object is gone."""
        self._set(_key(obj), None)

    def report(self, key: Hashable, change: Change) -> None:
        """Pass a change on; a later one of the same kind and key takes its place."""
        self._report_change((self.kind, key), change)

    def _set(self, key: ObjectKey, after: Value | None) -> None:
        before = self._values.get(key)
        if before == after:
            return
        if after is None:
            del self._values[key]
        else:
            self._values[key] = after
        self.changed(key, before, after)


def _key(obj: msgspec.Raw) -> ObjectKey:
    """Give namespace and name, unchecked. Raises `ClusterError` where there is none: then it is no object at all."""
    try:
        metadata = read("object", obj, NamedObject).metadata
    except ManifestError as error:
        raise ClusterError(str(error)) from error
    if metadata is None or not metadata.name:
        raise ClusterError(f"an object without a name: {bytes(obj)!r:.200}")
    return ObjectKey(metadata.namespace or "", metadata.name)


class ServiceSink(_ValueSink[Service]):
    """Services."""

    kind = "Service"

    def read(self, obj: msgspec.Raw) -> Service:
        """Read one."""
        return service_from(obj)

    def changed(self, key: ObjectKey, before: Service | None, after: Service | None) -> None:
        """Report it."""
        del before
        self.report(key, ServiceChanged(key, after))


class NodeSink(_ValueSink[Node]):
    """Nodes."""

    kind = "Node"

    def read(self, obj: msgspec.Raw) -> Node:
        """Read one."""
        return node_from(obj)

    def changed(self, key: ObjectKey, before: Node | None, after: Node | None) -> None:
        """Report it."""
        del before
        self.report(key, NodeChanged(key.name, after))


class SpeakerPodSink(_ValueSink[SpeakerPod]):
    """Pods of speakers."""

    kind = "Pod"

    def read(self, obj: msgspec.Raw) -> SpeakerPod:
        """Read one."""
        return speaker_pod_from(obj)

    def changed(self, key: ObjectKey, before: SpeakerPod | None, after: SpeakerPod | None) -> None:
        """Report it."""
        del before
        self.report(key, SpeakerPodChanged(key, after))


class ConfigSink(_ValueSink[ConfigChanged]):
    """The ConfigMap of one name, on behalf of `chosen`, which knows whether another one comes before it."""

    kind = "ConfigMap"

    def __init__(self, chosen: Callable[[ObjectKey, ConfigChanged | None], None]) -> None:
        super().__init__(lambda _key, _change: None)
        self._chosen = chosen

    def read(self, obj: msgspec.Raw) -> ConfigChanged:
        """Read one."""
        return config_from(obj)

    def changed(self, key: ObjectKey, before: ConfigChanged | None, after: ConfigChanged | None) -> None:
        """Pass it on."""
        del before
        self._chosen(key, after)


class ResourceSink(_ValueSink[Json]):
    """Objects of one kind and version as they are; `noted` is called when one became another."""

    def __init__(self, kind: str, version: str, noted: Callable[[], None]) -> None:
        super().__init__(lambda _key, _change: None)
        self.kind = kind
        self._version = version
        self._noted = noted

    @property
    def objects(self) -> Collection[Json]:
        """All that there are."""
        return self._values.values()

    def read(self, obj: msgspec.Raw) -> Json:
        """Take what is read of one."""
        return resource_from(json_value(obj), self.kind, self._version)

    def changed(self, key: ObjectKey, before: Json | None, after: Json | None) -> None:
        """Say so."""
        del key, before, after
        self._noted()


class EndpointsSink(_ValueSink[tuple[Endpoint, ...]]):
    """Endpoints objects: one a Service, of its name."""

    kind = "Endpoints"

    def read(self, obj: msgspec.Raw) -> tuple[Endpoint, ...]:
        """Read one."""
        return endpoints_from_endpoints(obj)[1]

    def changed(self, key: ObjectKey, before: tuple[Endpoint, ...] | None, after: tuple[Endpoint, ...] | None) -> None:
        """Report it."""
        del before
        self.report(key, EndpointsChanged(key, after))


_Slice = tuple[ObjectKey | None, tuple[Endpoint, ...]]


class SliceSink(_ValueSink[_Slice]):
    """EndpointSlices: any number a Service, named by a label."""

    kind = "EndpointSlice"

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self._by_service: dict[ObjectKey, dict[ObjectKey, tuple[Endpoint, ...]]] = defaultdict(dict)

    def read(self, obj: msgspec.Raw) -> _Slice:
        """Read one."""
        return endpoints_from_slice(obj)

    def changed(self, key: ObjectKey, before: _Slice | None, after: _Slice | None) -> None:
        """Report all endpoints of the Services that it belonged and belongs to."""
        for service in {side[0] for side in (before, after) if side and side[0]}:
            slices = self._by_service[service]
            slices.pop(key, None)
            if after and after[0] == service:
                slices[key] = after[1]
            if not slices:
                del self._by_service[service]
            endpoints = tuple(endpoint for name in sorted(slices) for endpoint in slices[name])
            self.report(service, EndpointsChanged(service, endpoints if slices else None))
