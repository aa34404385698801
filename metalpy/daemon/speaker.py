"""The speaker: announces, from one node, the addresses that are this node's to announce."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from metalpy.allocation.demand import is_ours, quoted
from metalpy.allocation.pools import AddressBook, PoolSpace
from metalpy.announcement import layer2
from metalpy.announcement.announceable import Announceable, Withheld, announceable, losing_pool
from metalpy.cluster.interface import ConfigChanged, EndpointsChanged, NodeChanged, ServiceChanged, Synced
from metalpy.daemon.heap import freezing
from metalpy.daemon.intake import ConfigIntake
from metalpy.errors import ClusterError, PoolsConflict
from metalpy.model import Event, Severity
from metalpy.model import Protocol as PoolProtocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from metalpy.cluster.interface import Change, Cluster
    from metalpy.layer2.conflicts import Conflict
    from metalpy.model import Config, Endpoint, IPAddress, Node, ObjectKey, Service
    from metalpy.observe.metrics import ClientMetrics, SpeakerMetrics

_log = structlog.get_logger()


class Layer2(Protocol):
    """What answers on the LAN for a set of addresses."""

    async def announce(self, addresses: frozenset[IPAddress]) -> None:
        """Answer for exactly these addresses from now on."""
        ...

    def conflicts(self) -> AsyncIterator[Conflict]:
        """Yield what other hosts claim of the addresses that are announced here."""
        ...


@dataclass(frozen=True, slots=True)
class _Announced:
    """What this node announces of one Service."""

    protocol: PoolProtocol
    addresses: tuple[IPAddress, ...]


class Speaker:
    """Feeds a cluster's changes to the announcement decisions and the result to the network.

    `members` names the nodes whose speakers are alive; empty means: the nodes that the cluster shows ready,
    or this node alone where the cluster shows no nodes.
    """

    def __init__(
        self,
        cluster: Cluster,
        network: Layer2,
        *,
        node: str,
        members: Iterable[str],
        client: ClientMetrics,
        metrics: SpeakerMetrics,
        lb_class: str = "",
        ignore_exclude_label: bool = False,
    ) -> None:
        self._cluster = cluster
        self._network = network
        self._node = node
        self._members = frozenset(members)
        self._lb_class = lb_class
        self._ignore_exclude_label = ignore_exclude_label
        self._client = client
        self._metrics = metrics
        self._intake = ConfigIntake(self._configure, client)
        self._pools: AddressBook | None = None
        self._services: dict[ObjectKey, Service] = {}
        self._endpoints: dict[ObjectKey, tuple[Endpoint, ...]] = {}
        self._nodes: dict[str, Node] = {}
        self._announced: dict[ObjectKey, _Announced] = {}
        self._config: ConfigChanged | None = None
        self._dirty: set[ObjectKey] = set()
        self.synced = False

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._tell_conflicts())
            async for changes in freezing(self._cluster.changes()):
                await self.take(changes)
            listening.cancel()

    @property
    def addresses(self) -> frozenset[IPAddress]:
        """The addresses that this node answers for on the LAN."""
        return frozenset(
            address
            for announced in self._announced.values()
            if announced.protocol is PoolProtocol.LAYER2
            for address in announced.addresses
        )

    async def take(self, changes: Sequence[Change]) -> None:
        """Take in one batch of changes and announce what follows from it."""
        for change in changes:
            self._client.updates.inc()
            self._note(change)
        if not self.synced:
            return
        if self._config:
            self._intake.take(self._config)
            self._config = None
        else:
            self._intake.retry()
        await self._converge()

    def _note(self, change: Change) -> None:
        match change:
            case ServiceChanged(key, service):
                self._dirty.add(key)
                if service and is_ours(service, self._lb_class):
                    self._services[key] = service
                else:
                    self._services.pop(key, None)
            case EndpointsChanged(key, endpoints):
                self._dirty.add(key)
                self._endpoints[key] = endpoints or ()
            case NodeChanged(name, node):
                self._dirty.update(self._services)
                if node is None:
                    self._nodes.pop(name, None)
                else:
                    self._nodes[name] = node
            case ConfigChanged():
                self._config = change
            case Synced():
                self.synced = True
                self._dirty.update(self._services)

    def _configure(self, config: Config) -> None:
        pools = AddressBook(PoolSpace(pool) for pool in config.pools)
        if self._pools and (losing := losing_pool(self._services.values(), self._pools, pools)):
            named = ", ".join(f"{key} has {quoted(addresses)}" for key, addresses in sorted(losing.items()))
            raise PoolsConflict(f"no pool of the new configuration contains what these Services have: {named}")
        self._pools = pools
        self._dirty.update(self._services)

    def _alive(self) -> frozenset[str]:
        if self._members:
            return self._members
        if not self._nodes:
            return frozenset((self._node,))
        return frozenset(name for name, node in self._nodes.items() if node.ready)

    async def _converge(self) -> None:
        """Announce and withdraw what the changes so far ask for, then say so."""
        if self._pools is None:
            return
        alive = self._alive()
        pools = self._pools
        gained = [key for key in sorted(self._dirty) if self._converge_one(key, alive, pools)]
        self._dirty.clear()
        await self._network.announce(self.addresses)
        for key in gained:
            await self._tell(key)

    def _converge_one(self, key: ObjectKey, alive: frozenset[str], pools: AddressBook) -> bool:
        """Bring one Service's announcement up to date. Tells whether it is announced anew."""
        service = self._services.get(key)
        decision = announceable(service, pools)
        if service is None or isinstance(decision, Withheld):
            self._withdraw(key, decision.reason if isinstance(decision, Withheld) else "serviceDeleted")
            return False
        coming = _Announced(_protocol(decision), decision.addresses)
        if before := self._announced.get(key):
            if before.protocol is not coming.protocol:
                self._withdraw(key, "protocolChanged")
            elif set(before.addresses) != set(coming.addresses):
                self._withdraw(key, "loadBalancerIPChanged")
        if reason := self._reason_against(service, decision, alive):
            self._withdraw(key, reason)
            return False
        if key in self._announced:
            return False
        self._announce(key, coming, decision.pool.name)
        return True

    def _announce(self, key: ObjectKey, coming: _Announced, pool: str) -> None:
        self._announced[key] = coming
        for address in coming.addresses:
            self._metrics.announced(str(key), coming.protocol, str(address))
        _log.info(
            "service has IP, announcing",
            event_name="serviceAnnounced",
            service=str(key),
            ips=[str(address) for address in coming.addresses],
            pool=pool,
            protocol=coming.protocol,
        )

    def _reason_against(self, service: Service, decision: Announceable, alive: frozenset[str]) -> str:
        if _protocol(decision) is not PoolProtocol.LAYER2:
            return "protocolNotAvailable"
        endpoints = self._endpoints.get(service.key)
        owner = layer2.owner(
            service, decision, endpoints, alive, self._nodes, ignore_exclude_label=self._ignore_exclude_label
        )
        return "" if owner == self._node else "notOwner"

    def _withdraw(self, key: ObjectKey, reason: str) -> None:
        announced = self._announced.pop(key, None)
        if announced is None:
            return
        for address in announced.addresses:
            self._metrics.withdrawn(str(key), announced.protocol, str(address))
        _log.info(
            "withdrawing service announcement",
            event_name="serviceWithdrawn",
            service=str(key),
            ip=[str(address) for address in announced.addresses],
            protocol=announced.protocol,
            reason=reason,
        )

    async def _tell_conflicts(self) -> None:
        """Warn the users of each Service whose address another host claims; the log has it already."""
        async for conflict in self._network.conflicts():
            for key, announced in sorted(self._announced.items()):
                if conflict.address in announced.addresses:
                    text = (
                        f"another host claims {conflict.address}: {conflict.mac} on {conflict.interface}; take the "
                        "address off that host, or out of the pool"
                    )
                    await self._emit(key, Severity.WARNING, "addressConflict", text)

    async def _tell(self, key: ObjectKey) -> None:
        await self._emit(key, Severity.NORMAL, "nodeAssigned", f'announcing from node "{self._node}"')

    async def _emit(self, key: ObjectKey, severity: Severity, reason: str, message: str) -> None:
        uid = self._services[key].uid
        event = Event("Service", key, severity, reason, message, component="metallb-speaker", uid=uid)
        try:
            await self._cluster.emit(event)
        except ClusterError as error:
            _log.warning("failed to emit an event", reason=reason, error=str(error))


def _protocol(announced: Announceable) -> PoolProtocol:
    """Tell how a Service is announced; a legacy pool has exactly one protocol."""
    return announced.pool.protocols[0]
