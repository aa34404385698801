"""Carries outcomes to the cluster: many Services at a time, one write at a time for each, the newest outcome only."""

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
        self._due: dict[ObjectKey, Outcome] = {}
        self._queued: set[ObjectKey] = set()
        self._keys: asyncio.Queue[ObjectKey] = asyncio.Queue()
        self._retries: dict[ObjectKey, tuple[float, asyncio.TimerHandle]] = {}

    def put(self, outcome: Outcome) -> None:
        """Have an outcome carried out; takes the place of an older one that is still waiting."""
        key = outcome.service.key
        self.drop(key)
        self._enqueue(outcome)

    def drop(self, key: ObjectKey) -> None:
        """Forget what is still to be carried out for a Service that is gone."""
        self._due.pop(key, None)
        _, timer = self._retries.pop(key, (0, None))
        if timer:
            timer.cancel()

    def has(self, key: ObjectKey) -> bool:
        """Tell whether an outcome of a Service waits, is being carried out, or failed and is to be tried again."""
        return key in self._queued or key in self._retries

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
            if key not in self._due:
                delay_s = min(2 * delay_s, RETRY_MOST_S) or RETRY_FIRST_S
                timer = asyncio.get_running_loop().call_later(delay_s, self._enqueue, outcome)
                self._retries[key] = delay_s, timer
