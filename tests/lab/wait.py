"""Waiting for a condition instead of sleeping for a while."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Seen = TypeVar("Seen")

_POLL_S = 0.01


def wait_until(condition: Callable[[], Seen], deadline_s: float, what: str) -> Seen:
    """Call `condition` until what it returns is true, and return that.

    An `OSError` out of `condition` (a refused connection, a missing file) means not yet. Raises `TimeoutError`
    after `deadline_s` seconds; its message says `what` was awaited and what was last seen.
    """
    end = time.monotonic() + deadline_s
    while True:
        last: Seen | OSError
        try:
            last = condition()
        except OSError as error:
            last = error
        else:
            if last:
                return last
        if time.monotonic() >= end:
            raise TimeoutError(f"not within {deadline_s:g} s: {what}; last seen: {last!r}")
        time.sleep(_POLL_S)
