"""The daemons as whole programs: rooms wired together, signals, HTTP, and how a program ends."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry

from metalpy import __version__
from metalpy.cluster.api_session import ApiSession
from metalpy.cluster.leadership import lead, may_lead
from metalpy.cluster.memberlist_secret import ensure_secret
from metalpy.daemon.controller import Controller
from metalpy.daemon.settings import Manifests
from metalpy.daemon.speaker import Speaker
from metalpy.errors import MetalpyError
from metalpy.layer2.announcer import Announcer
from metalpy.observe import http
from metalpy.observe.metrics import AllocatorMetrics, ClientMetrics, SpeakerMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metalpy.daemon.settings import ClusterSettings, ControllerSettings, HTTPSettings, SpeakerSettings

FAILED = 1
"""Exit status when a daemon cannot start or go on."""

_log = structlog.get_logger()


async def serve(
    cluster: ClusterSettings,
    http_port: HTTPSettings,
    *,
    controller: ControllerSettings | None = None,
    speaker: SpeakerSettings | None = None,
) -> int:
    """Run a controller, a speaker or both until a signal ends them. Gives the process's exit status.

    Both in one process share one page of metrics, so an object that both read counts twice there.
    """
    registry = CollectorRegistry()
    client = ClientMetrics(registry)
    readiness = http.Readiness()
    status = 0
    _log.info("metalpy starting", op="startup", version=__version__)
    try:
        async with http.serving(registry, readiness, http_port.host, http_port.port), asyncio.TaskGroup() as tasks:
            running = []
            if controller:
                pools = AllocatorMetrics(registry)
                running.append(tasks.create_task(_run_controller(cluster, controller, client, pools, readiness)))
            if speaker:
                metrics = SpeakerMetrics(registry, speaker.node)
                running.append(tasks.create_task(_run_speaker(cluster, speaker, client, metrics, readiness)))
            _end_on_signal(running)
    except* MetalpyError as errors:
        for error in errors.exceptions:
            _log.error(str(error), op="startup")
        status = FAILED
    return status


async def _run_controller(
    settings: ClusterSettings,
    controller: ControllerSettings,
    client: ClientMetrics,
    pools: AllocatorMetrics,
    readiness: http.Readiness,
) -> None:
    """Work at once on manifests; on an API server once leading, where leading is asked for and granted."""

    async def work() -> None:
        async with settings.open(for_speaker=False) as cluster:
            daemon = Controller(cluster, client, pools, controller.on_conflict, settings.lb_class)
            readiness.waits_for("controller: caches synced", lambda: daemon.synced)
            await daemon.run()

    home = settings.home
    if isinstance(home, Manifests):
        await work()
        return
    async with await ApiSession.open(home.kubeconfig) as session:
        await session.answers()
        if controller.secret.name:
            secret = controller.secret
            await ensure_secret(session, settings.namespace, secret.name, secret.deployment)
        if controller.leadership is None:
            await work()
        elif await may_lead(session, controller.leadership):
            await lead(session, controller.leadership, work)
        else:
            _log.warning("leases are not granted: run one controller only", op="leaderElection")
            await work()


async def _run_speaker(
    settings: ClusterSettings,
    speaker: SpeakerSettings,
    client: ClientMetrics,
    metrics: SpeakerMetrics,
    readiness: http.Readiness,
) -> None:
    async with Announcer(speaker.interfaces) as network, settings.open(for_speaker=True) as cluster:
        daemon = Speaker(
            cluster,
            network,
            node=speaker.node,
            members=speaker.members,
            client=client,
            metrics=metrics,
            lb_class=settings.lb_class,
            ignore_exclude_label=speaker.ignore_exclude_label,
        )
        readiness.waits_for("speaker: caches synced", lambda: daemon.synced)
        await daemon.run()


def _end_on_signal(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel the tasks when the process is asked to end; cancelled tasks end their group quietly."""

    def end(number: signal.Signals) -> None:
        _log.info("shutting down", op="shutdown", signal=number.name)
        for task in tasks:
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
