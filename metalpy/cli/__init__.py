"""The commands that people type. One file each, no logic of their own."""

from __future__ import annotations

import click

from metalpy import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="metalpy")
def main() -> None:
    """A bare-metal Kubernetes load balancer that reads MetalLB's legacy ConfigMap."""
