"""When an address is announced unasked: five rounds, 1.1 s apart, beginning with the moment it is gained.

Neighbours that still send to the previous owner learn better within the first round; the repetitions are for
frames that get lost, and for switches that come to know the new port late.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalpy.model import IPAddress

ROUNDS = 5
INTERVAL_S = 1.1


@dataclass(frozen=True, slots=True, order=True)
class _Batch:
    """Addresses gained together. Times are seconds of whatever clock the caller has."""

    next_at_s: float
    number: int
    rounds_left: float
    addresses: tuple[IPAddress, ...]


class Bursts:
    """Which addresses are due for a round. Knows no clock: every call says what time it is.

    Infinitely many `rounds` go on until the addresses are stopped.
    """

    def __init__(self, interval_s: float = INTERVAL_S, rounds: float = ROUNDS) -> None:
        self._interval_s = interval_s
        self._rounds = rounds
        self._numbers = itertools.count()
        self._batches: list[_Batch] = []
        self._batch_of: dict[IPAddress, int] = {}

    def start(self, addresses: Iterable[IPAddress], now_s: float) -> None:
        """Let the first round of these be due now, instead of whatever was left of an earlier burst."""
        number = next(self._numbers)
        batch = tuple(addresses)
        self._batch_of.update(dict.fromkeys(batch, number))
        if batch:
            heapq.heappush(self._batches, _Batch(now_s, number, self._rounds, batch))

    def stop(self, addresses: Iterable[IPAddress]) -> None:
        """Let no further round of these be due."""
        for address in addresses:
            self._batch_of.pop(address, None)

    @property
    def next_at_s(self) -> float | None:
        """When the next round is due; None while there is none."""
        return self._batches[0].next_at_s if self._batches else None

    def due(self, now_s: float) -> list[IPAddress]:
        """Return the addresses whose round is due, and count the round as done."""
        result: list[IPAddress] = []
        while self._batches and self._batches[0].next_at_s <= now_s:
            batch = heapq.heappop(self._batches)
            current = tuple(address for address in batch.addresses if self._batch_of.get(address) == batch.number)
            result += current
            if batch.rounds_left > 1 and current:
                again_s = batch.next_at_s + self._interval_s
                heapq.heappush(self._batches, _Batch(again_s, batch.number, batch.rounds_left - 1, current))
            else:
                self.stop(current)
        return result
