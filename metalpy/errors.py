"""The errors that metalpy raises on purpose.

MetalpyError
├── ConfigError        what an operator wrote in the configuration is wrong; lists every problem
├── ManifestError      an object of the cluster (a file, a field) cannot be read as what it claims to be
├── AllocationError    an address cannot be given to a Service; says why and what would help
├── PoolsConflict      new pools would take addresses away from Services that hold them
├── ClusterError       the cluster cannot be read or written just now
├── RouterError        gobgpd is away, or refuses what it is asked; names the peer or the route
└── CapabilityError    the operating system refuses what the daemon needs; names the capability
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class MetalpyError(Exception):
    """Root of every error that metalpy raises on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, or doubtful, in what an operator wrote.

    `line` and `column` count from 1 inside the text, and are 0 where there is no text; `path` is like
    `address-pools[1].addresses[0]`, empty for the whole document; `value` is the offending source text as
    shown to the operator, empty where there is none or where it must not be shown (passwords). `text` says what
    is wrong and what would be right.
    """

    line: int
    column: int
    path: str
    value: str
    text: str

    def describe(self, source: str = "config", *, warning: bool = False) -> str:
        """Give the one-line form `SOURCE:LINE:COLUMN: [warning: ]path: value: text`."""
        parts = [f"{source}:{self.line}:{self.column}" if self.line else source]
        parts += ["warning"] if warning else []
        parts += [part for part in (self.path, self.value) if part]
        return ": ".join([*parts, self.text])


class ConfigError(MetalpyError):
    """A configuration was refused. `problems` are all errors in it, `warnings` what is merely doubtful."""

    def __init__(self, problems: Sequence[Problem], warnings: Sequence[Problem] = ()) -> None:
        self.problems = tuple(sorted(problems))
        self.warnings = tuple(sorted(warnings))
        super().__init__("\n".join(problem.describe() for problem in self.problems))


class ManifestError(MetalpyError):
    """An object of the cluster cannot be read; the message names the object and the field."""


class AllocationError(MetalpyError):
    """An address cannot be given to a Service; the message starts with the reference's words."""


class PoolsConflict(MetalpyError):  # noqa: N818 - a conflict is what it is
    """New pools would take addresses away from Services that hold them; the old pools stay in force."""


class ClusterError(MetalpyError):
    """The cluster cannot be read or written just now; trying again later may succeed."""


class RouterError(MetalpyError):
    """The BGP router beside us is away or refuses what it is asked; the message names the peer or the route."""


class CapabilityError(MetalpyError):
    """The operating system refuses what the daemon needs; the message names the capability."""
