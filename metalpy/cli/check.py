"""`metalpy check`: is this configuration good?"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metalpy.config.legacy import parse_legacy
from metalpy.config.manifest import text_of_file
from metalpy.config.summary import Summary, counted, summary_of
from metalpy.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metalpy.errors import Problem

EXIT_REFUSED = 1
EXIT_USAGE = 2


@click.command()
@click.argument("file", default="-")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check(file: str, output_format: str) -> None:
    """Check the configuration in FILE, a ConfigMap manifest or its bare text; - reads standard input.

    Exit status: 0 it would be loaded (there may be warnings), 1 it would be refused, 2 wrong usage.
    """
    text = _read(file)
    errors: tuple[Problem, ...] = ()
    summary: Summary | None = None
    try:
        parsed = parse_legacy(text_of_file(text))
        warnings, summary = parsed.warnings, summary_of(parsed.config)
    except ConfigError as error:
        errors, warnings = error.problems, error.warnings
    show = _show_json if output_format == "json" else _show_text
    show(errors, warnings, summary)
    sys.exit(EXIT_REFUSED if errors else 0)


class _UnreadableFile(click.ClickException):
    """FILE is not there, or is no text: one line says so."""

    exit_code = EXIT_USAGE


def _read(file: str) -> str:
    """Read the whole file. A file that cannot be read as text is a wrong argument."""
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode()
    except OSError as error:
        problem = f"{file}: {error.strerror}"
    except ValueError as error:
        reason = f"not UTF-8 text: {error}" if isinstance(error, UnicodeDecodeError) else str(error)
        problem = f"{file}: {reason}"
    raise _UnreadableFile(problem)


def _show_text(errors: Sequence[Problem], warnings: Sequence[Problem], summary: Summary | None) -> None:
    for problem in errors:
        click.echo(problem.describe())
    for problem in warnings:
        click.echo(problem.describe(warning=True))
    verdict = f"ok, {summary.describe()}" if summary else f"refused, {counted(len(errors), 'error')}"
    click.echo(f"config: {verdict}, {counted(len(warnings), 'warning')}")


def _show_json(errors: Sequence[Problem], warnings: Sequence[Problem], summary: Summary | None) -> None:
    result = {
        "ok": not errors,
        "errors": [_as_json(problem) for problem in errors],
        "warnings": [_as_json(problem) for problem in warnings],
        "summary": dataclasses.asdict(summary) if summary else {},
    }
    click.echo(json.dumps(result, ensure_ascii=False, indent=2))


def _as_json(problem: Problem) -> dict[str, Any]:
    return {
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "value": problem.value,
        "message": problem.text,
    }
