"""`metalpy run`."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import Any

import click

from metalpy.cli.options import (
    cluster_options,
    cluster_settings,
    controller_options,
    controller_settings,
    http_settings,
)
from metalpy.cli.speaker_options import speaker_options, speaker_settings
from metalpy.importing import importing
from metalpy.observe import logs


@click.command
@cluster_options
@controller_options
@speaker_options
def run(**options: Any) -> None:
    """Give addresses and announce them from this node: controller and speaker in one process."""
    logs.configure(options["log_level"])
    cluster = cluster_settings(options)
    of_controller, of_speaker = controller_settings(options), speaker_settings(options)
    reading = cluster.begin()
    with importing():  # which takes about as long
        from metalpy.daemon import programs  # noqa: PLC0415 - see above
        from metalpy.daemon.controller_program import run_controller  # noqa: PLC0415 - see above
        from metalpy.daemon.speaker_program import run_speaker  # noqa: PLC0415 - see above
    controller = partial(run_controller, cluster, of_controller, reading)
    speaker = partial(run_speaker, cluster, of_speaker, reading)
    sys.exit(asyncio.run(programs.serve(http_settings(options), controller, speaker)))
