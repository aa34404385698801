"""The commands that people type. One file each, no logic of their own."""

from __future__ import annotations

import importlib
import sys

import click

from metalpy import __version__
from metalpy.importing import importing

_COMMANDS = {
    "check": "Say what is wrong with a configuration, and where.",
    "controller": "Give every Service of type LoadBalancer its addresses.",
    "run": "Controller and speaker in one process.",
    "speaker": "Announce the addresses that are this node's to announce.",
}


class _Commands(click.Group):
    """Imports a command when it is called: `metalpy check` must not wait for what the daemons import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command, None if there is none of that name."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        with importing():
            command: click.Command = getattr(importlib.import_module(f"metalpy.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table above, importing none."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="metalpy")
def group() -> None:
    """A bare-metal Kubernetes load balancer that reads MetalLB's legacy ConfigMap."""


def main() -> None:
    """Run the command line; one leading dash is as good as two, as in MetalLB's flags (`-port=7472`)."""
    group.main([_two_dashes(word) for word in sys.argv[1:]], prog_name="metalpy")


def _two_dashes(word: str) -> str:
    short_or_long = len(word) <= len("-h") or word.startswith("--") or not word.startswith("-")
    return word if short_or_long else f"-{word}"
