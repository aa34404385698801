"""Keeps a gobgpd in the wanted state: connects, compares, sends the difference, and begins anew when it is gone."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from metalpy.bgp.chronicle import GOBGPD
from metalpy.bgp.client import Gobgp, GoneError, RefusalError
from metalpy.bgp.paths import TAG
from metalpy.bgp.translation import Translation
from metalpy.bgp.wanted import Actual, grown
from metalpy.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from metalpy.bgp.addresses import LocalAddresses
    from metalpy.bgp.chronicle import Chronicle
    from metalpy.bgp.exports import Export
    from metalpy.bgp.neighbors import Neighbor
    from metalpy.bgp.paths import Path
    from metalpy.bgp.wanted import Wanted
    from metalpy.model import IPNetwork

log = structlog.get_logger()

RETRY_S = 1.0
"""Longest pause between tries to reach gobgpd."""
_FIRST_RETRY_S = 0.05
_PATIENCE_S = 3.0
"""A gobgpd that is away for less, as while it starts, is not worth a word."""
_AT_ONCE = 1000
"""Announcements laid out between two turns of the event loop."""


class Reconciler:
    """Keeps the gobgpd at `target` in the state `wanted`, from `is_ready` on.

    `recheck_s` lies between tries of what could not be had; `addresses` reads this node's. `is_heard` says that
    gobgpd's log comes to the chronicle.
    """

    def __init__(
        self,
        target: str,
        wanted: Wanted,
        chronicle: Chronicle,
        addresses: Callable[[], Awaitable[LocalAddresses]],
        *,
        restart_s: int,
        recheck_s: float,
        is_heard: bool,
    ) -> None:
        self.client: Gobgp | None = None
        """The connection, while gobgpd has been in the wanted state since it began."""
        self.is_ready = asyncio.Event()
        self._target = target
        self._wanted = wanted
        self._chronicle = chronicle
        self._translation = Translation(addresses, chronicle, restart_s=restart_s, recheck_s=recheck_s)
        self._recheck_s = recheck_s
        self._is_heard = is_heard
        self._actual = Actual()
        self._refused: dict[IPNetwork, Path] = {}
        self._wake = asyncio.Event()
        self._asked = 0
        self._done = 0
        self._progress = asyncio.Condition()

    def ask(self) -> None:
        """Say that the wanted state changed."""
        self._asked += 1
        self._wake.set()

    async def settled(self) -> None:
        """Wait until gobgpd has what was wanted when this was called, but for what it refuses."""
        asked = self._asked
        async with self._progress:
            await self._progress.wait_for(lambda: self._done >= asked and self.client is not None)

    async def run(self) -> None:
        """Do so, for ever."""
        loop = asyncio.get_running_loop()
        pause_s, seen_s = _FIRST_RETRY_S, loop.time()
        while True:
            try:
                client = await Gobgp.connect(self._target)
                try:
                    await self._serve(client)
                finally:
                    if self.client:
                        pause_s, seen_s = _FIRST_RETRY_S, loop.time()
                    self.client = None
                    await client.close()
            except* RouterError as group:
                error = _first(group)
                if not isinstance(error, GoneError) or loop.time() - seen_s > _PATIENCE_S:
                    self._chronicle.complain(GOBGPD, str(error))
                self._chronicle.lose_all()
            await asyncio.sleep(pause_s)
            pause_s = min(RETRY_S, pause_s * 1.5)

    async def _serve(self, client: Gobgp) -> None:
        """Keep one gobgpd in the wanted state, until it is gone."""
        router_id = await self._survey(client)
        is_cold = not router_id
        async with asyncio.TaskGroup() as group:
            is_watching = False
            while True:
                self._wake.clear()
                asked = self._asked
                router_id = await self._identify(client, router_id)
                if router_id:
                    if not is_watching:  # not before it is started, and before there are peers
                        group.create_task(self._watch(client))
                        group.create_task(self._listen(client))
                        is_watching = True
                    await self._reconcile(client, is_restart=is_cold)
                    is_cold = False
                async with self._progress:
                    self.client, self._done = client, asked
                    self._progress.notify_all()
                with suppress(TimeoutError):
                    at_s = self._translation.look_again_s
                    async with asyncio.timeout_at(None if math.isinf(at_s) else at_s):
                        await self._wake.wait()

    async def _survey(self, client: Gobgp) -> str:
        """Wait until the wanted state is known, then find out what gobgpd has; returns its router ID, empty if none."""
        asn, router_id = await client.identity()
        if asn not in (0, TAG):
            raise RefusalError(
                f"gobgpd: {self._target} is another's: its ASN is {asn}. metalpy needs a gobgpd of its own, started "
                "without a configuration file"
            )
        await self.is_ready.wait()
        self._actual = Actual()
        if asn:
            self._actual.marks = {address: each.mark for address, each in (await client.peers()).items()}
            self._actual.paths = dict(await client.routes())
        self._refused.clear()
        self._translation.forget()
        self._wanted.compare_all(self._actual.paths)
        self._chronicle.recover(GOBGPD)
        found = {"sessions": len(self._actual.marks), "routes": len(self._actual.paths)}
        log.info("connected to gobgpd", event_name="gobgpdConnected", version=client.version, **found)
        return router_id if asn else ""

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
            self._chronicle.change(address, is_up=is_up)

    async def _listen(self, client: Gobgp) -> None:
        """Let gobgpd log why a session does not come up, which it does among much else, as long as one is down."""
        is_debugging = False
        while self._is_heard:
            await asyncio.sleep(self._recheck_s)
            if is_debugging == self._chronicle.are_up(self._wanted.sessions):
                is_debugging = not is_debugging
                with suppress(RefusalError):  # one that cannot still does everything else
                    await client.log(debug=is_debugging)

    async def _reconcile(self, client: Gobgp, *, is_restart: bool) -> None:
        """Send the difference. Rules come before the paths that they are for, and paths before new peers.

        What gobgpd's end cuts short is found by comparing.
        """
        actual, wanted = self._actual, self._wanted
        neighbors = await self._translation.neighbors(wanted.sessions, wanted.families)
        for address in [each for each in actual.marks if each not in wanted.sessions]:
            await client.remove_peer(address)
            del actual.marks[address]
        while not wanted.is_laid_out:
            for refused in wanted.lay_out(_AT_ONCE):
                self._chronicle.complain(refused.what, refused.why)
            await asyncio.sleep(0)
        rules = wanted.exports(neighbors)
        await self._apply(client, grown(rules, actual.exports))
        await self._send(client)
        for each in neighbors:
            if actual.marks.get(each.address) != each.mark:
                await self._begin(client, each, is_restart=is_restart)
        await self._apply(client, rules)

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
        refusals = await client.stream_routes(announced, withdrawn)
        for path in withdrawn:
            self._actual.paths.pop(path.prefix, None)
        self._actual.paths.update((path.prefix, path) for path in announced)
        for path, error in refusals:
            self._actual.paths.pop(path.prefix, None)
            self._refused[path.prefix] = path
            self._chronicle.complain(f"route {path.prefix}", str(error))

    async def _begin(self, client: Gobgp, each: Neighbor, *, is_restart: bool) -> None:
        """Begin a session anew."""
        if each.address in self._actual.marks:
            await client.remove_peer(each.address)
            del self._actual.marks[each.address]
        try:
            await client.add_peer(each, is_restart=is_restart)
        except RefusalError as error:
            self._chronicle.complain(f"peer {each.name}", str(error))
            self._translation.try_again()
            return
        self._chronicle.recover(f"peer {each.name}")
        self._actual.marks[each.address] = each.mark
        if each.bfd and not (await client.peers())[each.address].has_bfd:
            why = "no BFD: this gobgpd has none, it takes version 4.5 or newer"
            self._chronicle.complain(f"peer {each.name}", why, "BFD")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
