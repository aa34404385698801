"""Announcing by layer 2: asks the election, tells the LAN, and says how an address came here from another node."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import structlog

from metalpy.announcement.owners import Owners
from metalpy.model import Protocol as PoolProtocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from metalpy.announcement.announceable import Announceable
    from metalpy.announcement.candidates import Rules
    from metalpy.announcement.causes import Cause
    from metalpy.announcement.speakers import Speakers
    from metalpy.announcement.states import Reach
    from metalpy.daemon.announcing import Tell
    from metalpy.layer2.absences import Absence
    from metalpy.layer2.conflicts import Conflict
    from metalpy.model import Config, Endpoint, IPAddress, Node, ObjectKey, Service
    from metalpy.observe.metrics import FailoverMetrics

_log = structlog.get_logger()


class Network(Protocol):
    """What answers on the LAN for a set of addresses."""

    def prepare(self) -> None:
        """Have at hand what announcing takes."""
        ...

    async def announce(self, addresses: frozenset[IPAddress], only: Mapping[IPAddress, frozenset[str]]) -> None:
        """Answer for exactly these addresses from now on, for those that are in `only` on those interfaces alone."""
        ...

    def absences(self) -> AsyncIterator[Absence]:
        """Yield addresses that are announced nowhere, as none of their interfaces is there."""
        ...

    def conflicts(self) -> AsyncIterator[Conflict]:
        """Yield what other hosts claim of the addresses that are announced here."""
        ...


class Layer2Announcing:
    """Layer 2 on one node."""

    protocol = PoolProtocol.LAYER2

    def __init__(self, network: Network, *, node: str, rules: Rules, metrics: FailoverMetrics) -> None:
        self._network = network
        self._node = node
        self._owners = Owners(rules)
        self._metrics = metrics
        self._taken: list[tuple[ObjectKey, str, Cause, float]] = []
        """Services that came here from another node, until the network knows."""
        self._restricted: dict[ObjectKey, frozenset[str]] = {}
        """The interfaces on which this node answers for a Service, where these are not all."""
        self.addresses: frozenset[IPAddress] = frozenset()
        """What this node answers for."""
        self._announced: dict[ObjectKey, tuple[IPAddress, ...]] = {}
        self._users: dict[IPAddress, int] = {}
        """How many Services have each of the addresses: kept up to date, as thousands take a while to gather."""

    def configure(self, config: Config) -> None:
        """Get ready where there are pools for it; the election reads a Service's own."""
        if any(pool.layer2 for pool in config.pools):
            self._network.prepare()

    def prepare(self, nodes: Mapping[str, Node]) -> None:
        """There is nothing to prepare: hosts on the LAN ask when they want to know."""

    def put(self, service: Service, announced: Announceable, endpoints: Sequence[Endpoint] | None) -> None:
        """Take in a Service that some node is to answer for."""
        self._owners.put(service, announced, endpoints)

    def drop(self, key: ObjectKey) -> None:
        """Take in that none is."""
        self._owners.drop(key)

    async def settle(self, speakers: Speakers, since_s: float) -> set[ObjectKey]:
        """Elect."""
        self._owners.see(speakers)
        changed = self._owners.settle()
        for key in sorted(changed):
            gained = self._owners.gained(key)
            if gained and self._owners.owner(key) == self._node:
                self._taken.append((key, *gained, since_s))
            names = self._owners.interfaces(key, self._node)
            if names is None:
                self._restricted.pop(key, None)
            else:
                self._restricted[key] = names
        return changed

    def reason_against(self, key: ObjectKey) -> str:
        """Give the reference's one reason where another node, or none, is the owner."""
        return "" if self._owners.owner(key) == self._node else "notOwner"

    def reach(self, key: ObjectKey) -> Reach:
        """Name the interfaces; none for every one."""
        return tuple(sorted(self._restricted.get(key, ())))

    async def announce(
        self, announcements: Mapping[ObjectKey, tuple[IPAddress, ...]], changed: Iterable[ObjectKey]
    ) -> None:
        """Answer for these on the LAN, and tell what came from another node and how long that took."""
        counted = [self._count(key, announcements.get(key, ())) for key in changed]
        if any(counted):
            self.addresses = frozenset(self._users)  # of a plain dict, whose hashes are known: 10,000 take 0.1 ms
        await self._network.announce(self.addresses, self._only(announcements))
        now_s = asyncio.get_running_loop().time()
        taken, self._taken = self._taken, []
        for key, former, cause, since_s in taken:
            self._metrics.took(cause, now_s - since_s)
            _log.info(
                "answering for what another node answered for",
                event_name="failover",
                op="failover",
                service=str(key),
                ips=[str(address) for address in announcements.get(key, ())],
                node=self._node,
                former=former,
                cause=cause,
                seconds=round(now_s - since_s, 6),
            )

    def _count(self, key: ObjectKey, addresses: tuple[IPAddress, ...]) -> bool:
        """Note what a Service has now; tells whether that is another thing than before."""
        former = self._announced.pop(key, ())
        if addresses:
            self._announced[key] = addresses
        for address in addresses:
            self._users[address] = self._users.get(address, 0) + 1
        for address in former:
            self._users[address] -= 1
            if not self._users[address]:
                del self._users[address]
        return former != addresses

    def _only(self, announcements: Mapping[ObjectKey, tuple[IPAddress, ...]]) -> dict[IPAddress, frozenset[str]]:
        """Tell which addresses are for some interfaces only. Services that share one are for the same ones."""
        restricted = [key for key in self._restricted if key in announcements]
        return {address: self._restricted[key] for key in restricted for address in announcements[key]}

    async def run(self, tell: Tell) -> None:
        """Warn of each address that another host claims, or that is answered for nowhere; the log has it already."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tell_conflicts(tell))
            tasks.create_task(self._tell_absences(tell))

    async def _tell_conflicts(self, tell: Tell) -> None:
        async for conflict in self._network.conflicts():
            text = (
                f"another host claims {conflict.address}: {conflict.mac} on {conflict.interface}; take the "
                "address off that host, or out of the pool"
            )
            await tell.services(conflict.address, "addressConflict", text)

    async def _tell_absences(self, tell: Tell) -> None:
        async for absence in self._network.absences():
            text = (
                f"{absence.address} is announced nowhere: node {self._node}, which is to answer for it, has none of "
                f"the interfaces that the L2Advertisements of its pool name: {', '.join(sorted(absence.interfaces))}"
            )
            await tell.services(absence.address, "announceFailed", text)
