"""A cluster's stream of changes, followed by a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Self, cast

from metalpy.cluster.interface import (
    AnyConfigChanged,
    Change,
    Cluster,
    ConfigChanged,
    EndpointsChanged,
    NodeChanged,
    ResourcesChanged,
    ServiceChanged,
    Synced,
)

if TYPE_CHECKING:
    from types import TracebackType

    from metalpy.model import Endpoint, Node, ObjectKey, Service

DEADLINE_S = 30.0

Logs = list[MutableMapping[str, Any]]


class Stream:
    """Holds what a cluster has reported so far; every wait has a deadline and tells what it last saw."""

    def __init__(self, cluster: Cluster) -> None:
        self._changes = cast("AsyncGenerator[Sequence[Change]]", cluster.changes())
        self._next: asyncio.Future[Sequence[Change]] | None = None
        self.services: dict[ObjectKey, Service] = {}
        self.endpoints: dict[ObjectKey, tuple[Endpoint, ...]] = {}
        self.nodes: dict[str, Node] = {}
        self.config: AnyConfigChanged | None = None
        self.is_synced = False
        self.seen: list[Change] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        await self._changes.aclose()

    async def synced(self) -> Self:
        await self.until(lambda: self.is_synced)
        return self

    async def until(self, holds: Callable[[], object]) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not holds():
                    await self._take_or_look_again()
        except TimeoutError:
            raise AssertionError(f"never came; last: {self.seen[-3:]}, {self.__dict__}") from None

    async def _take_or_look_again(self) -> None:
        """Wait for one batch, but not for long: a condition may also be about log lines or files."""
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._changes))
        done, _ = await asyncio.wait([self._next], timeout=0.02)
        if done:
            batch = self._next.result()
            self._next = None
            for change in batch:
                self._take(change)

    def _take(self, change: Change) -> None:
        self.seen.append(change)
        match change:
            case ServiceChanged(key, None):
                del self.services[key]
            case ServiceChanged(key, service) if service is not None:
                self.services[key] = service
            case EndpointsChanged(key, None):
                del self.endpoints[key]
            case EndpointsChanged(key, endpoints) if endpoints is not None:
                self.endpoints[key] = endpoints
            case NodeChanged(name, None):
                del self.nodes[name]
            case NodeChanged(name, node) if node is not None:
                self.nodes[name] = node
            case ConfigChanged() | ResourcesChanged():
                self.config = change
            case Synced():
                self.is_synced = True


def lines(logs: Logs, event_name: str) -> Logs:
    return [line for line in logs if line.get("event_name") == event_name]
