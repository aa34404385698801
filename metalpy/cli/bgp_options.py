"""The speaker's options for BGP."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metalpy.cli.parameters import Seconds, added, go_flag
from metalpy.daemon.settings import BGPSettings, Parting

if TYPE_CHECKING:
    from metalpy.cli.parameters import Command

GOBGPD = "gobgpd"


def bgp_options(command: Command) -> Command:
    """Add the options that say which gobgpd speaks BGP for a speaker, and how it begins and ends."""
    return added(
        command,
        click.option(
            "--gobgpd",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="The gobgpd to run for pools of protocol bgp.  [default: the one on PATH, if there is one]",
        ),
        click.option(
            "--gobgpd-dir",
            type=click.Path(file_okay=False, path_type=Path),
            help="A directory for its sockets, ours alone.  [default: under /run/metalpy, or the user's own]",
        ),
        click.option("--gobgp", metavar="unix:///PATH", help="The API of a gobgpd that runs beside us, instead."),
        click.option(
            "--gobgp-lease",
            type=click.Path(dir_okay=False, path_type=Path),
            help="A file to touch every two seconds, for whoever ends that gobgpd when no speaker comes back.",
        ),
        click.option(
            "--bgp-graceful-restart",
            type=Seconds(zero=True),
            default="0s",
            show_default=True,
            help="How long all routers are to keep our routes when gobgpd dies (RFC 4724); 0s: not at all.",
        ),
        click.option(
            "--bgp-drain",
            type=Seconds(zero=True),
            default="0s",
            show_default=True,
            help="How long routes stay when we are asked to end.",
        ),
        go_flag("--bgp-graceful-shutdown", help="Mark routes in that time as about to go (RFC 8326)."),
    )


def bgp_settings(options: dict[str, Any]) -> BGPSettings:
    """Read the BGP settings from parsed options. Raises `click.UsageError` where they contradict."""
    target: str | None = options["gobgp"]
    if target and options["gobgpd"]:
        raise click.UsageError("--gobgpd and --gobgp are two routers: give one of them")
    if target and not target.startswith("unix:///"):
        raise click.UsageError(f"--gobgp {target}: its API must be a Unix socket, as unix:///run/gobgp/api.sock")
    found = None if target else options["gobgpd"] or shutil.which(GOBGPD)
    return BGPSettings(
        gobgpd=Path(found) if found else None,
        directory=(options["gobgpd_dir"] or _directory(options["node_name"])) if found else None,
        target=target or "",
        lease=options["gobgp_lease"],
        restart_s=options["bgp_graceful_restart"],
        parting=Parting(options["bgp_drain"], options["bgp_graceful_shutdown"]),
    )


def _directory(node: str) -> Path:
    """Choose where a node's gobgpd has its sockets: always the same, so that the next speaker finds it."""
    if os.geteuid() == 0:
        return Path("/run/metalpy") / f"gobgp-{node}"
    base = os.environ.get("XDG_RUNTIME_DIR") or Path.home() / ".cache"
    return Path(base) / "metalpy" / f"gobgp-{node}"
