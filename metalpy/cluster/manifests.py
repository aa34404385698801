"""A cluster that lives in a directory of manifests, without an API server.

What `kubectl apply` or `kubectl get -o yaml` would take or give is read from the files of one directory; what
an API server would store (the status of Services, Events) is kept in another one, the state directory, which
several processes may share: a controller writes it, the speakers of all nodes read it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from metalpy.cluster.interface import Synced
from metalpy.cluster.manifest_events import WrittenEvents
from metalpy.cluster.manifest_files import GRACE_S, ManifestFiles
from metalpy.cluster.manifest_objects import ConfigScope
from metalpy.cluster.manifest_state import WrittenStatuses
from metalpy.cluster.manifest_view import EMPTY_VIEW, StatusOverlay, changes_between
from metalpy.cluster.manifest_watch import watch
from metalpy.config.source import ConfigSource
from metalpy.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from metalpy.announcement.states import Shown
    from metalpy.cluster.interface import Change
    from metalpy.model import Event, Ingress, ObjectKey, Service

BATCH_PAUSE_S = 0.05
"""The least time between two batches, so that a flood of writes becomes few batches."""


class ManifestCluster:
    """The cluster that a directory of `*.yaml`, `*.yml` and `*.json` files describes.

    Files are searched in directories at any depth, hidden ones skipped. ConfigMaps (the one of `config_name`
    in `namespace`; without a name `config`, or `metallb-config` where that is the only one), Services, Nodes,
    EndpointSlices and Endpoints are read, Lists of them too; where `source` asks for it, custom resources and the
    Secrets that they name.

    Manifests written by hand lack what an API server adds, so this class adds it: `metadata.namespace` is
    `default`, and a Service without cluster IPs gets placeholders (`0.0.0.0`, `::`) for the families that
    `spec.ipFamilies` and `spec.ipFamilyPolicy` ask for, IPv4 if they say nothing. `clusterIP: None` stays.

    A file that cannot be read keeps its last readable objects, and is logged once. A Service's status is the
    one in the state directory, else the one in its manifest. With `writer`, which the controller sets, the
    status of a Service is removed when its manifest is seen to be deleted; that of one deleted while no
    controller was there stays, for it cannot be told from one whose manifest is not there yet.

    Raises `ClusterError` if the state directory cannot be created or written.
    """

    def __init__(
        self,
        directory: Path,
        state: Path,
        *,
        namespace: str,
        config_name: str | None = None,
        source: ConfigSource = ConfigSource.CONFIGMAP,
        writer: bool = False,
    ) -> None:
        self._directory = directory
        self._state = state
        self._is_writer = writer
        self._statuses = WrittenStatuses(state)
        self._events = WrittenEvents(state)
        self._files = ManifestFiles(directory, ConfigScope(namespace, config_name, source), skipped=state)
        self._listeners: set[asyncio.Event] = set()
        for each in (self._statuses.directory, self._events.directory):
            _make_writable(each)

    async def changes(self) -> AsyncGenerator[Sequence[Change]]:
        """Yield batches of changes for ever: what is there, `Synced`, what changes.

        While the directory of manifests is missing at the start, nothing comes.
        """
        await asyncio.to_thread(self._events.remove_old)
        await asyncio.to_thread(self._statuses.remove_leftovers)
        await asyncio.to_thread(self._statuses.refresh)
        news = asyncio.Event()
        news.set()
        watches = [asyncio.create_task(each) for each in (self._follow_files(), self._follow_state())]
        for task in watches:
            task.add_done_callback(lambda _: news.set())
        self._listeners.add(news)
        try:
            async with contextlib.aclosing(self._batches(news, watches)) as batches:
                async for batch in batches:
                    yield batch
        finally:
            self._listeners.discard(news)
            for task in watches:
                task.cancel()
            await asyncio.gather(*watches, return_exceptions=True)

    async def write_ingress(self, service: Service, ingress: tuple[Ingress, ...]) -> None:
        """Make `ingress` the Service's status; it is on the disk when this returns.

        One call a Service at a time. Raises `ClusterError` if it cannot be written or the Service is gone.
        """
        view = self._files.view
        if view.is_read and service.key not in view.services:
            raise ClusterError(f"Service {service.key}: status not written: no manifest has it any more")
        await asyncio.to_thread(self._statuses.write, service.key, ingress)
        self._tell()

    async def status_writers(self, key: ObjectKey) -> tuple[str, ...]:
        """Name nobody: a file does not say who wrote it."""
        del key
        return ()

    def show(self, shown: Shown) -> None:
        """Show nothing: nobody writes into a directory of manifests but its author."""

    async def emit(self, event: Event) -> None:
        """Write the Event to the state directory. Raises `ClusterError` if it cannot be written."""
        await asyncio.to_thread(self._events.write, event)

    def _tell(self) -> None:
        for news in self._listeners:
            news.set()

    async def _batches(
        self, news: asyncio.Event, watches: list[asyncio.Task[None]]
    ) -> AsyncGenerator[Sequence[Change]]:
        overlay = StatusOverlay()
        reported = EMPTY_VIEW
        while True:
            await news.wait()
            news.clear()
            for task in watches:
                if task.done():
                    task.result()
            manifests = self._files.view
            if not manifests.is_read:
                continue
            view = overlay.laid_over(manifests, self._statuses.known)
            batch = changes_between(reported, view)
            gone = reported.services.keys() - view.services.keys()
            if gone and self._is_writer:
                await asyncio.to_thread(self._statuses.remove, sorted(gone))
            is_first, reported = not reported.is_read, view
            if batch:
                yield batch
            if is_first:
                yield [Synced()]
            await asyncio.sleep(BATCH_PAUSE_S)

    async def _follow_files(self) -> None:
        async with contextlib.aclosing(watch(self._directory)) as bursts:
            async for paths in bursts:
                is_waiting = paths is None or not all(map(self._is_state, paths))
                while is_waiting:
                    before = self._files.view
                    is_waiting = await asyncio.to_thread(self._files.refresh)
                    if self._files.view is not before:
                        self._tell()
                    if is_waiting:
                        await asyncio.sleep(GRACE_S)

    def _is_state(self, path: str) -> bool:
        return Path(path).is_relative_to(self._state)

    async def _follow_state(self) -> None:
        async with contextlib.aclosing(watch(self._statuses.directory)) as bursts:
            async for paths in bursts:
                before = self._statuses.version
                await asyncio.to_thread(self._statuses.refresh, paths)
                if self._statuses.version != before:
                    self._tell()


def _make_writable(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise ClusterError(f"the state directory cannot be created: {directory}: {reason}") from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ClusterError(f"the state directory cannot be written: {directory}")
