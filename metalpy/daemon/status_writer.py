"""Carries outcomes to the cluster: many Services at a time, one write at a time for each, the newest outcome only.

An address that passes from one Service to another is written to the next one only after the former one's status has
lost it: however the writes go, no two statuses have it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from metalpy.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from metalpy.allocation.converge import Outcome
    from metalpy.model import ObjectKey

IN_FLIGHT = 32
"""Writes under way at once: enough to hide an API server's latency, few enough not to crowd it."""

RETRY_FIRST_S = 0.5
RETRY_MOST_S = 30.0
"""A failed write is tried again after these delays, doubling, unless a newer outcome comes first."""


class StatusWriter:
    """A queue keyed by Service. `write` carries one outcome out and raises `ClusterError` if it could not."""

    def __init__(self, write: Callable[[Outcome], Awaitable[None]]) -> None:
        self._write = write
        self._newest: dict[ObjectKey, Outcome] = {}
        """What is to be carried out in the end."""
        self._due: dict[ObjectKey, Outcome] = {}
        self._queued: set[ObjectKey] = set()
        self._keys: asyncio.Queue[ObjectKey] = asyncio.Queue()
        self._retries: dict[ObjectKey, tuple[float, asyncio.TimerHandle]] = {}
        self._leaving: dict[str, ObjectKey] = {}
        """Addresses that a status still has, and the Service whose next write takes them out of it."""
        self._losing: dict[ObjectKey, set[str]] = {}
        """The same by Service."""
        self._held_back: dict[ObjectKey, tuple[ObjectKey, Outcome]] = {}
        """Outcomes that wait for another Service's write."""

    def put(self, outcome: Outcome, wait_s: float = 0.0) -> None:
        """Have an outcome carried out, not before `wait_s`; takes the place of an older one that is still waiting."""
        key = outcome.service.key
        self._forget(key)
        self._newest[key] = outcome
        kept = {entry.ip for entry in outcome.ingress}
        if lost := {entry.ip for entry in outcome.service.ingress} - kept:
            self._losing[key] = lost
            self._leaving.update(dict.fromkeys(lost, key))
        if wait_s:
            self._retries[key] = 0.0, asyncio.get_running_loop().call_later(wait_s, self._enqueue, outcome)
        else:
            self._enqueue(outcome)
        self._let_go(key)

    def drop(self, key: ObjectKey) -> None:
        """Forget what is still to be carried out for a Service that is gone."""
        self._forget(key)
        self._let_go(key)

    def _forget(self, key: ObjectKey) -> None:
        self._newest.pop(key, None)
        self._due.pop(key, None)
        self._held_back.pop(key, None)
        self._arrived(key)
        _, timer = self._retries.pop(key, (0, None))
        if timer:
            timer.cancel()

    def has(self, key: ObjectKey) -> bool:
        """Tell whether an outcome of a Service waits, is being carried out, or failed and is to be tried again."""
        return key in self._queued or key in self._retries or key in self._held_back

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(IN_FLIGHT):
                workers.create_task(self._work())

    async def written(self) -> None:
        """Wait until nothing is left to write but what failed and waits for its next try."""
        await self._keys.join()

    def _enqueue(self, outcome: Outcome) -> None:
        key = outcome.service.key
        self._due[key] = outcome
        if key not in self._queued:
            self._queued.add(key)
            self._keys.put_nowait(key)

    async def _work(self) -> None:
        while True:
            key = await self._keys.get()
            try:
                while outcome := self._due.pop(key, None):
                    if blocker := self._blocker(outcome):
                        self._held_back[key] = blocker, outcome
                    else:
                        await self._carry_out(outcome)
            finally:
                self._queued.discard(key)
                self._keys.task_done()

    async def _carry_out(self, outcome: Outcome) -> None:
        key = outcome.service.key
        delay_s, _ = self._retries.pop(key, (0.0, None))
        try:
            await self._write(outcome)
        except ClusterError:
            if self._newest.get(key) is outcome:
                delay_s = min(2 * delay_s, RETRY_MOST_S) or RETRY_FIRST_S
                timer = asyncio.get_running_loop().call_later(delay_s, self._enqueue, outcome)
                self._retries[key] = delay_s, timer
        else:
            if self._newest.get(key) is outcome:
                del self._newest[key]
                self._arrived(key)
                self._let_go(key)

    def _blocker(self, outcome: Outcome) -> ObjectKey | None:
        """Name the Service that has to lose one of the addresses first; None in a ring of Services that swap."""
        key = outcome.service.key
        for entry in outcome.ingress:
            blocker = self._leaving.get(entry.ip)
            if blocker not in (None, key) and not self._waits_for(blocker, key):
                return blocker
        return None

    def _waits_for(self, waiting: ObjectKey | None, key: ObjectKey) -> bool:
        while waiting in self._held_back:
            waiting = self._held_back[waiting][0]
            if waiting == key:
                return True
        return False

    def _arrived(self, key: ObjectKey) -> None:
        """Note that a Service's status has lost what it was to lose, or that it is not to lose it any more."""
        for ip in self._losing.pop(key, ()):
            if self._leaving.get(ip) == key:
                del self._leaving[ip]

    def _let_go(self, key: ObjectKey) -> None:
        """Look again at the outcomes that wait for a Service."""
        for outcome in [outcome for blocker, outcome in self._held_back.values() if blocker == key]:
            del self._held_back[outcome.service.key]
            self._enqueue(outcome)
