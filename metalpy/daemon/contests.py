"""Who else writes a status: tells a contest between two writers from ordinary edits, and gives way in it.

A write succeeds only on the version that was read. So if a later version has another status than was written, and
than was about to be written, somebody else wrote it; what a user edits in the spec never does that. If our decision
is to write again, and that happens again and again, it is a contest: each further round waits twice as long.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from metalpy.allocation.converge import Outcome
    from metalpy.model import Ingress, ObjectKey

ROUNDS = 5
WINDOW_S = 60.0
"""So many writes undone within this time are a contest; fewer may be a human, or a change of hands."""

WAIT_FIRST_S = 1.0
WAIT_MOST_S = 300.0

QUIET_S = 60.0
"""A write that stood for so long has ended the contest."""


_Texts = tuple[str, ...]


@dataclass(slots=True)
class _Bout:
    """What is known of one Service's status."""

    stands: _Texts
    """What the status has, as far as is known."""
    tried: _Texts = ()
    """What we wrote last, whether or not it arrived."""
    tried_at: float = 0.0
    at_stake: bool = False
    """Whether we have had our way since the last round was lost, or tried to."""
    lost_at: deque[float] = field(default_factory=lambda: deque(maxlen=ROUNDS))
    wait_s: float = 0.0
    due: float = 0.0


class Contests:
    """Judges every outcome of the allocation, and hears of every write. Times are of `clock`, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._bouts: dict[ObjectKey, _Bout] = {}

    def writes(self, outcome: Outcome) -> None:
        """Note that an outcome's status is about to be written."""
        key = outcome.service.key
        bout = self._bouts.get(key)
        if bout is None:
            bout = self._bouts[key] = _Bout(_texts(outcome.service.ingress))
        self._stake(bout, _texts(outcome.ingress))

    def wrote(self, outcome: Outcome) -> None:
        """Note that it was written."""
        if bout := self._bouts.get(outcome.service.key):
            bout.stands = _texts(outcome.ingress)

    def is_lost(self, outcome: Outcome) -> bool:
        """Judge a new outcome: tell whether it is another round of a contest, which is now to wait longer."""
        bout = self._bouts.get(outcome.service.key)
        if bout is None:
            return False
        found = _texts(outcome.service.ingress)
        undone = found not in (bout.stands, bout.tried) and bout.at_stake
        bout.stands = found
        if not outcome.writes_status:
            self._stake(bout, found)
            return False
        return undone and self._lose(bout)

    def _stake(self, bout: _Bout, tried: _Texts) -> None:
        now = self._clock()
        self._end_if_over(bout, now)
        bout.tried, bout.tried_at, bout.at_stake = tried, now, True

    def _lose(self, bout: _Bout) -> bool:
        now = self._clock()
        self._end_if_over(bout, now)
        bout.at_stake = False
        bout.lost_at.append(now)
        if not bout.wait_s and (len(bout.lost_at) < ROUNDS or now - bout.lost_at[0] > WINDOW_S):
            return False
        bout.wait_s = min(max(WAIT_FIRST_S, 2 * bout.wait_s), WAIT_MOST_S)
        bout.due = now + bout.wait_s
        return True

    def _end_if_over(self, bout: _Bout, now: float) -> None:
        if self._is_over(bout, now):
            bout.wait_s = 0.0
            bout.lost_at.clear()

    def wait_s(self, key: ObjectKey) -> float:
        """Give the time that the next write of a Service's status has to wait."""
        bout = self._bouts.get(key)
        return max(0.0, bout.due - self._clock()) if bout else 0.0

    def forget(self, key: ObjectKey) -> None:
        """Forget a Service that is gone."""
        self._bouts.pop(key, None)

    def count(self) -> int:
        """Count the Services of which the status is contested now."""
        now = self._clock()
        return sum(bout.wait_s > 0 and not self._is_over(bout, now) for bout in self._bouts.values())

    @staticmethod
    def _is_over(bout: _Bout, now: float) -> bool:
        """Tell whether what we wrote, or agreed to, has stood long enough."""
        return bout.at_stake and now - bout.tried_at > QUIET_S


def _texts(ingress: tuple[Ingress, ...]) -> _Texts:
    """Give what is compared: not the fields that the API server adds."""
    return tuple(entry.target for entry in ingress)
