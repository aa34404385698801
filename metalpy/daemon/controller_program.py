"""The controller as a program: its cluster, and the Lease that says whether it is the one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from metalpy.cluster.api_session import ApiSession
from metalpy.cluster.leadership import lead, may_lead
from metalpy.cluster.memberlist_secret import ensure_secret
from metalpy.daemon.controller import Controller
from metalpy.daemon.settings import Manifests
from metalpy.observe.metrics import AllocatorMetrics

if TYPE_CHECKING:
    from metalpy.daemon.programs import Observed
    from metalpy.daemon.settings import ClusterSettings, ControllerSettings

_log = structlog.get_logger()


async def run_controller(settings: ClusterSettings, controller: ControllerSettings, seen: Observed) -> None:
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
