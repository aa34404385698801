"""The daemons as whole programs: rooms wired together, signals, HTTP, and how a program ends."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry

from metalpy import __version__
from metalpy.cluster.manifests import ManifestCluster
from metalpy.daemon.controller import Controller
from metalpy.daemon.speaker import Speaker
from metalpy.errors import MetalpyError
from metalpy.layer2.announcer import Announcer
from metalpy.observe import http
from metalpy.observe.metrics import AllocatorMetrics, ClientMetrics, SpeakerMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FAILED = 1
"""Exit status when a daemon cannot start or go on."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Where the cluster lives: a directory of manifests, and the directory for what metalpy adds to it."""

    manifests: Path
    state: Path
    namespace: str
    config_name: str | None = None
    """None: `config`, or `metallb-config` where only that one exists."""

    def open(self, *, writer: bool) -> ManifestCluster:
        """Open the cluster; a writer also tidies up after Services that are gone."""
        return ManifestCluster(
            self.manifests, self.state, namespace=self.namespace, config_name=self.config_name, writer=writer
        )


@dataclass(frozen=True, slots=True)
class SpeakerSettings:
    """Which node a speaker speaks for, on which interfaces (empty: all fit ones), beside which members."""

    node: str
    interfaces: tuple[str, ...] = ()
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HTTPSettings:
    """Where `/metrics` and `/healthz` are served; an empty host means all interfaces."""

    host: str = ""
    port: int = http.DEFAULT_PORT


async def serve(
    cluster: ClusterSettings, http_port: HTTPSettings, speaker: SpeakerSettings | None, *, controller: bool
) -> int:
    """Run a controller, a speaker or both until a signal ends them. Gives the process's exit status.

    Both in one process share one page of metrics, so an object that both read counts twice there.
    """
    registry = CollectorRegistry()
    client = ClientMetrics(registry)
    status = 0
    _log.info("metalpy starting", op="startup", version=__version__)
    try:
        async with http.serving(registry, http_port.host, http_port.port), asyncio.TaskGroup() as tasks:
            running = []
            if controller:
                running.append(tasks.create_task(_run_controller(cluster, client, AllocatorMetrics(registry))))
            if speaker:
                metrics = SpeakerMetrics(registry, speaker.node)
                running.append(tasks.create_task(_run_speaker(cluster, speaker, client, metrics)))
            _end_on_signal(running)
    except* MetalpyError as errors:
        for error in errors.exceptions:
            _log.error(str(error), op="startup")
        status = FAILED
    return status


async def _run_controller(cluster: ClusterSettings, client: ClientMetrics, pools: AllocatorMetrics) -> None:
    await Controller(cluster.open(writer=True), client, pools).run()


async def _run_speaker(
    cluster: ClusterSettings, settings: SpeakerSettings, client: ClientMetrics, metrics: SpeakerMetrics
) -> None:
    async with Announcer(settings.interfaces) as network:
        speaker = Speaker(
            cluster.open(writer=False),
            network,
            node=settings.node,
            members=settings.members,
            client=client,
            metrics=metrics,
        )
        await speaker.run()


def _end_on_signal(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel the tasks when the process is asked to end; cancelled tasks end their group quietly."""

    def end(number: signal.Signals) -> None:
        _log.info("shutting down", op="shutdown", signal=number.name)
        for task in tasks:
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
