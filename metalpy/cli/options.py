"""Options that the daemon commands share. Names and defaults are those of MetalLB's controller and speaker."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metalpy.daemon.programs import ClusterSettings, HTTPSettings, SpeakerSettings
from metalpy.observe import logs
from metalpy.observe.http import DEFAULT_PORT

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_NAMESPACE = "metallb-system"
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

Command = Any
"""A function under click's decorators; click gives them no better type."""


def cluster_options(command: Command) -> Command:
    """Add the options that say where the cluster and its configuration are."""
    return _add(
        command,
        click.option(
            "--manifests",
            type=click.Path(path_type=Path, file_okay=False),
            required=True,
            help="Directory of YAML manifests that is the cluster.",
        ),
        click.option(
            "--state-dir",
            type=click.Path(path_type=Path, file_okay=False),
            help="Directory for addresses and events of the cluster in --manifests.  [default: one for each "
            "directory of manifests, under /var/lib/metalpy or ~/.local/state/metalpy]",
        ),
        click.option("--config", "config_name", help="Name of the ConfigMap.  [default: config, else metallb-config]"),
        click.option(
            "--namespace",
            envvar="METALLB_NAMESPACE",
            help=f"Namespace of the ConfigMap.  [default: the pod's, else {DEFAULT_NAMESPACE}]",
        ),
        click.option("--host", envvar="METALLB_HOST", default="", help="Address of the HTTP port.  [default: all]"),
        click.option(
            "--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="HTTP port."
        ),
        click.option("--log-level", type=click.Choice(list(logs.LEVELS)), default="info", show_default=True),
    )


def speaker_options(command: Command) -> Command:
    """Add the options that say for which node and on which interfaces a speaker speaks."""
    return _add(
        command,
        click.option("--node-name", envvar="METALLB_NODE_NAME", required=True, help="Name of this node."),
        click.option(
            "--interface",
            "interfaces",
            multiple=True,
            help="Announce on this interface only; may be repeated.  [default: all that fit]",
        ),
        click.option(
            "--member",
            "members",
            multiple=True,
            help="Name of a node whose speaker is alive; may be repeated.  [default: all nodes that are ready]",
        ),
    )


def _add(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def cluster_settings(options: dict[str, Any]) -> ClusterSettings:
    """Read where the cluster is from parsed options."""
    manifests: Path = options["manifests"]
    return ClusterSettings(
        manifests,
        options["state_dir"] or _state_of(manifests),
        options["namespace"] or _pod_namespace() or DEFAULT_NAMESPACE,
        options["config_name"],
    )


def speaker_settings(options: dict[str, Any]) -> SpeakerSettings:
    """Read the speaker's settings from parsed options."""
    return SpeakerSettings(options["node_name"], options["interfaces"], options["members"])


def http_settings(options: dict[str, Any]) -> HTTPSettings:
    """Read the HTTP port from parsed options."""
    return HTTPSettings(options["host"], options["port"])


def _state_of(manifests: Path) -> Path:
    """Choose a state directory: always the same for the same directory of manifests, never inside it."""
    resolved = manifests.resolve()
    name = f"{resolved.name}-{hashlib.sha256(os.fsencode(resolved)).hexdigest()[:12]}"
    if os.geteuid() == 0:
        return Path("/var/lib/metalpy") / name
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "metalpy" / name


def _pod_namespace() -> str:
    try:
        return NAMESPACE_FILE.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
