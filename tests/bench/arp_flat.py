"""Is the reply path as fast with ten thousand addresses as with one? `python -m tests.bench.arp_flat [--quick]`.

The real announcer answers on one host for one address, on others for more, each over a cable of its own to one
client that keeps one request outstanding. Short rounds go round all of them, so that whatever else the machine does
hits all alike; medians are reported. A bare loop takes part: what Python could do at best.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.bench import arp_asker, report
from tests.lab import sandbox
from tests.lab.lan import Host, Lan

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = (1, 1_000, 10_000)
BARE = "bare"
NO_BURST = "86400"
"""Seconds between two rounds of unasked frames: only the first falls before the measurement."""


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
    """Start a Python program on a host, to be told lines."""
    command = [sys.executable, "-m", *words]
    return host.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def start_announcer(host: Host, interface: str, many: int) -> None:
    """Let the host announce the first `many` addresses, and wait until they are in force."""
    program = start(host, "tests.lan.announce_program", "--interval", NO_BURST, interface)
    first = arp_asker.FIRST_ADDRESS
    addresses = [".".join(map(str, (first + number).to_bytes(4, "big"))) for number in range(many)]
    tell(program)  # ready
    tell(program, json.dumps(["announce", *addresses]))
    tell(program, json.dumps(["counts"]))  # answered once the frames of the first round are sent


def start_bare_loop(host: Host, interface: str, many: int) -> None:
    """Let the bare loop answer on the host."""
    tell(start(host, "tests.bench.arp_bare_loop", interface, str(many)))


def measure(rounds: int, seconds: float) -> dict[str, list[dict[str, Any]]]:
    """Return the figures of every round, by the number of addresses announced, or `bare`."""
    figures: dict[str, list[dict[str, Any]]] = {}
    with Lan() as lan:
        client = lan.host("client")
        for size in SIZES:
            node = lan.host(f"node{size}")
            lan.cable(node, client, f"to{size}")
            start_announcer(node, f"to{size}", size)
            figures[f"{size}"] = []
        node = lan.host(BARE)
        lan.cable(node, client, f"to{BARE}")
        start_bare_loop(node, f"to{BARE}", max(SIZES))
        figures[BARE] = []
        asker = start(client, "tests.bench.arp_asker", str(seconds))
        for _ in range(rounds):
            for name, results in figures.items():
                many = str(max(SIZES)) if name == BARE else name
                results.append(json.loads(tell(asker, f"to{name} {many}")))
    return figures


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    sandbox.enter()
    figures = measure(*((20, 0.05) if "--quick" in arguments else (150, 0.1)))
    speed = {name: statistics.median(each["asked"] / each["seconds"] for each in figures[name]) for name in figures}
    asked = {name: sum(each["asked"] for each in figures[name]) for name in figures}
    for size in SIZES[:0:-1]:
        name = f"{size}"
        print(report.line(f"arp_flat_{size}", "answers/s", asked[name], speed[name], limit=speed["1"]))
    most = f"{max(SIZES)}"
    print(report.line("arp_bare_loop", "answers/s", asked[most], speed[most], limit=speed[BARE]))
    for figure in ("p50", "p99"):
        taken = {name: statistics.median(each[f"{figure}_us"] for each in figures[name]) for name in figures}
        print(
            report.line(
                f"arp_flat_{most}_{figure}", "µs", asked[most], taken[most], limit=taken["1"], smaller_is_better=True
            )
        )


if __name__ == "__main__":
    main(sys.argv[1:])
