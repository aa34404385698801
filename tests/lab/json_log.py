"""A program's log, read while it is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Object = dict[str, Any]


class JsonLog:
    """A log of JSON objects that grows; each call of `lines` reads only what is new."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._lines: list[Object] = []

    def lines(self) -> list[Object]:
        """Give all whole lines so far."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._offset += len(whole + newline)
        self._lines += [json.loads(line) for line in whole.splitlines() if line[:1] == b"{"]
        return self._lines
