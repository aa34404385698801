"""The node's BGP router: the speaker says which sessions and routes there are to be, and gobgpd is kept in that state.

    async with Router(EmbeddedGobgpd(Path("/usr/bin/gobgpd"), Path("/run/metalpy/gobgp"))) as router:
        router.keep(sessions)
        router.announce(announcements)
        router.ready()

Promises: nothing is touched before `ready`, so a speaker that starts over a running gobgpd changes nothing that need
not change. From then on gobgpd has what is wanted, also after it was away. Sessions that are not edited stay up when
others are. What cannot be had (a refused peer, a source address that this node has not) is named in the log and
tried again; everything else goes on. Routes that peers send are not taken.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Self

import structlog

from metalpy.bgp.addresses import LocalAddresses, local_addresses
from metalpy.bgp.client import Gobgp, RefusalError
from metalpy.bgp.neighbors import label, neighbor
from metalpy.bgp.paths import TAG
from metalpy.bgp.wanted import Actual, Wanted, grown
from metalpy.errors import RouterError
from metalpy.model import Community

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
    from types import TracebackType

    from metalpy.announcement.routes import Announcement, Session
    from metalpy.bgp.codec import Status
    from metalpy.bgp.daemon import Daemon
    from metalpy.bgp.exports import Export
    from metalpy.bgp.neighbors import Neighbor
    from metalpy.bgp.paths import Path
    from metalpy.model import IPAddress, IPNetwork

log = structlog.get_logger()

GRACEFUL_SHUTDOWN = Community(0xFFFF0000, "graceful-shutdown")
"""RFC 8326: the route is about to go, use another if there is one."""
RETRY_S = 1.0
"""Longest pause between tries to reach gobgpd."""
RECHECK_S = 5.0
"""How often what could not be had is tried again."""
STOP_S = 10.0
"""How long each step of a planned stop may take."""
_AT_ONCE = 1000
"""Announcements laid out between two turns of the event loop."""
_LOG_DELAY_S = 0.2
"""How long the reason of a session's end may be behind the end."""
_LOG_LINE = re.compile(r'\b(Key|msg|Reason|reason|Error)=("(?:[^"\\]|\\.)*"|\S*)')


@dataclass(frozen=True, slots=True)
class SessionChange:
    """A session has come up or gone down; `peer` as metrics name it, `reason` empty where nobody says."""

    peer: str
    is_up: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SessionCounts:
    """What a metric says of a session. `updates_sent` never decreases while the session is wanted."""

    is_up: bool = False
    updates_sent: int = 0
    announced_prefixes: int = 0
    pending_prefixes: int = 0
    """Prefixes that the peer is to have, as MetalLB's native mode counts them."""


