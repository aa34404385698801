"""How a run ends."""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """Exit statuses."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DIFFERENT = 3
    UNDECIDED = 4


class ConversionError(Exception):
    """The conversion cannot be done; each of the lines says one thing that is wrong."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))
