"""How a demo is told on the terminal as it goes, and how it ends."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tests.lab import sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

console = Console(highlight=False, soft_wrap=True)


class Differed(Exception):  # noqa: N818 - the result differed
    """A step did not have the effect that it should have."""


def demo(play: Callable[[Path], None]) -> int:
    """Play in a sandbox and an empty directory, and return the exit status.

    0 if every step had the effect it should have, 1 if one differed, 130 on Ctrl-C; everything it made is gone
    afterwards in each case.
    """
    sandbox.enter()
    begun = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="metalpy-demo-") as directory:
            play(Path(directory))
    except KeyboardInterrupt:
        console.print("\nstopped; everything the demo made is gone")
        return 130
    except (Differed, TimeoutError) as difference:
        console.print(f"[red]differs:[/] {difference}")
        return 1
    console.print(f"[green]All as it should be[/], in {time.monotonic() - begun:.0f} s. Everything it made is gone.")
    return 0


def expect(what: str, expected: str, seen: str) -> None:
    """Go on if it is so."""
    if seen != expected:
        raise Differed(f"{what}: expected {expected or 'nothing'}, seen {seen or 'nothing'}")


def say(text: str) -> None:
    """Tell what is done next."""
    console.print(f"[bold]● {text}[/]")


def told(text: str) -> None:
    """Tell what came of it."""
    console.print(f"  {text}", markup=False)


def shown(text: str) -> None:
    """Repeat what somebody else wrote."""
    for line in text.strip().splitlines():
        console.print(f"    {line.rstrip()}", markup=False, style="dim")
