"""`metalpy speaker`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click

from metalpy.cli.options import cluster_options, cluster_settings, http_settings, speaker_options, speaker_settings
from metalpy.daemon import programs
from metalpy.observe import logs


@click.command
@cluster_options
@speaker_options
def speaker(**options: Any) -> None:
    """Announce the addresses that are this node's to announce."""
    logs.configure(options["log_level"])
    cluster, http = cluster_settings(options), http_settings(options)
    sys.exit(asyncio.run(programs.serve(cluster, http, speaker=speaker_settings(options))))
