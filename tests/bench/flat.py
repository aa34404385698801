"""Is the reply path as fast with ten thousand addresses as with one? What `arp_flat` and `ndp` have in common.

The real announcer answers on one host for one address, on others for more, each over a cable of its own to one
client that keeps one request outstanding. Short rounds go round all of them, so that whatever else the machine does
hits all alike; medians are reported. A bare loop takes part: what Python could do at best. A line `repeated` comes
only where requests got no answer within a second, and were repeated.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.bench import report
from tests.bench.flat_asker import address
from tests.lab import sandbox
from tests.lab.lan import Host, Lan

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = (1, 1_000, 10_000)
BARE = "bare"
NEVER = "86400"
"""Seconds until the announcer sends anything again after its first round: that falls before the measurement."""


def tell(program: subprocess.Popen[str], line: str = "") -> str:
    """Write a line to a program if one is given, and return the line that it answers."""
    if not program.stdin or not program.stdout:
        raise RuntimeError("the program has no pipes")
    if line:
        program.stdin.write(line + "\n")
        program.stdin.flush()
    answer = program.stdout.readline()
    if not answer:
        raise RuntimeError(f"the program ended with status {program.wait()}")
    return answer.strip()


def start(host: Host, *words: str) -> subprocess.Popen[str]:
    """Start a Python program on a host, to be told lines. It says itself why it ends, should it."""
    command = [sys.executable, "-m", *words]
    return host.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def start_announcer(host: Host, protocol: str, interface: str, many: int) -> None:
    """Let the host announce the first `many` addresses, and wait until they are in force."""
    program = start(host, "tests.lan.announce_program", "--quiet", "--interval", NEVER, "--grace", NEVER, interface)
    tell(program)  # ready
    tell(program, json.dumps(["announce", *(str(address(protocol, number)) for number in range(many))]))
    tell(program, json.dumps(["counts"]))  # answered once the frames of the first round are sent


def measure(protocol: str, rounds: int, seconds: float) -> dict[str, list[dict[str, Any]]]:
    """Return the figures of every round, by the number of addresses announced, or `bare`."""
    figures: dict[str, list[dict[str, Any]]] = {}
    with Lan() as lan:
        client = lan.host("client")
        for size in SIZES:
            node = lan.host(f"node{size}")
            lan.cable(node, client, f"to{size}")
            start_announcer(node, protocol, f"to{size}", size)
            figures[f"{size}"] = []
        node = lan.host(BARE)
        lan.cable(node, client, f"to{BARE}")
        tell(start(node, "tests.bench.flat_bare_loop", protocol, f"to{BARE}", str(max(SIZES))))
        figures[BARE] = []
        asker = start(client, "tests.bench.flat_asker", protocol, str(seconds))
        for _ in range(rounds):
            for name, results in figures.items():
                many = str(max(SIZES)) if name == BARE else name
                results.append(json.loads(tell(asker, f"to{name} {many}")))
    return figures


def run(protocol: str, name: str, bare: str, arguments: Sequence[str]) -> None:
    """Measure and print; the names are those of the benchmark and of the line that compares with the bare loop."""
    sandbox.enter()
    figures = measure(protocol, *((20, 0.05) if "--quick" in arguments else (150, 0.1)))
    speed = {size: statistics.median(each["asked"] / each["seconds"] for each in figures[size]) for size in figures}
    asked = {size: sum(each["asked"] for each in figures[size]) for size in figures}
    for many in SIZES[:0:-1]:
        size = f"{many}"
        print(report.line(f"{name}_{size}", "answers/s", asked[size], speed[size], limit=speed["1"]))
    most = f"{max(SIZES)}"
    print(report.line(bare, "answers/s", asked[most], speed[most], limit=speed[BARE]))
    for figure in ("p50", "p99"):
        taken = {size: statistics.median(each[f"{figure}_us"] for each in figures[size]) for size in figures}
        print(
            report.line(
                f"{name}_{most}_{figure}", "µs", asked[most], taken[most], limit=taken["1"], smaller_is_better=True
            )
        )
    for size, results in figures.items():
        if repeated := sum(each["repeated"] for each in results):
            print(report.line(f"{name}_{size}_repeated", "requests", asked[size], repeated))
