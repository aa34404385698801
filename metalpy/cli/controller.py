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
from metalpy.daemon import programs
from metalpy.daemon.controller_program import run_controller
from metalpy.observe import logs


@click.command
@cluster_options
@controller_options
def controller(**options: Any) -> None:
    """Give every Service of type LoadBalancer its addresses."""
    logs.configure(options["log_level"])
    cluster = cluster_settings(options)
    controller = partial(run_controller, cluster, controller_settings(options))
    sys.exit(asyncio.run(programs.serve(http_settings(options), controller)))
