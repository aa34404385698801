"""One route more among ten thousand, until a real router has it: `python -m tests.bench.bgp_one [--quick]`.

See bgp_node.py for what stands against what. Medians; ours and the bare program take turns.
"""

from __future__ import annotations

import argparse
import statistics

from tests.bench.bgp_node import BgpNode, prefix
from tests.bench.report import line
from tests.lab import sandbox

MANY = 10_000
ROUNDS = 100


def measure(many: int, rounds: int) -> None:
    """Take turns, and print one line: milliseconds."""
    ours, bare = [], []
    with BgpNode() as node:
        node.ours(0, many)
        node.wait_for(many)
        for number in range(many, many + 2 * rounds, 2):
            began_s = node.ours(number, 1)
            ours.append(node.wait_for_one(prefix(number)) - began_s)
            messages = node.messages(number + 1, 1)
            began_s = node.bare(messages)
            bare.append(node.wait_for_one(prefix(number + 1)) - began_s)
    medians = [1000 * statistics.median(times) for times in (ours, bare)]
    name = f"bgp_one.among_{many}"
    print(line(name, "ms", rounds, medians[0], limit=medians[1], smaller_is_better=True), flush=True)


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bgp_one")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    arguments = parser.parse_args()
    sandbox.enter()
    measure(MANY, 20 if arguments.quick else ROUNDS)


if __name__ == "__main__":
    main()
