"""A cluster in memory: what a test says is what the daemon sees, what the daemon writes is there to look at."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from metalpy.cluster.interface import Change, ConfigChanged, ServiceChanged
from metalpy.errors import ClusterError
from metalpy.model import Ingress, ObjectKey, Service, ServicePort

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from metalpy.announcement.states import Shown
    from metalpy.model import Event

CONFIG = ObjectKey("metallb-system", "config")


class FakeCluster:
    """Implements `metalpy.cluster.interface.Cluster`; `failing` makes every write raise."""

    def __init__(self) -> None:
        self.batches: asyncio.Queue[Sequence[Change]] = asyncio.Queue()
        self.written: list[tuple[ObjectKey, tuple[str, ...]]] = []
        self.events: list[Event] = []
        self.shown: list[Shown] = []
        self.told = asyncio.Event()
        self.failing = False
        self.writers: tuple[str, ...] = ()

    async def changes(self) -> AsyncIterator[Sequence[Change]]:
        """Yield the batches that the test puts in."""
        while True:
            yield await self.batches.get()

    async def write_ingress(self, service: Service, ingress: tuple[Ingress, ...]) -> None:
        """Note the write."""
        if self.failing:
            raise ClusterError("the disk is full")
        self.written.append((service.key, tuple(entry.ip for entry in ingress)))

    async def status_writers(self, key: ObjectKey) -> tuple[str, ...]:
        """Name the one that the test named."""
        del key
        return self.writers

    def show(self, shown: Shown) -> None:
        """Note what is shown, if it is news."""
        if self.shown[-1:] != [shown]:
            self.shown.append(shown)

    async def emit(self, event: Event) -> None:
        """Note the Event."""
        self.events.append(event)
        self.told.set()

    def reasons(self, key: ObjectKey) -> list[str]:
        """List the reasons of an object's Events, in order."""
        return [event.reason for event in self.events if event.key == key]


def config(text: str | None) -> ConfigChanged:
    """Make the change that sets the configuration's text; None deletes the ConfigMap."""
    return ConfigChanged(CONFIG, None if text is None else {"config": text})


def pool(name: str, addresses: str, protocol: str = "layer2") -> str:
    """Write one pool as it stands in the configuration."""
    return f"- {{name: {name}, protocol: {protocol}, addresses: [{addresses}]}}\n"


def pools(*lines: str) -> ConfigChanged:
    """Make the change to a configuration of these pools."""
    return config("address-pools:\n" + "".join(lines))


def service(name: str, *ips: str, **fields: object) -> Service:
    """Make a Service that wants, or has, IPv4 addresses."""
    made = Service(
        ObjectKey("default", name),
        cluster_ips=("10.0.0.1",),
        ports=(ServicePort("TCP", 80),),
        ingress=tuple(Ingress(ip) for ip in ips),
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def changed(*services: Service) -> list[Change]:
    """Make the changes that bring these Services."""
    return [ServiceChanged(one.key, one) for one in services]
