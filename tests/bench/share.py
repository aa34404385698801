"""What share of a core something takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def share_of_a_core(cpu_s: Callable[[], float]) -> float:
    """Measure for a second how much CPU time goes by, which `cpu_s` reads, for each second of the clock."""
    before, begin = cpu_s(), time.monotonic()
    time.sleep(1)  # a measurement takes its time
    return (cpu_s() - before) / (time.monotonic() - begin)
