"""`metalpy controller`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click

from metalpy.cli.options import cluster_options, cluster_settings, http_settings
from metalpy.daemon import programs
from metalpy.observe import logs


@click.command
@cluster_options
def controller(**options: Any) -> None:
    """Give every Service of type LoadBalancer its addresses."""
    logs.configure(options["log_level"])
    ended = programs.serve(cluster_settings(options), http_settings(options), None, controller=True)
    sys.exit(asyncio.run(ended))
