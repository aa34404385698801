"""`metalpy speaker`."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import Any

import click

from metalpy.cli.options import cluster_options, cluster_settings, http_settings
from metalpy.cli.speaker_options import speaker_options, speaker_settings
from metalpy.importing import importing
from metalpy.observe import logs


@click.command
@cluster_options
@speaker_options
def speaker(**options: Any) -> None:
    """Announce the addresses that are this node's to announce."""
    logs.configure(options["log_level"])
    cluster, settings = cluster_settings(options), speaker_settings(options)
    reading = cluster.begin()
    with importing():  # which takes about as long
        from metalpy.daemon import programs  # noqa: PLC0415 - see above
        from metalpy.daemon.speaker_program import run_speaker  # noqa: PLC0415 - see above
    speaker = partial(run_speaker, cluster, settings, reading)
    sys.exit(asyncio.run(programs.serve(http_settings(options), speaker)))
