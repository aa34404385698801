"""Keeps a gobgpd in the wanted state: connects, compares, sends the difference, and begins anew when it is gone."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from metalpy.bgp.chronicle import GOBGPD
from metalpy.bgp.failures import AbsenceError, GoneError, RefusalError, SilenceError
from metalpy.bgp.translation import Translation
from metalpy.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from metalpy.bgp.addresses import LocalAddresses
    from metalpy.bgp.chronicle import Chronicle
    from metalpy.bgp.client import Gobgp
    from metalpy.bgp.daemon import Daemon
    from metalpy.bgp.upkeep import Upkeep
    from metalpy.bgp.wanted import Wanted
    from metalpy.model import IPAddress

log = structlog.get_logger()

RETRY_S = 0.2
"""Longest pause between tries to reach gobgpd."""
_LOOK_S = 0.05
"""The same where nobody listens, which costs nothing to find out."""
_FIRST_RETRY_S = 0.01
_SLOWER = 1.2
"""How much longer each pause is than the one before."""
_PATIENCE_S = 3.0
"""A gobgpd that is away for less, as while it starts, is not worth a word."""
_CLOCKS_S = 0.01
"""By how much a deadline of gRPC may come early on the event loop's clock."""
_RENEWABLE = 4
"""The version of gobgpd that calls a new peer sooner than one that it has lost."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, and for how long at most, in seconds."""

    recheck_s: float = 5.0
    """Between tries of what could not be had."""
    hang_s: float = 15.0
    """A gobgpd that has not answered for that long hangs; it is asked four times as often."""
    steady_s: float = 5.0
    """A session that was up for that long is begun anew when it goes down; others wait until gobgpd calls again."""


