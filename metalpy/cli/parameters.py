"""Kinds of parameters that the daemons' options have, written as MetalLB's are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from metalpy.config.values import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable

NANOSECONDS_A_SECOND = 10**9

Command = Any
"""A function under click's decorators; click gives them no better type."""


def added(command: Command, *options: Callable[[Command], Command]) -> Command:
    """Add options to a command, in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def go_flag(name: str, *, default: bool = False, help: str) -> Callable[[Command], Command]:  # noqa: A002 - click's word
    """Make a flag that is written as Go programs have it: alone, or with `=true` or `=false`."""
    return click.option(name, type=bool, is_flag=False, flag_value=True, default=default, show_default=True, help=help)


class Pattern(click.ParamType["re.Pattern[str]"]):
    """A regular expression."""

    name = "regex"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> re.Pattern[str]:
        """Compile it; click reports what is none."""
        try:
            return re.compile(value)
        except re.error as error:
            self.fail(f"{value!r} is not a regular expression: {error}", param, ctx)


class Seconds(click.ParamType[int]):
    """Whole seconds, written as Go durations are: `15s`, `1m`. None at all only with `zero`."""

    name = "duration"

    def __init__(self, *, zero: bool = False) -> None:
        self._zero = zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a duration; click reports what cannot be read."""
        if isinstance(value, int):
            return value
        try:
            nanoseconds = parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if nanoseconds < NANOSECONDS_A_SECOND and not (self._zero and nanoseconds == 0):
            self.fail(f"{value!r} is less than a second", param, ctx)
        return nanoseconds // NANOSECONDS_A_SECOND
