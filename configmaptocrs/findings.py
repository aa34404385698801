"""What a conversion or a comparison has to tell, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell. The first letter of `code` says how bad it is.

    D: it is different, or refused. A and U: it cannot be decided. W: it is to be known.
    """

    code: str
    object: str
    message: str
    suggestion: str = ""

    def describe(self) -> str:
        """Give one line."""
        return f"{self.code} {self.object} {self.message}" + (f": {self.suggestion}" if self.suggestion else "")

    @property
    def is_difference(self) -> bool:
        """Tell whether it says that two configurations mean different things, or that one is refused."""
        return self.code.startswith("D-")

    @property
    def is_undecided(self) -> bool:
        """Tell whether it says that something cannot be known."""
        return self.code.startswith(("A-", "U-"))


def to_json(findings: Iterable[Finding]) -> str:
    """Write findings as a JSON list."""
    return json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2) + "\n"