class Reconciler:
    """Keeps the gobgpd of a `daemon` in the state `wanted`; `addresses` reads this node's.

    Until `ready` one that runs already is left as it is, and an empty one gets what there is so far: see `Upkeep`.
    """

    def __init__(
        self,
        daemon: Daemon,
        wanted: Wanted,
        chronicle: Chronicle,
        addresses: Callable[[], Awaitable[LocalAddresses]],
        *,
        restart_s: int,
        pace: Pace,
    ) -> None:
        self.client: Gobgp | None = None
        """The connection, while gobgpd has been in the wanted state since it began."""
        self._is_ready = asyncio.Event()
        self._daemon = daemon
        self._wanted = wanted
        self._chronicle = chronicle
        self._translation = Translation(addresses, chronicle, restart_s=restart_s, recheck_s=pace.recheck_s)
        self._pace = pace
        self._answered_s = 0.0
        self._wake = asyncio.Event()
        self._asked = 0
        self._done = 0
        self._progress = asyncio.Condition()

    def ask(self) -> None:
        """Say that the wanted state changed."""
        self._asked += 1
        self._wake.set()

    def ready(self) -> None:
        """Say that the wanted state is known as a whole."""
        self._is_ready.set()
        self._wake.set()

    async def settled(self) -> None:
        """Wait until gobgpd has what was wanted when this was called, but for what it refuses."""
        asked = self._asked
        async with self._progress:
            await self._progress.wait_for(lambda: self._done >= asked and self.client is not None)

    async def run(self) -> None:
        """Do so, for ever."""
        # gRPC costs 30 MB and 0.1 s: a node without BGP peers does not import it, and others do while gobgpd starts.
        from metalpy.bgp.client import DEADLINE_S, Gobgp  # noqa: PLC0415 - see above
        from metalpy.bgp.upkeep import Upkeep  # noqa: PLC0415 - see above

        loop = asyncio.get_running_loop()
        pause_s, seen_s = _FIRST_RETRY_S, loop.time()
        self._answered_s = seen_s
        while True:
            try:
                client = await Gobgp.connect(self._daemon.target, deadline_s=min(DEADLINE_S, self._pace.hang_s))
                try:
                    await self._serve(client, Upkeep(client, self._wanted, self._translation, self._chronicle))
                finally:
                    if self.client:
                        pause_s, seen_s = _FIRST_RETRY_S, loop.time()
                    self.client = None
                    await client.close()
            except* RouterError as group:
                error = _first(group)
                if isinstance(error, SilenceError):
                    self._give_up_on_silence()
                else:
                    self._answered_s = loop.time()  # what is not there does not hang
                    if not isinstance(error, GoneError) or loop.time() - seen_s > _PATIENCE_S:
                        self._chronicle.complain(GOBGPD, str(error))
                self._chronicle.lose_all()
                await asyncio.sleep(pause_s)
                pause_s = min(_LOOK_S if isinstance(error, AbsenceError) else RETRY_S, pause_s * _SLOWER)

    def _give_up_on_silence(self) -> None:
        """End a gobgpd that hangs, where it is ours to end: its sessions would last until the peers' hold times."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._answered_s < self._pace.hang_s - _CLOCKS_S:
            return
        silent_s = f"{self._pace.hang_s:g}"
        what_follows = "it is killed and started anew" if self._daemon.kill() else "sessions end with their hold times"
        self._chronicle.complain(GOBGPD, f"gobgpd: hangs: it has not answered for {silent_s} s; {what_follows}")
        self._answered_s = now_s

    async def _serve(self, client: Gobgp, upkeep: Upkeep) -> None:
        """Keep one gobgpd in the wanted state, until it is gone."""
        upkeep.identify()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat(client))
            if not upkeep.is_cold:
                await self._is_ready.wait()
            sessions, routes = await upkeep.survey()
            self._chronicle.recover(GOBGPD)
            found = {"sessions": sessions, "routes": routes}
            log.info("connected to gobgpd", event_name="gobgpdConnected", version=client.version, **found)
            is_watching = False
            while True:
                self._wake.clear()
                asked, is_ready = self._asked, self._is_ready.is_set()
                if await upkeep.start():
                    if not is_watching:  # not before it is started, and before there are peers
                        group.create_task(self._watch(client, upkeep))
                        group.create_task(self._listen(client))
                        is_watching = True
                    await upkeep.reconcile(is_complete=is_ready)
                if is_ready:
                    async with self._progress:
                        self.client, self._done = client, asked
                        self._progress.notify_all()
                with suppress(TimeoutError):
                    at_s = self._translation.look_again_s
                    async with asyncio.timeout_at(None if math.isinf(at_s) else at_s):
                        await self._wake.wait()

    async def _beat(self, client: Gobgp) -> None:
        """Ask gobgpd for a sign of life, again and again: one that hangs keeps its sockets open, and ends nothing."""
        loop = asyncio.get_running_loop()
        while True:
            self._answered_s = loop.time()
            await asyncio.sleep(self._pace.hang_s / 4)
            await client.identity(deadline_s=self._answered_s + self._pace.hang_s - loop.time())

    async def _watch(self, client: Gobgp, upkeep: Upkeep) -> None:
        loop = asyncio.get_running_loop()
        up_since_s: dict[IPAddress, float] = {}
        async for address, is_up in client.watch():
            self._chronicle.change(address, is_up=is_up)
            if is_up:
                up_since_s.setdefault(address, loop.time())
                continue
            was_steady = up_since_s.pop(address, math.inf) < loop.time() - self._pace.steady_s
            if was_steady and client.version == _RENEWABLE and upkeep.renew(address):
                self._wake.set()

    async def _listen(self, client: Gobgp) -> None:
        """Let gobgpd log why a session does not come up, which it does among much else, as long as one is down."""
        is_debugging = False
        while self._daemon.is_heard:
            await asyncio.sleep(self._pace.recheck_s)
            if is_debugging == self._chronicle.are_up(self._wanted.sessions):
                is_debugging = not is_debugging
                with suppress(RefusalError):  # one that cannot still does everything else
                    await client.log(debug=is_debugging)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
