"""The speaker: announces, from one node, the addresses that are this node's to announce."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import structlog

from metalpy.allocation.demand import quoted
from metalpy.allocation.pools import AddressBook, PoolSpace
from metalpy.announcement.announceable import Announceable, Withheld, announceable, losing_pool
from metalpy.announcement.states import Shown
from metalpy.daemon.announcing import Tell
from metalpy.daemon.heap import freezing
from metalpy.daemon.intake import ConfigIntake
from metalpy.daemon.origins import origin_of
from metalpy.daemon.surroundings import Surroundings
from metalpy.errors import ClusterError, PoolsConflict
from metalpy.model import Event, Protocol, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from metalpy.announcement.states import Reach
    from metalpy.cluster.interface import AnyConfigChanged, Change, Cluster
    from metalpy.daemon.announcing import Announcing
    from metalpy.membership.sources import Membership
    from metalpy.model import Config, IPAddress, ObjectKey
    from metalpy.observe.metrics import ClientMetrics, SpeakerMetrics

_log = structlog.get_logger()

_LINES_AT_ONCE = 10
_PAUSE_S = 0.001
"""So many lines are logged, then for so long none: gRPC, which has routes to stream just then, has a thread of its own
that hardly gets a turn while the event loop never sleeps."""


class Speaker:
    """Feeds a cluster's changes to the announcement decisions and the result to the network.

    Whether a Service can be announced at all is decided here, once for all `protocols`; whether this node does it is
    for each protocol of its pool to say.
    """

    def __init__(
        self,
        cluster: Cluster,
        protocols: Sequence[Announcing],
        membership: Membership,
        *,
        node: str,
        client: ClientMetrics,
        metrics: SpeakerMetrics,
        lb_class: str = "",
    ) -> None:
        self._cluster = cluster
        self._protocols = {each.protocol: each for each in protocols}
        self._membership = membership
        self._node = node
        self._client = client
        self._intake = ConfigIntake(self._configure, client)
        self._pools: AddressBook | None = None
        self._seen = Surroundings(lb_class)
        self._announced: dict[Protocol, dict[ObjectKey, tuple[IPAddress, ...]]] = {each: {} for each in Protocol}
        metrics.read(self._announced)
        self._reaches: dict[Protocol, Mapping[ObjectKey, Reach]] = {protocol: {} for protocol in self._protocols}
        """Where this node announces Services; never changed in place, as others have it too."""
        self._words: list[Callable[[], None]] = []
        """Log what was decided and is not logged yet."""
        self._config: AnyConfigChanged | None = None
        self._turn = asyncio.Lock()

    @property
    def synced(self) -> bool:
        """Whether everything that was there at the start has been seen."""
        return self._seen.synced

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tell = Tell(self._warn_users, self._warn_operators)
            beside = [tasks.create_task(each.run(tell)) for each in self._protocols.values()]
            beside.append(tasks.create_task(self._follow_members()))
            async for changes in freezing(self._cluster.changes()):
                await self.take(changes)
            for task in beside:
                task.cancel()

    async def _follow_members(self) -> None:
        while True:
            await self._membership.changed()
            await self.take(())

    async def take(self, changes: Sequence[Change]) -> None:
        """Take in one batch of changes, or that members have changed, and announce what follows from it."""
        since_s = asyncio.get_running_loop().time()
        async with self._turn:
            self._client.updates.inc(len(changes))
            for change in changes:
                self._seen.note(change)
            if self._seen.synced:
                self._take_config()
                await self._converge(since_s)
                self._cluster.show(Shown(self._intake.verdict, dict(self._reaches)))
            elif self._seen.config_synced:
                self._take_config()
                for each in self._protocols.values():
                    each.prepare(self._seen.nodes)

    def _take_config(self) -> None:
        if self._seen.config:
            self._config, self._seen.config = self._seen.config, None
            self._intake.take(self._config)
        else:
            self._intake.retry()

    def _configure(self, config: Config) -> None:
        pools = AddressBook(PoolSpace(pool) for pool in config.pools)
        if self._pools and (losing := losing_pool(self._seen.services.values(), self._pools, pools)):
            named = ", ".join(f"{key} has {quoted(addresses)}" for key, addresses in sorted(losing.items()))
            raise PoolsConflict(f"no pool of the new configuration contains what these Services have: {named}")
        self._pools = pools
        for each in self._protocols.values():
            each.configure(config)
        self._seen.dirty.update(self._seen.services)

    async def _converge(self, since_s: float) -> None:
        """Announce and withdraw what the changes so far ask for, then say so."""
        if self._pools is None:
            _log.debug(
                "not processing, still waiting for config", event_name="noConfig", services=len(self._seen.dirty)
            )
            return
        dirty, self._seen.dirty = self._seen.dirty, set()
        decisions = {key: announceable(self._seen.services.get(key), self._pools) for key in dirty}
        for key, decision in decisions.items():
            self._hand_over(key, decision)
        speakers = self._membership.speakers(self._seen.nodes, self._seen.pods.values())
        for each in self._protocols.values():
            for key in await each.settle(speakers, since_s) - decisions.keys():
                decisions[key] = announceable(self._seen.services.get(key), self._pools)
        gained = [key for key in sorted(decisions) if self._look_at(key, decisions[key])]
        for protocol, each in self._protocols.items():
            await each.announce(self._announced[protocol], decisions)
            self._note_reaches(protocol, each, decisions)
        await self._log_words()
        for key in gained:
            await self._emit(key, Severity.NORMAL, "nodeAssigned", f'announcing from node "{self._node}"')

    def _hand_over(self, key: ObjectKey, decision: Announceable | Withheld) -> None:
        """Let each protocol know of a Service that is for it, and no other."""
        for protocol, each in self._protocols.items():
            if isinstance(decision, Announceable) and protocol in decision.pool.protocols:
                each.put(self._seen.services[key], decision, self._seen.endpoints.get(key))
            else:
                each.drop(key)

    def _note_reaches(self, protocol: Protocol, announcing: Announcing, keys: Iterable[ObjectKey]) -> None:
        before = self._reaches[protocol]
        announced = self._announced[protocol]
        now = {key: announcing.reach(key) if key in announced else None for key in keys}
        changed = {key: reach for key, reach in now.items() if before.get(key) != reach}
        if not changed:
            return
        after = dict(before)
        for key, reach in changed.items():
            if reach is None:
                del after[key]
            else:
                after[key] = reach
        self._reaches[protocol] = after

    def _look_at(self, key: ObjectKey, decision: Announceable | Withheld) -> bool:
        _log.debug("start of service update", event_name="startUpdate", service=str(key))
        gained = self._converge_one(key, decision)
        _log.debug("end of service update", event_name="endUpdate", service=str(key))
        return gained

    def _converge_one(self, key: ObjectKey, decision: Announceable | Withheld) -> bool:
        """Bring one Service's announcements up to date. Tells whether a protocol announces it anew."""
        if isinstance(decision, Withheld):
            for protocol in Protocol:
                self._withdraw(key, protocol, decision.reason)
            return False
        wanted = decision.pool.protocols
        for protocol in Protocol:
            if protocol not in wanted:
                self._withdraw(key, protocol, "protocolChanged")
        anew = [self._converge_protocol(key, decision, protocol) for protocol in wanted]
        return any(anew)

    def _converge_protocol(self, key: ObjectKey, decision: Announceable, protocol: Protocol) -> bool:
        before = self._announced[protocol].get(key)
        if before and set(before) != set(decision.addresses):
            self._withdraw(key, protocol, "loadBalancerIPChanged")
        announcing = self._protocols.get(protocol)
        if reason := announcing.reason_against(key) if announcing else "protocolNotAvailable":
            self._withdraw(key, protocol, reason)
            return False
        if key in self._announced[protocol]:
            return False
        self._announce(key, protocol, decision)
        return True

    def _announce(self, key: ObjectKey, protocol: Protocol, decision: Announceable) -> None:
        self._announced[protocol][key] = decision.addresses
        self._words.append(partial(_log_announced, key, protocol, decision))

    def _withdraw(self, key: ObjectKey, protocol: Protocol, reason: str) -> None:
        addresses = self._announced[protocol].pop(key, None)
        if addresses is not None:
            self._words.append(partial(_log_withdrawn, key, protocol, addresses, reason))

    async def _log_words(self) -> None:
        """Log what was decided. Ten thousand lines take a while, and the network was not to wait for them."""
        words, self._words = self._words, []
        for number, log in enumerate(words, 1):
            log()
            if number % _LINES_AT_ONCE == 0:
                await asyncio.sleep(_PAUSE_S)

    async def _warn_users(self, address: IPAddress, reason: str, message: str) -> None:
        """Warn the users of each Service whose address it is."""
        announced = (each for by_key in self._announced.values() for each in by_key.items())
        for key in sorted({key for key, addresses in announced if address in addresses}):
            await self._emit(key, Severity.WARNING, reason, message)

    async def _warn_operators(self, reason: str, message: str) -> None:
        """Warn those who wrote the configuration."""
        for event in origin_of(self._config).tell(reason, message, "metallb-speaker") if self._config else ():
            await self._send(event)

    async def _emit(self, key: ObjectKey, severity: Severity, reason: str, message: str) -> None:
        # Telling it on another one may have taken a while, in which this one went.
        if service := self._seen.services.get(key):
            await self._send(Event("Service", key, severity, reason, message, "metallb-speaker", service.uid))

    async def _send(self, event: Event) -> None:
        try:
            await self._cluster.emit(event)
        except ClusterError as error:
            _log.warning("failed to emit an event", reason=event.reason, error=str(error))


def _log_announced(key: ObjectKey, protocol: Protocol, decision: Announceable) -> None:
    _log.info(
        "service has IP, announcing",
        event_name="serviceAnnounced",
        service=str(key),
        ips=[str(address) for address in decision.addresses],
        pool=decision.pool.name,
        protocol=protocol,
    )


def _log_withdrawn(key: ObjectKey, protocol: Protocol, addresses: Iterable[IPAddress], reason: str) -> None:
    _log.info(
        "withdrawing service announcement",
        event_name="serviceWithdrawn",
        service=str(key),
        ip=[str(address) for address in addresses],
        protocol=protocol,
        reason=reason,
    )
