"""Announcing by BGP: decides sessions and routes, and hands the node's router what changes of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from metalpy.announcement.announceable import Withheld
from metalpy.announcement.bgp import RoutePlan, refused_advertisements
from metalpy.announcement.route_table import RouteTable
from metalpy.announcement.routes import audience
from metalpy.announcement.sessions import Capabilities, Peering, sessions
from metalpy.bgp.chronicle import GOBGPD, SESSION, Complaint, SessionChange
from metalpy.errors import RouterError
from metalpy.model import Config, Node
from metalpy.model import Protocol as PoolProtocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from ipaddress import IPv4Address

    from metalpy.announcement.announceable import Announceable
    from metalpy.announcement.routes import Announcement, Routes
    from metalpy.announcement.speakers import Speakers
    from metalpy.announcement.states import Reach
    from metalpy.bgp.router import Router
    from metalpy.daemon.announcing import Tell
    from metalpy.daemon.settings import Parting
    from metalpy.model import Endpoint, IPAddress, ObjectKey, Service

_log = structlog.get_logger()

RETRY_S = 10.0
"""Between two tries to run a router that cannot be run."""

_AT_ONCE = 100
"""Services of those that there are at the start, whose routes are on their way while the next ones are decided."""

ROUTER = Capabilities(bfd=True)
"""What gobgpd can do at best; where this one cannot, or the node lacks an address, the router says so itself."""


class BGPAnnouncing:
    """BGP on one node. A router is made, and runs, from when there is a session to keep; routes may come later.

    `ends_for_good` tells, when the speaker ends, whether somebody asked it to: then routes are withdrawn. When it
    fails they stay for the next one.
    """

    protocol = PoolProtocol.BGP

    def __init__(
        self,
        make_router: Callable[[], Router],
        *,
        node: str,
        address: IPv4Address | None,
        ignore_exclude_label: bool,
        parting: Parting,
        ends_for_good: Callable[[], bool],
    ) -> None:
        self._make_router = make_router
        self.router: Router | None = None
        self._address = address
        self._ignore_exclude_label = ignore_exclude_label
        self._parting = parting
        self._ends_for_good = ends_for_good
        self._config = Config()
        self._node = Node(node)
        self._peering = Peering()
        self._plan = RoutePlan(self._node, ())
        self._is_stale = False
        self._services: dict[ObjectKey, tuple[Service, Announceable, Sequence[Endpoint] | None]] = {}
        self._dirty: set[ObjectKey] = set()
        self._reasons: dict[ObjectKey, str] = {}
        self._reaches: dict[ObjectKey, Reach] = {}
        self._table = RouteTable()
        self._changes: list[Announcement] = []
        self._remarks: tuple[str, ...] = ()
        self._untold: asyncio.Queue[str] = asyncio.Queue()
        self._due: asyncio.Queue[Router] = asyncio.Queue()
        self._is_complete = False
        """All routes are known."""
        self._is_new = False
        """The router does not know that yet."""

    def configure(self, config: Config) -> None:
        """Take a configuration into use."""
        self._config = config
        self._is_stale = True

    def prepare(self, nodes: Mapping[str, Node]) -> None:
        """Choose the sessions, and let them come up."""
        node = nodes.get(self._node.name, Node(self._node.name))
        if self._is_stale or node != self._node:
            self._replan(node)
        if self._peering.sessions and self.router is None:
            self._begin()

    def put(self, service: Service, announced: Announceable, endpoints: Sequence[Endpoint] | None) -> None:
        """Take in a Service of a pool that BGP announces."""
        self._services[service.key] = (service, announced, endpoints)
        self._dirty.add(service.key)

    def drop(self, key: ObjectKey) -> None:
        """Take in that BGP does not announce it."""
        if self._services.pop(key, None):
            self._reasons.pop(key, None)
            self._reaches.pop(key, None)
            self._dirty.add(key)

    async def settle(self, speakers: Speakers, since_s: float) -> set[ObjectKey]:
        """Decide the routes of what changed, and of everything if the sessions or this node did.

        What belongs to one change is handed over together, by `announce`. At the start nothing of what is there has
        to wait for the rest: it is handed over as it is decided.
        """
        del since_s
        self.prepare(speakers.nodes)
        due, self._dirty = list(self._dirty), set()
        if self._is_complete:
            return self._decide(due)
        changed: set[ObjectKey] = set()
        for start in range(0, len(due), _AT_ONCE):
            changed |= self._decide(due[start : start + _AT_ONCE])
            self._hand_over()
            await asyncio.sleep(0)
        return changed

    def _decide(self, due: Iterable[ObjectKey]) -> set[ObjectKey]:
        """Decide the routes of some Services; gives those of which something may be another."""
        routes: dict[ObjectKey, Routes] = {}
        changed = set()
        for key in due:
            wanted = self._plan.routes(*self._services[key]) if key in self._services else {}
            reason = wanted.reason if isinstance(wanted, Withheld) else ""
            routes[key] = {} if isinstance(wanted, Withheld) else wanted
            found = reason, audience(routes[key])
            if key in self._services and (self._reasons.get(key), self._reaches.get(key)) != found:
                self._reasons[key], self._reaches[key] = found
                changed.add(key)
        self._changes += self._table.update(routes)
        return changed

    def _begin(self) -> None:
        self.router = self._make_router()
        self.router.keep(self._peering.sessions)
        self._changes = list(self._table.announcements())
        self._is_new = True
        self._due.put_nowait(self.router)

    def _replan(self, node: Node) -> None:
        """Choose the sessions anew; every Service's routes depend on them, and on this node's labels."""
        peering = sessions(self._config, node, ROUTER, self._address)
        self._node, self._is_stale = node, False
        if self.router and peering.sessions != self._peering.sessions:
            self.router.keep(peering.sessions)
        self._peering = peering
        self._plan = RoutePlan(node, peering.sessions, ignore_exclude_label=self._ignore_exclude_label)
        self._dirty.update(self._services)
        remarks = tuple(map(str, (*peering.refused, *peering.limited, *refused_advertisements(self._config.pools))))
        for remark in remarks:
            if remark not in self._remarks:
                _log.error("not as configured", op="setConfig", error=remark)
                self._untold.put_nowait(remark)
        self._remarks = remarks

    def reason_against(self, key: ObjectKey) -> str:
        """Give the reference's reason why this node announces no routes of a Service."""
        return self._reasons.get(key, "")

    def reach(self, key: ObjectKey) -> Reach | None:
        """Name the peers that the Service's routes are for, whether their sessions are up or not."""
        return self._reaches.get(key) or None

    async def announce(
        self, announcements: Mapping[ObjectKey, tuple[IPAddress, ...]], changed: Iterable[ObjectKey]
    ) -> None:
        """Hand the router what changed; it sends that at its own pace."""
        del announcements, changed  # they have a reason against them, or none, as the routes decided so far
        self._is_complete = True
        self._hand_over()

    def _hand_over(self) -> None:
        changes, self._changes = self._changes, []
        if self.router:
            self.router.announce(changes)
            if self._is_complete and self._is_new:
                self.router.ready()
                self._is_new = False

    async def run(self, tell: Tell) -> None:
        """Run the router once there is a session to keep."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tell_remarks(tell))
            told = ""
            while True:
                router = await self._due.get()
                try:
                    await self._run(router, tell)
                except RouterError as error:
                    if told != (told := str(error)):
                        _log.error("the router cannot be run", op="bgp", error=told)
                        await tell.config("BGPNotAvailable", f"node {self._node.name}: {told}")
                await asyncio.sleep(RETRY_S)
                self._begin()
                self._hand_over()

    async def _run(self, router: Router, tell: Tell) -> None:
        async with router:
            try:
                async for news in router.states():
                    if reason := _event_reason(news):
                        await tell.config(reason, f"node {self._node.name}: {_text(news)}")
            except asyncio.CancelledError:
                if self._ends_for_good():
                    await router.withdraw_and_stop(
                        self._parting.drain_s, graceful_shutdown=self._parting.graceful_shutdown
                    )
                raise

    async def _tell_remarks(self, tell: Tell) -> None:
        while True:
            await tell.config("BGPNotAsConfigured", f"node {self._node.name}: {await self._untold.get()}")


def _event_reason(news: SessionChange | Complaint) -> str:
    """Choose the Event's reason; empty where operators need not be told."""
    if isinstance(news, Complaint):
        if news.what == GOBGPD:
            return "BGPNotAvailable"
        return "BGPSessionNotEstablished" if news.aspect == SESSION else "BGPNotAsConfigured"
    return "" if news.is_up or not news.is_wanted else "BGPSessionDown"


def _text(news: SessionChange | Complaint) -> str:
    if isinstance(news, Complaint):
        return f"{news.what}: {news.why}"
    return f"peer {news.peer}: {news.reason or 'the session went down, and gobgpd does not say why'}"
