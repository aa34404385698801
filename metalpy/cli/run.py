"""`metalpy run`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click

from metalpy.cli.options import (
    cluster_options,
    cluster_settings,
    controller_options,
    controller_settings,
    http_settings,
    speaker_options,
    speaker_settings,
)
from metalpy.daemon import programs
from metalpy.observe import logs


@click.command
@cluster_options
@controller_options
@speaker_options
def run(**options: Any) -> None:
    """Give addresses and announce them from this node: controller and speaker in one process."""
    logs.configure(options["log_level"])
    cluster, http = cluster_settings(options), http_settings(options)
    sys.exit(
        asyncio.run(
            programs.serve(
                cluster,
                http,
                controller=controller_settings(options),
                speaker=speaker_settings(options),
            )
        )
    )
