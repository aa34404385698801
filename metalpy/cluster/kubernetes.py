"""A cluster that lives on an API server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from metalpy.cluster.api_events import EventRecorder
from metalpy.cluster.api_resources import ApiResources
from metalpy.cluster.api_session import CONFLICT, NOT_FOUND, ApiError, ApiSession
from metalpy.cluster.api_sinks import ConfigSink, EndpointsSink, NodeSink, ServiceSink, SliceSink, SpeakerPodSink
from metalpy.cluster.api_states import ApiStates
from metalpy.cluster.interface import (
    AnyConfigChanged,
    ConfigChanged,
    ConfigSynced,
    Synced,
)
from metalpy.cluster.objects import status_managers, status_to
from metalpy.cluster.reflector import Reflector, Resource
from metalpy.cluster.resources import gone
from metalpy.cluster.state_objects import Writer
from metalpy.config.configmap import possible_names
from metalpy.config.source import ConfigSource, chosen
from metalpy.errors import ClusterError
from metalpy.model import ObjectKey

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Hashable, Sequence

    from metalpy.announcement.states import Shown
    from metalpy.cluster.api_session import Json
    from metalpy.cluster.interface import Change
    from metalpy.cluster.reflector import Sink
    from metalpy.model import Event, Ingress, Service

SPEAKER_PODS = "app=metallb,component=speaker"
"""The labels of speakers' Pods in MetalLB's manifests and ours."""

_log = structlog.get_logger()


class KubernetesCluster:
    """One API server, seen through the objects that a controller or (`for_speaker`) a speaker needs."""

    def __init__(
        self,
        session: ApiSession,
        *,
        namespace: str,
        config_name: str | None = None,
        source: ConfigSource = ConfigSource.CONFIGMAP,
        for_speaker: bool = False,
        slices: bool = True,
        writer: Writer = Writer(),  # noqa: B008 - a value, like any constant
    ) -> None:
        self._session = session
        self._namespace = namespace
        self._source = source
        self._resources: ApiResources | None = None
        self._reported: AnyConfigChanged | None = None
        """The configuration that was reported last."""
        self._config_synced = False
        self._synced = False
        self._configs: dict[ObjectKey, ConfigChanged | None] = {
            ObjectKey(namespace, name): None for name in possible_names(config_name)
        }
        self._for_speaker = for_speaker
        self._slices = slices
        self._events = EventRecorder(session, lambda: self._writes > 0)
        self._states = ApiStates(session, namespace, writer)
        self._may_patch = True
        self._writes = 0
        self._pending: dict[Hashable, Change] = {}
        self._news = asyncio.Event()

    async def changes(self) -> AsyncGenerator[Sequence[Change]]:
        """Yield batches of changes for ever, the present state first. To be called once."""
        await self._ask_permissions()
        foundations, others = self._foundations(), await self._others()
        if self._source.reads_resources:
            self._resources = ApiResources(
                self._session,
                self._namespace,
                listed=self._news.set,
                changed=self._choose_config,
                for_speaker=self._for_speaker,
            )
            await self._resources.look()
        tasks = [asyncio.create_task(self._events.run()), asyncio.create_task(self._states.run())]
        tasks += (asyncio.create_task(reflector.run()) for reflector in (*foundations, *others))
        if self._resources:
            tasks.append(asyncio.create_task(self._resources.run()))
        for task in tasks:
            task.add_done_callback(lambda _: self._news.set())
        try:
            while True:
                await self._news.wait()
                for task in tasks:
                    if task.done():
                        task.result()
                marks: list[Change] = []
                if not self._config_synced and self._is_config_listed(foundations):
                    self._config_synced = True
                    self._choose_config()
                    marks.append(ConfigSynced())
                if not self._synced and self._config_synced and _are_listed(others):
                    self._synced = True
                    marks.append(Synced())
                yield [*self._drain(), *marks]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _drain(self) -> list[Change]:
        changes = list(self._pending.values())
        self._pending.clear()
        self._news.clear()
        return changes

    def _report(self, key: Hashable, change: Change) -> None:
        self._pending[key] = change
        self._news.set()

    def _is_config_listed(self, foundations: Sequence[Reflector]) -> bool:
        return _are_listed(foundations) and (not self._resources or self._resources.is_listed)

    def _config_changed(self, key: ObjectKey, config: ConfigChanged | None) -> None:
        self._configs[key] = config
        self._choose_config()

    def _choose_config(self) -> None:
        """Report the configuration if it is another one, once all that it may be in has been seen.

        Of the possible ConfigMaps the first one that exists counts; that one went is told only if none is left.
        """
        if self._source.reads_resources and not self._config_synced:
            return
        configmap = next((found for found in self._configs.values() if found), None)
        after = chosen(self._source, configmap, self._resources.present if self._resources else None)
        before, self._reported = self._reported, after
        if after != before and (change := after or (gone(before) if before else None)):
            self._report("config", change)

    def _foundations(self) -> list[Reflector]:
        """Give what follows the configuration, where that is a ConfigMap, and the nodes that it may be about."""
        followed = []
        if self._source.reads_configmap:
            path = f"/api/v1/namespaces/{self._namespace}/configmaps"
            for key in self._configs:
                resource = Resource(path, {"fieldSelector": f"metadata.name={key.name}"})
                followed.append(self._reflector(resource, ConfigSink(self._config_changed)))
        if self._for_speaker:
            followed.append(self._reflector(Resource("/api/v1/nodes"), NodeSink(self._report)))
        return followed

    async def _others(self) -> list[Reflector]:
        resources: list[tuple[Resource, Sink]] = [(Resource("/api/v1/services"), ServiceSink(self._report))]
        if self._for_speaker:
            if await self._may_follow_pods():
                pods = Resource(f"/api/v1/namespaces/{self._namespace}/pods", {"labelSelector": SPEAKER_PODS})
                resources.append((pods, SpeakerPodSink(self._report)))
            if self._slices and await self._serves_slices():
                resources.append((Resource("/apis/discovery.k8s.io/v1/endpointslices"), SliceSink(self._report)))
            else:
                resources.append((Resource("/api/v1/endpoints"), EndpointsSink(self._report)))
        return [self._reflector(resource, sink) for resource, sink in resources]

    def _reflector(self, resource: Resource, sink: Sink) -> Reflector:
        return Reflector(self._session, resource, sink, self._news.set)

    async def _may_follow_pods(self) -> bool:
        """Ask whether speakers' Pods may be followed: MetalLB up to 0.12 was granted `list` alone, no `watch`."""
        for verb in ("list", "watch"):
            if not await self._session.is_granted(verb, "pods", namespace=self._namespace):
                _log.warning(
                    "watching pods is not granted: a node that is ready counts as one with a speaker", op="startup"
                )
                return False
        return True

    async def _serves_slices(self) -> bool:
        """Ask whether EndpointSlices are there and granted, both of which an old cluster may lack."""
        group = "discovery.k8s.io"
        if not await self._session.is_served(f"/apis/{group}/v1"):
            return False
        granted = await self._session.is_granted("list", "endpointslices", group=group)
        if not granted:
            _log.warning("EndpointSlices are not granted: reading Endpoints", op="startup")
        return granted

    async def _ask_permissions(self) -> None:
        """Ask once whether a status may be patched: MetalLB up to 0.12 was granted `update` alone."""
        if self._for_speaker:
            return
        with contextlib.suppress(ClusterError):
            self._may_patch = await self._session.is_granted("patch", "services", subresource="status")
        if not self._may_patch:
            _log.warning("patching services/status is not granted: whole Services are read and put back", op="startup")

    async def write_ingress(self, service: Service, ingress: tuple[Ingress, ...]) -> None:
        """Write a Service's status if the Service is still as it was read.

        Raises `ClusterError` if it is not (a conflict: a newer state is on its way), or cannot be written. A
        Service that is gone needs no status.
        """
        path = f"/api/v1/namespaces/{service.key.namespace}/services/{service.key.name}"
        self._writes += 1
        try:
            if self._may_patch:
                entries = status_to(ingress)["loadBalancer"].get("ingress")
                body: Json = {
                    "metadata": {"resourceVersion": service.resource_version},
                    "status": {"loadBalancer": {"ingress": entries}},
                }
                await self._session.patch(f"{path}/status", body)
                return
            await self._put_back(path, service, ingress)
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise
        finally:
            self._writes -= 1

    async def _put_back(self, path: str, service: Service, ingress: tuple[Ingress, ...]) -> None:
        whole = await self._session.get(path)
        if whole["metadata"]["resourceVersion"] != service.resource_version:
            raise ApiError(CONFLICT, "Conflict", "the Service has changed since it was read")
        whole["status"] = {**whole.get("status", {}), **status_to(ingress)}
        await self._session.put(f"{path}/status", whole)

    async def status_writers(self, key: ObjectKey) -> tuple[str, ...]:
        """Name the field managers of a Service's `status.loadBalancer`, read by a list of one: get is not granted."""
        path = f"/api/v1/namespaces/{key.namespace}/services"
        found = await self._session.get(path, {"fieldSelector": f"metadata.name={key.name}"})
        return tuple(sorted({name for item in found.get("items") or () for name in status_managers(item)}))

    def show(self, shown: Shown) -> None:
        """Have it written when there is time."""
        self._states.show(shown)

    async def emit(self, event: Event) -> None:
        """Have an Event written when there is time."""
        self._events.record(event)


def _are_listed(reflectors: Sequence[Reflector]) -> bool:
    return all(each.is_listed for each in reflectors)
