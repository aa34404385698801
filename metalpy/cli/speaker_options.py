"""The speaker's options."""

from __future__ import annotations

from typing import Any

import click

from metalpy.announcement.candidates import Rules
from metalpy.cli.bgp_options import bgp_options, bgp_settings
from metalpy.cli.parameters import Command, Pattern, added, go_flag
from metalpy.daemon.settings import SpeakerSettings

_NO_MEMBERLIST = "Accepted for MetalLB's manifests; the cluster is asked which speakers are alive."


def speaker_options(command: Command) -> Command:
    """Add the options that say for which node, on which interfaces and by which router a speaker speaks."""
    return added(
        bgp_options(command),
        click.option("--node-name", envvar="METALLB_NODE_NAME", required=True, help="Name of this node."),
        click.option(
            "--interface",
            "interfaces",
            multiple=True,
            help="Announce on this interface only; may be repeated.  [default: all that fit]",
        ),
        click.option(
            "--exclude-interface",
            "excluded_interfaces",
            type=Pattern(),
            multiple=True,
            help="Never announce on interfaces in whose name this regular expression is found; may be repeated.",
        ),
        click.option(
            "--garp-interval",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            metavar="SECONDS",
            help="Announce addresses on the LAN again this often though nothing changed; 0 is never.",
        ),
        go_flag(
            "--probe-before-announce",
            help="Ask the LAN for 0.3 s who has a new address, and do not announce it while another host does.",
        ),
        click.option(
            "--member",
            "members",
            multiple=True,
            help="Name of a node whose speaker is alive; may be repeated.  [default: those that the cluster shows]",
        ),
        *(
            click.option(flag, type=kind, expose_value=False, help=_NO_MEMBERLIST)
            for flag, kind in (
                ("--ml-bindaddr", str),
                ("--ml-bindport", int),
                ("--ml-labels", str),
                ("--ml-secret-key", str),
            )
        ),
        go_flag("--ignore-exclude-lb", help="Announce also from nodes labelled out of load balancing."),
        go_flag("--layer2-spread", help="Let no node answer for more than its share of the addresses."),
        go_flag(
            "--layer2-subnet-aware",
            help="Answer for an address only from nodes whose metalpy.io/subnets has it, if any node's has.",
        ),
    )


def speaker_settings(options: dict[str, Any]) -> SpeakerSettings:
    """Read the speaker's settings from parsed options."""
    rules = Rules(
        ignore_exclude_label=options["ignore_exclude_lb"],
        subnet_aware=options["layer2_subnet_aware"],
        spread=options["layer2_spread"],
    )
    return SpeakerSettings(
        options["node_name"],
        options["interfaces"],
        options["members"],
        rules,
        options["excluded_interfaces"],
        options["garp_interval"],
        options["probe_before_announce"],
        bgp_settings(options),
    )
