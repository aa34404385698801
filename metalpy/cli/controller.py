"""`metalpy controller`."""

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
from metalpy.importing import importing
from metalpy.observe import logs


@click.command
@cluster_options
@controller_options
def controller(**options: Any) -> None:
    """Give every Service of type LoadBalancer its addresses."""
    logs.configure(options["log_level"])
    cluster, settings = cluster_settings(options), controller_settings(options)
    reading = cluster.begin()
    with importing():  # which takes about as long
        from metalpy.daemon import programs  # noqa: PLC0415 - see above
        from metalpy.daemon.controller_program import run_controller  # noqa: PLC0415 - see above
    controller = partial(run_controller, cluster, settings, reading)
    sys.exit(asyncio.run(programs.serve(http_settings(options), controller)))
