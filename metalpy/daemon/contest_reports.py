"""Tells users of a Service, and operators, that somebody else writes its status too."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import structlog

from metalpy.errors import ClusterError
from metalpy.model import Event, Severity

if TYPE_CHECKING:
    from metalpy.allocation.converge import Outcome
    from metalpy.cluster.interface import Cluster

_log = structlog.get_logger()


class ContestReports:
    """Takes lost rounds without waiting; `run` finds out who it was and tells."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lost: asyncio.Queue[tuple[Outcome, float]] = asyncio.Queue()

    def lost(self, outcome: Outcome, wait_s: float) -> None:
        """Have it told that an outcome finds somebody else's status and will be written in `wait_s` seconds."""
        self._lost.put_nowait((outcome, wait_s))

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            outcome, wait_s = await self._lost.get()
            try:
                await self._tell(outcome, wait_s)
            except ClusterError as error:
                _log.warning("failed to tell of a contested status", service=str(outcome.service.key), error=str(error))

    async def _tell(self, outcome: Outcome, wait_s: float) -> None:
        service = outcome.service
        found, wanted = ([entry.target for entry in entries] for entries in (service.ingress, outcome.ingress))
        writers = await self._cluster.status_writers(service.key)
        who = f"field manager {json.dumps(', '.join(writers))}" if writers else "somebody else"
        _log.warning(
            "somebody else writes the status too, waiting longer before each write",
            event_name="statusContested",
            service=str(service.key),
            found=found,
            wanted=wanted,
            writers=list(writers),
            wait_s=wait_s,
        )
        message = (
            f"{who} writes status.loadBalancer too, again and again: found {json.dumps(found)}, wanted "
            f"{json.dumps(wanted)}. It is written less and less often now, while that lasts. Let one of the two "
            "leave this Service alone: end the other one, or set spec.loadBalancerClass"
        )
        await self._cluster.emit(
            Event("Service", service.key, Severity.WARNING, "StatusContested", message, uid=service.uid)
        )
