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
from metalpy.observe.metrics import AllocatorMetrics, ClientMetrics, Layer2Metrics, SpeakerMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metalpy.daemon.settings import ClusterSettings, ControllerSettings, HTTPSettings, SpeakerSettings

LINGER_S = 5.0
"""How long addresses are answered for after a planned end, unless somebody else takes them over before."""

FAILED = 1
"""Exit status when a daemon cannot start or go on."""

_log = structlog.get_logger()


class _Observed:
    """What an operator sees of this process: one page of metrics, one readiness."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.page = http.Page(self.registry)
        self.readiness = http.Readiness()
        self.client = ClientMetrics(self.registry)


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
    seen = _Observed()
    status = 0
    _log.info("metalpy starting", op="startup", version=__version__)
    try:
        async with (
            http.serving(seen.page, seen.readiness, http_port.host, http_port.port),
            asyncio.TaskGroup() as tasks,
        ):
            running = []
            if controller:
                running.append(tasks.create_task(_run_controller(cluster, controller, seen)))
            if speaker:
                running.append(tasks.create_task(_run_speaker(cluster, speaker, seen)))
            _end_on_signal(running)
    except* MetalpyError as errors:
        for error in errors.exceptions:
            _log.error(str(error), op="startup")
        status = FAILED
    return status


async def _run_controller(settings: ClusterSettings, controller: ControllerSettings, seen: _Observed) -> None:
    """Work at once on manifests; on an API server once leading, where leading is asked for and granted."""
    pools = AllocatorMetrics(seen.registry)

    async def work() -> None:
        async with settings.open(for_speaker=False) as cluster:
            daemon = Controller(cluster, seen.client, pools, controller.on_conflict, settings.lb_class)
            seen.readiness.waits_for("controller: caches synced", lambda: daemon.synced)
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


async def _run_speaker(settings: ClusterSettings, speaker: SpeakerSettings, seen: _Observed) -> None:
    metrics, layer2 = SpeakerMetrics(seen.registry, speaker.node), Layer2Metrics(seen.registry)

    async def count() -> None:
        counts = await network.counts()
        layer2.show(
            {
                str(address): (each.requests_received, each.responses_sent, each.gratuitous_sent)
                for address, each in counts.items()
            }
        )

    async with Announcer(speaker.interfaces) as network, settings.open(for_speaker=True) as cluster:
        seen.page.asks(count)
        daemon = Speaker(
            cluster,
            network,
            node=speaker.node,
            members=speaker.members,
            client=seen.client,
            metrics=metrics,
            lb_class=settings.lb_class,
            ignore_exclude_label=speaker.ignore_exclude_label,
        )
        seen.readiness.waits_for("speaker: caches synced", lambda: daemon.synced)
        try:
            await daemon.run()
        finally:
            # A speaker that is being replaced must not leave a gap: its successor ends this, or another owner.
            await network.retire(daemon.addresses, LINGER_S)


def _end_on_signal(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel the tasks when the process is asked to end; cancelled tasks end their group quietly."""

    def end(number: signal.Signals) -> None:
        _log.info("shutting down", op="shutdown", signal=number.name)
        for task in tasks:
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
