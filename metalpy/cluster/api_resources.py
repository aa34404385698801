"""Custom resources on an API server: which kinds are served, all their objects, and news of them when it is quiet."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from metalpy.cluster.api_sinks import ResourceSink
from metalpy.cluster.reflector import Reflector, Resource
from metalpy.cluster.resources import resource_set
from metalpy.cluster.served import served_kinds
from metalpy.config.resource_objects import BASIC_AUTH, OLD_POOL, VERSIONS
from metalpy.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from metalpy.cluster.api_session import ApiSession
    from metalpy.cluster.interface import ResourcesChanged
    from metalpy.cluster.served import ServedKind

QUIET_S = 0.3
"""Objects that are written at once come one by one: they are one change when none comes for this long..."""
LONGEST_S = 3.0
"""... or when they have been coming for this long."""
LOOK_S = 10.0
"""How often to see whether kinds that were not served are."""

_SECRETS, _NAMESPACES = "Secret", "Namespace"
_log = structlog.get_logger()


class ApiResources:
    """All custom resources of one namespace, and what they speak of, where that is granted: Secrets and Namespaces.

    A kind that is not served has no objects. `listed` is called after every list, `changed` when objects changed
    and it is quiet again.
    """

    def __init__(
        self,
        session: ApiSession,
        namespace: str,
        *,
        listed: Callable[[], None],
        changed: Callable[[], None],
        for_speaker: bool,
    ) -> None:
        self._session = session
        self._namespace = namespace
        self._listed = listed
        self._changed = changed
        self._for_speaker = for_speaker
        self._touched = asyncio.Event()
        self._sinks: dict[str, ResourceSink] = {}
        self._reflectors: list[Reflector] = []

    @property
    def is_listed(self) -> bool:
        """Whether everything that is served and followed has been seen."""
        return all(reflector.is_listed for reflector in self._reflectors)

    @property
    def present(self) -> ResourcesChanged:
        """What there is."""
        by_kind = {kind: sink.objects for kind, sink in self._sinks.items()}
        secrets, namespaces = by_kind.pop(_SECRETS, ()), by_kind.pop(_NAMESPACES, ())
        return resource_set(
            self._namespace,
            (obj for objects in by_kind.values() for obj in objects),
            secrets,
            namespaces=namespaces,
            secrets_unseen=not self._for_speaker,
            namespaces_unseen=not self._for_speaker and _NAMESPACES not in self._sinks,
        )

    async def look(self) -> None:
        """Find out what is served and granted. Asks until there is an answer."""
        while True:
            try:
                self._follow(await served_kinds(self._session))
                break
            except ClusterError as error:
                _log.warning("waiting for the API server", op="startup", error=str(error))
                await asyncio.sleep(1)
        # Only speakers need passwords, only controllers need to know for whom a pool is.
        if not self._for_speaker:
            if await self._may_read("namespaces", "", "no IPAddressPool can have namespaceSelectors"):
                self._add(_NAMESPACES, "v1", Resource("/api/v1/namespaces"))
        elif await self._may_read("secrets", self._namespace, "no BGPPeer can have a passwordSecret"):
            selector = {"fieldSelector": f"type={BASIC_AUTH}"}
            self._add(_SECRETS, "v1", Resource(f"/api/v1/namespaces/{self._namespace}/secrets", selector))

    async def run(self) -> None:
        """Follow everything until cancelled, kinds that come to be served too."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tell())
            followed = 0
            while True:
                for reflector in self._reflectors[followed:]:
                    tasks.create_task(reflector.run())
                followed = len(self._reflectors)
                if self._sinks.keys() >= VERSIONS.keys() - {OLD_POOL}:
                    return
                await asyncio.sleep(LOOK_S)
                try:
                    self._follow(await served_kinds(self._session))
                except ClusterError as error:
                    _log.debug("what is served is not known just now", op="watch", error=str(error))

    def _follow(self, served: dict[str, ServedKind]) -> None:
        for kind in sorted(served.keys() - self._sinks.keys()):
            self._add(kind, served[kind].api_version, Resource(served[kind].path(self._namespace)))

    def _add(self, kind: str, version: str, resource: Resource) -> None:
        sink = self._sinks[kind] = ResourceSink(kind, version, self._touched.set)
        self._reflectors.append(Reflector(self._session, resource, sink, self._listed))

    async def _may_read(self, plural: str, namespace: str, otherwise: str) -> bool:
        for verb in ("list", "watch"):
            if not await self._session.is_granted(verb, plural, namespace=namespace):
                _log.info(f"reading {plural} is not granted: {otherwise}", op="startup")
                return False
        return True

    async def _tell(self) -> None:
        while True:
            await self._touched.wait()
            since_s = time.monotonic()
            # Kinds that come to be served are one set with the others only when all of them have been seen.
            while not self.is_listed or (self._touched.is_set() and time.monotonic() - since_s < LONGEST_S):
                self._touched.clear()
                await asyncio.sleep(QUIET_S)
            self._changed()