class Router:
    """Keeps a gobgpd in the wanted state; an async context manager.

    Entering takes over or starts the gobgpd where that is ours to do, and raises `RouterError` if it cannot be run at
    all. Leaving lets go of it: sessions and routes stay, as they do when this process dies, for the next speaker;
    `withdraw_and_stop` is for good. With `restart_s` all sessions restart gracefully (RFC 4724), so that routers keep
    the routes for so long when gobgpd dies.
    """

    def __init__(
        self,
        daemon: Daemon,
        *,
        restart_s: int = 0,
        recheck_s: float = RECHECK_S,
        addresses: Callable[[], Awaitable[LocalAddresses]] = local_addresses,
    ) -> None:
        self._daemon = daemon
        self._restart_s = restart_s
        self._recheck_s = recheck_s
        self._addresses = addresses
        self._wanted = Wanted()
        self._actual = Actual()
        self._client: Gobgp | None = None
        self._is_ready = asyncio.Event()
        self._wake = asyncio.Event()
        self._asked = 0
        self._done = 0
        self._progress = asyncio.Condition()
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[None]] = []
        self._told: dict[str, str] = {}
        self._refused: dict[IPNetwork, Path] = {}
        self._up: set[IPAddress] = set()
        self._reasons: dict[IPAddress, str] = {}
        self._changes: asyncio.Queue[SessionChange] = asyncio.Queue()
        self._counts: dict[IPAddress, tuple[int, int]] = {}
        """UPDATE messages of earlier runs of gobgpd, and of this one when it was last asked."""

    async def __aenter__(self) -> Self:
        await self._daemon.start(self._hear)
        await self._group.__aenter__()
        self._tasks = [self._group.create_task(each) for each in (self._daemon.keep(), self._keep_connected())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        own = (kind, error, trace) if kind and issubclass(kind, asyncio.CancelledError) else (None, None, None)
        try:
            await self._group.__aexit__(*own)
        finally:
            self._daemon.leave()

    # --- what the speaker says

    def keep(self, sessions: Iterable[Session]) -> None:
        """Keep these sessions and no others."""
        for refused in self._wanted.keep(sessions):
            self._complain(refused.what, refused.why)
        self._ask()

    def announce(self, changes: Iterable[Announcement]) -> None:
        """Announce these prefixes so, or no more; other prefixes stay as they are."""
        self._wanted.announce(changes)
        self._ask()

    def ready(self) -> None:
        """Say that what was said so far is the whole state: what gobgpd has beyond that goes."""
        self._is_ready.set()

    def _ask(self) -> None:
        self._asked += 1
        self._wake.set()

    async def settled(self) -> None:
        """Wait until gobgpd has what was wanted when this was called, but for what it refuses."""
        asked = self._asked
        async with self._progress:
            await self._progress.wait_for(lambda: self._done >= asked and self._client is not None)

    async def withdraw_and_stop(self, drain_s: float = 0, *, graceful_shutdown: bool = False) -> None:
        """Withdraw everything and end all sessions, after `drain_s` seconds, and gobgpd too if it is ours.

        With `graceful_shutdown` the routes say during that time that they are going (RFC 8326). Where gobgpd does not
        answer, this goes on after a while.
        """
        self.ready()
        if graceful_shutdown:
            self._wanted.add_community(GRACEFUL_SHUTDOWN)
            await self._settle()
        await asyncio.sleep(drain_s)
        self._wanted.withdraw_all()
        await self._settle()
        self._wanted.keep(())
        await self._settle()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._daemon.end()

    async def _settle(self) -> None:
        self._ask()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.settled(), STOP_S)

    # --- what the speaker asks

    async def states(self) -> AsyncIterator[SessionChange]:
        """Yield, for ever, when a session comes up or goes down. For one listener; they are logged in any case."""
        while True:
            yield await self._changes.get()

    async def counts(self) -> Mapping[str, SessionCounts]:
        """Return the counters of every wanted session, by the peer's name in metrics; asks gobgpd if it is there."""
        statuses: Mapping[IPAddress, Status] = {}
        if self._client:
            with suppress(RouterError):
                statuses = await self._client.peers(counted=True)
        counts = {}
        for address, session in self._wanted.sessions.items():
            status = statuses.get(address)
            before, last = self._counts.get(address, (0, 0))
            if status:
                before += last if status.updates_sent < last else 0
                last = status.updates_sent
                self._counts[address] = (before, last)
            is_up = status is not None and status.is_up
            counts[label(address, session.peer.port)] = SessionCounts(
                is_up,
                before + last,
                status.prefixes if status and is_up else 0,
                self._wanted.prefixes(address),
            )
        for address in self._counts.keys() - self._wanted.sessions.keys():
            del self._counts[address]
        return counts

    # --- gobgpd

    async def _keep_connected(self) -> None:
        pause_s = 0.05
        while True:
            try:
                client = await Gobgp.connect(self._daemon.target)
                pause_s = 0.05
                try:
                    await self._serve(client)
                finally:
                    self._client = None
                    await client.close()
            except* RouterError as group:
                self._lose(_first(group))
            await asyncio.sleep(pause_s)
            pause_s = min(RETRY_S, pause_s * 1.5)

    def _lose(self, error: BaseException) -> None:
        self._complain("gobgpd", str(error))
        for address in sorted(self._up, key=str):
            self._change(address, is_up=False, reason="gobgpd is away")

    async def _serve(self, client: Gobgp) -> None:
        """Keep one gobgpd in the wanted state, until it is gone."""
        asn, router_id = await client.identity()
        if asn not in (0, TAG):
            raise RefusalError(
                f"gobgpd: {self._daemon.target} is another's: its ASN is {asn}. metalpy needs a gobgpd of its own, "
                "started without a configuration file"
            )
        await self._is_ready.wait()
        is_cold = asn == 0
        self._actual = Actual()
        if not is_cold:
            self._actual.marks = {address: each.mark for address, each in (await client.peers()).items()}
            self._actual.paths = dict(await client.routes())
        self._refused.clear()
        self._wanted.compare_all(self._actual.paths)
        self._recover("gobgpd")
        log.info(
            "connected to gobgpd",
            event_name="gobgpdConnected",
            version=client.version,
            sessions=len(self._actual.marks),
            routes=len(self._actual.paths),
        )
        router_id = "" if is_cold else router_id
        async with asyncio.TaskGroup() as group:
            is_watching = False
            while True:
                self._wake.clear()
                asked = self._asked
                router_id = await self._identify(client, router_id)
                if router_id and not is_watching:
                    # Not before it is started, and before there are peers.
                    group.create_task(self._watch(client))
                    is_watching = True
                is_complete = not router_id or await self._reconcile(client, is_restart=is_cold)
                async with self._progress:
                    self._client, self._done = client, asked
                    self._progress.notify_all()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), None if is_complete else self._recheck_s)
                is_cold = False

    async def _identify(self, client: Gobgp, router_id: str) -> str:
        """Let gobgpd have the wanted router ID; a started one gets another only without peers. Returns the one it has.

        As long as no session is wanted it may keep what it has, or none.
        """
        wanted = next((each.router_id for each in self._wanted.sessions.values()), None)
        if wanted is None or str(wanted) == router_id:
            return router_id
        for address in self._actual.marks:
            await client.remove_peer(address)
        await client.start(wanted)
        self._actual = Actual()
        self._wanted.compare_all({})
        return str(wanted)

    async def _watch(self, client: Gobgp) -> None:
        async for address, is_up in client.watch():
            if is_up:
                self._recover(f"peer {address}")
                self._change(address, is_up=True)
            elif address in self._up:
                # gobgpd's log, which has the reason, comes another way.
                self._reasons.pop(address, None)
                self._group.create_task(self._go_down(address))

    async def _go_down(self, address: IPAddress) -> None:
        await asyncio.sleep(_LOG_DELAY_S)
        self._change(address, is_up=False, reason=self._reasons.get(address, ""))

    def _change(self, address: IPAddress, *, is_up: bool, reason: str = "") -> None:
        if is_up == (address in self._up):
            return
        (self._up.add if is_up else self._up.discard)(address)
        session = self._wanted.sessions.get(address)
        peer = label(address, session.peer.port) if session else str(address)
        tell = log.info if is_up or not session else log.warning
        text, event = ("BGP session established", "sessionUp") if is_up else ("BGP session down", "sessionDown")
        tell(text, event_name=event, peer=peer, **({"reason": reason} if reason else {}))
        self._changes.put_nowait(SessionChange(peer, is_up, reason))

    # --- the difference

    async def _reconcile(self, client: Gobgp, *, is_restart: bool) -> bool:
        """Send the difference. Rules come before the paths that they are for, and paths before new peers.

        Returns whether there is nothing to try again. What gobgpd's end cuts short is found by comparing.
        """
        actual, wanted = self._actual, self._wanted
        neighbors, is_complete = await self._neighbors()
        for address in [each for each in actual.marks if each not in wanted.sessions]:
            await client.remove_peer(address)
            del actual.marks[address]
        while not wanted.is_laid_out:
            for refused in wanted.lay_out(_AT_ONCE):
                self._complain(refused.what, refused.why)
            await asyncio.sleep(0)
        rules = wanted.exports(neighbors)
        await self._apply(client, grown(rules, actual.exports))
        await self._send(client)
        for each in neighbors:
            if actual.marks.get(each.address) != each.mark:
                is_complete &= await self._begin(client, each, is_restart=is_restart)
        await self._apply(client, rules)
        return is_complete

    async def _neighbors(self) -> tuple[list[Neighbor], bool]:
        """Translate the sessions; also returns whether all of them can be."""
        sessions = self._wanted.sessions.values()
        local = LocalAddresses()
        if any(each.peer.source_address or each.peer.dual_stack for each in sessions):
            local = await self._addresses()
        found = []
        for session in sessions:
            name = f"peer {label(session.peer.address, session.peer.port)}"
            result, problems = neighbor(session, local, self._restart_s)
            if problems:
                self._complain(name, "; ".join(problems))
            if result:
                found.append(result)
        return found, len(found) == len(self._wanted.sessions)

    async def _apply(self, client: Gobgp, rules: frozenset[Export]) -> None:
        before = self._actual.exports
        if rules != before:
            await client.apply_policies(rules, assigned=before is not None)
            self._actual.exports = rules

    async def _send(self, client: Gobgp) -> None:
        announced, withdrawn = self._wanted.difference(self._actual.paths)
        announced = [path for path in announced if self._refused.get(path.prefix) != path]
        if not announced and not withdrawn:
            return
        try:
            refusals = await client.stream_routes(announced, withdrawn)
        except BaseException:
            self._wanted.again((*announced, *withdrawn))
            raise
        for path in withdrawn:
            self._actual.paths.pop(path.prefix, None)
        self._actual.paths.update((path.prefix, path) for path in announced)
        for path, error in refusals:
            self._actual.paths.pop(path.prefix, None)
            self._refused[path.prefix] = path
            self._complain(f"route {path.prefix}", str(error))

    async def _begin(self, client: Gobgp, each: Neighbor, *, is_restart: bool) -> bool:
        """Begin a session anew; false if gobgpd refuses it."""
        if each.address in self._actual.marks:
            await client.remove_peer(each.address)
            del self._actual.marks[each.address]
        try:
            await client.add_peer(each, is_restart=is_restart)
        except RefusalError as error:
            self._complain(f"peer {each.name}", str(error))
            return False
        self._actual.marks[each.address] = each.mark
        if each.bfd and not (await client.peers())[each.address].has_bfd:
            self._complain(f"peer {each.name}", "no BFD: this gobgpd has none, it needs version 4.5 or newer")
        return True

    # --- what is told

    def _hear(self, line: str) -> None:
        """Take a line of gobgpd's log, which alone says why a session failed."""
        words = {key.lower(): value.strip('"') for key, value in _LOG_LINE.findall(line)}
        reason = words.get("reason") or words.get("error")
        try:
            address = ip_address(words.get("key", ""))
        except ValueError:
            log.warning("gobgpd says", op="gobgpd", line=line)
            return
        if reason:
            self._reasons[address] = reason
            if address not in self._up:
                self._complain(f"peer {address}", reason)

    def _complain(self, what: str, why: str) -> None:
        """Log what is wrong, once as long as it stays the same."""
        if self._told.get(what) != why:
            self._told[what] = why
            log.error("not as wanted", op="bgp", what=what, error=why)

    def _recover(self, what: str) -> None:
        self._told.pop(what, None)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
