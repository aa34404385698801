"""The controller: gives every Service its addresses and writes them into its status."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from metalpy.allocation.allocator import OnConflict
from metalpy.allocation.assignments import Assignments
from metalpy.allocation.demand import is_ours
from metalpy.announcement.states import Shown
from metalpy.cluster.interface import ConfigChanged, ResourcesChanged, ServiceChanged, Synced
from metalpy.daemon.contest_reports import ContestReports
from metalpy.daemon.contests import Contests
from metalpy.daemon.heap import freezing
from metalpy.daemon.intake import ConfigIntake
from metalpy.daemon.status_writer import StatusWriter
from metalpy.errors import ClusterError
from metalpy.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metalpy.allocation.converge import Outcome
    from metalpy.cluster.interface import AnyConfigChanged, Change, Cluster
    from metalpy.model import Config, Event, ObjectKey, Service
    from metalpy.observe.metrics import AllocatorMetrics, ClientMetrics, StatusMetrics

GRACE_S = 60.0
"""How long after the first custom resources Services keep addresses of no pool: the rest may be on its way."""

_log = structlog.get_logger()


class Controller:
    """Feeds a cluster's changes to the allocation and carries its outcomes back.

    Nothing is decided before the cluster has shown everything that there is: the addresses that statuses hold
    are adopted first.
    """

    def __init__(
        self,
        cluster: Cluster,
        client: ClientMetrics,
        pools: AllocatorMetrics,
        statuses: StatusMetrics,
        *,
        on_conflict: OnConflict = OnConflict.REFUSE,
        lb_class: str = "",
    ) -> None:
        self._cluster = cluster
        self._client = client
        self._assignments = Assignments(on_conflict)
        pools.read(self._assignments.counts)
        self._lb_class = lb_class
        self._intake = ConfigIntake(self._configure, client)
        self._writer = StatusWriter(self._write)
        self._contests = Contests()
        self._contest_reports = ContestReports(cluster)
        self._statuses = statuses
        statuses.shows(self._contests.count)
        self._services: dict[ObjectKey, Service | None] = {}
        self._config: AnyConfigChanged | None = None
        self.synced = False
        self._grace = asyncio.Event()
        self._warned: dict[ObjectKey, tuple[Event, ...]] = {}
        self.written = self._writer.written

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            beside = (self._writer.run(), self._contest_reports.run(), self._end_grace())
            background = [tasks.create_task(work) for work in beside]
            async for changes in freezing(self._cluster.changes()):
                await self.take(changes)
            for task in background:
                task.cancel()

    async def take(self, changes: Sequence[Change]) -> None:
        """Take in one batch of changes; what follows from it is written meanwhile (`written` waits for that)."""
        self._client.updates.inc(len(changes))
        for change in changes:
            match change:
                case ServiceChanged(key, service):
                    self._services[key] = service if service and is_ours(service, self._lb_class) else None
                case ConfigChanged() | ResourcesChanged():
                    self._config = change
                case Synced():
                    self.synced = True
                    _log.info("controller synced, can allocate IPs now", event_name="stateSynced")
                case _:
                    pass
        if self.synced:
            for event in self._decide():
                await self._tell(event)
            self._cluster.show(Shown(self._intake.verdict))

    def _decide(self) -> list[Event]:
        """Run the changes so far through the allocation. Gives the Events for the ConfigMap."""
        services, self._services = self._services, {}
        config, self._config = self._config, None
        for key, service in services.items():
            if service is None and self._assignments.knows(key):
                self._warned.pop(key, None)
                self._writer.drop(key)
                self._contests.forget(key)
                _log.info("service deleted", event_name="serviceDeleted", service=str(key))
        self._carry_out(self._assignments.update(services, self._writer.has))
        if not config:
            return self._intake.retry()
        if isinstance(config, ResourcesChanged) and not self._intake.is_loaded:
            self._assignments.spare_strangers()
        events = self._intake.take(config)
        if self._intake.is_loaded:
            self._grace.set()
        return events

    async def _end_grace(self) -> None:
        await self._grace.wait()
        await asyncio.sleep(GRACE_S)
        self._carry_out(self._assignments.spare_no_more())

    def _configure(self, config: Config) -> None:
        self._carry_out(self._assignments.configure(config))

    def _carry_out(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            key = outcome.service.key
            if self._contests.is_lost(outcome):
                self._statuses.contested.inc()
                self._contest_reports.lost(outcome, self._contests.wait_s(key))
            if outcome.writes_status or outcome.events or outcome.reason or self._writer.has(key):
                self._writer.put(outcome, self._contests.wait_s(key) if outcome.writes_status else 0.0)
            else:
                # At rest, as most are at a start and after their own write: not worth a place in the queue.
                self._warned.pop(key, None)

    async def _write(self, outcome: Outcome) -> None:
        service, name = outcome.service, str(outcome.service.key)
        if outcome.reason:
            _log.info(
                "cleared the assigned addresses", event_name="clearAssignment", service=name, reason=outcome.reason
            )
        if outcome.writes_status:
            self._contests.writes(outcome)
            try:
                await self._cluster.write_ingress(service, outcome.ingress)
            except ClusterError as error:
                self._client.update_errors.inc()
                _log.error("failed to write the status", op="updateServiceStatus", service=name, error=str(error))
                raise
            self._assignments.wrote(outcome)
            self._contests.wrote(outcome)
            ips = [entry.ip for entry in outcome.ingress]
            if ips:
                _log.info("assigned", event_name="ipAllocated", service=name, ip=ips, pool=outcome.pool)
            _log.info("updated service object", event_name="serviceUpdated", service=name, ip=ips)
        await self._tell_outcome(outcome)

    async def _tell_outcome(self, outcome: Outcome) -> None:
        """Emit the Events of an outcome; a warning that stands already is not repeated."""
        key = outcome.service.key
        warnings = tuple(event for event in outcome.events if event.severity is Severity.WARNING)
        standing = self._warned.pop(key, ())
        if warnings:
            self._warned[key] = warnings
        for event in outcome.events:
            if event.severity is Severity.NORMAL and not outcome.writes_status:
                continue
            if event not in standing:
                await self._tell(event)

    async def _tell(self, event: Event) -> None:
        if event.severity is Severity.WARNING and event.kind == "Service":
            _log.error(event.message, op="allocateIPs", service=str(event.key), reason=event.reason)
        try:
            await self._cluster.emit(event)
        except ClusterError as error:
            _log.warning("failed to emit an event", reason=event.reason, error=str(error))
