"""The controller as a program: its cluster, and the Lease that says whether it is the one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from metalpy.daemon.controller import Controller
from metalpy.importing import importing
from metalpy.observe.metrics import AllocatorMetrics, StatusMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from metalpy.cluster.api_session import ApiSession
    from metalpy.cluster.credentials import Reading
    from metalpy.cluster.lease import Lease
    from metalpy.daemon.programs import Observed
    from metalpy.daemon.settings import ClusterSettings, ControllerSettings

_log = structlog.get_logger()


async def run_controller(
    settings: ClusterSettings, controller: ControllerSettings, reading: Reading | None, seen: Observed
) -> None:
    """Work at once on manifests; on an API server once leading, where leading is asked for and granted.

    `reading`: that API server's credentials, which were begun; None on manifests.
    """
    pools, statuses = AllocatorMetrics(seen.registry), StatusMetrics(seen.registry)

    async def work() -> None:
        async with settings.open(seen.api, reading=reading) as cluster:
            daemon = Controller(
                cluster,
                seen.client,
                pools,
                statuses,
                on_conflict=controller.on_conflict,
                lb_class=settings.lb_class,
            )
            seen.readiness.waits_for("controller: caches synced", lambda: daemon.synced)
            await daemon.run()

    if reading is None:
        await work()
    else:
        await _run_on_api_server(settings, reading, controller, seen, work)


async def _run_on_api_server(
    settings: ClusterSettings,
    reading: Reading,
    controller: ControllerSettings,
    seen: Observed,
    work: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    # Who has no API server does not import what speaks to one.
    from metalpy.cluster.api_session import ApiSession  # noqa: PLC0415 - see above
    from metalpy.cluster.memberlist_secret import ensure_secret  # noqa: PLC0415 - see above

    async with ApiSession(await reading.credentials(), seen.api) as session:
        await session.answers()
        if controller.secret.name:
            secret = controller.secret
            await ensure_secret(session, settings.namespace, secret.name, secret.deployment)
        if controller.leadership is None:
            await work()
        else:
            await _lead(session, controller.leadership, work)


async def _lead(session: ApiSession, lease: Lease, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    # The official client, whose election it is, costs 0.3 s and 20 MB: who is not to ask for a Lease goes without.
    with importing():
        from metalpy.cluster.leadership import lead, may_lead  # noqa: PLC0415 - see above

    if await may_lead(session, lease):
        await lead(session, lease, work)
    else:
        _log.warning("leases are not granted: run one controller only", op="leaderElection")
        await work()
