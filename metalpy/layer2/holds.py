"""Which gained addresses wait, because it is asked first whether another host has them (opt-in).

RFC 5227 section 2.1.1 has an address probed three times over some four to seven seconds before it is used. A
failover cannot wait for that, so the same questions are asked in 0.3 s: who is up and connected answers within
milliseconds. By default nobody asks first, as the reference does not: each failover would take that much longer,
and in a planned hand-over the last owner still answers, so what is heard is no sign of anything wrong.

For that last reason a claim does not give an address up, it holds it: until a train of questions goes unanswered.
The last owner of a hand-over falls silent soon; a host that goes on is a conflict by the rule of conflicts.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalpy.layer2.bursts import Bursts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metalpy.model import IPAddress

QUESTIONS = 3
INTERVAL_S = 0.1
WINDOW_S = QUESTIONS * INTERVAL_S
"""From the first question of a train until its silence counts; longer than the witness rests between two looks."""
PAUSE_S = 1.0
"""From a claim to the next train."""


class Holds:
    """Which addresses are held, and what is due for them. Knows no clock: every call says what time it is."""

    def __init__(self) -> None:
        self._questions = Bursts(INTERVAL_S, QUESTIONS)
        self._silences = Bursts(rounds=1)
        self.addresses: set[IPAddress] = set()
        """Those held."""

    def start(self, addresses: Sequence[IPAddress], now_s: float) -> None:
        """Hold these until a train of questions, which begins now, goes unanswered."""
        self.addresses.update(addresses)
        self._questions.start(addresses, now_s)
        self._silences.start(addresses, now_s + WINDOW_S)

    def stop(self, addresses: Iterable[IPAddress]) -> None:
        """Hold these no more."""
        gone = list(addresses)
        self.addresses.difference_update(gone)
        self._questions.stop(gone)
        self._silences.stop(gone)

    def claim(self, address: IPAddress, now_s: float) -> None:
        """Take in that another host has an address; if it is held, ask again later."""
        if address in self.addresses:
            self.start([address], now_s + PAUSE_S)

    @property
    def next_at_s(self) -> float | None:
        """When something is due; None while nothing is held."""
        due_s = [at_s for at_s in (self._questions.next_at_s, self._silences.next_at_s) if at_s is not None]
        return min(due_s, default=None)

    def questions(self, now_s: float) -> list[IPAddress]:
        """Return the addresses to ask for now."""
        return self._questions.due(now_s)

    def free(self, now_s: float) -> list[IPAddress]:
        """Return the addresses that nobody claimed, and hold them no more."""
        result = self._silences.due(now_s)
        self.stop(result)
        return result
