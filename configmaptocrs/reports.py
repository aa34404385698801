"""How a run tells what it found: on standard error, as a verdict, and in a file for programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from configmaptocrs.failure import Exit
from configmaptocrs.findings import to_json
from configmaptocrs.output import write_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from configmaptocrs.findings import Finding
    from configmaptocrs.flags import Options


def tell(line: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(f"configmaptocrs: {line}\n")


def report(options: Options, findings: Iterable[Finding], *, told: Iterable[Finding] = ()) -> None:
    """Tell findings, and write them to the file that was asked for, behind those that were `told` before."""
    findings = list(findings)
    for finding in findings:
        tell(finding.describe())
    _save(options, [*told, *findings])


def verdict(options: Options, findings: Sequence[Finding]) -> Exit:
    """Write findings and what they come to to standard output; gives the exit status."""
    _save(options, findings)
    for finding in findings:
        sys.stdout.write(finding.describe() + "\n")
    if any(finding.is_difference for finding in findings):
        words, status = "NOT EQUIVALENT", Exit.DIFFERENT
    elif any(finding.is_undecided for finding in findings):
        words, status = "UNDECIDED", Exit.UNDECIDED
    else:
        words, status = "EQUIVALENT", Exit.DONE
    sys.stdout.write(words + "\n")
    sys.stdout.flush()
    return status


def _save(options: Options, findings: Sequence[Finding]) -> None:
    if options["report"]:
        write_file(Path(options["report"]), [to_json(findings)])
