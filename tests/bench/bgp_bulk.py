"""Ten thousand routes at once, until a real router has them: `python -m tests.bench.bgp_bulk [--quick]`.

The session is up and empty before each turn; see bgp_node.py for what stands against what.
"""

from __future__ import annotations

import argparse
import statistics

from tests.bench.bgp_node import BgpNode
from tests.bench.report import line
from tests.lab import sandbox

MANY = 10_000
ROUNDS = 5


def measure(many: int, rounds: int) -> None:
    """Take turns, and print one line: routes a second."""
    ours, bare = [], []
    with BgpNode() as node:
        for _ in range(rounds):
            began_s = node.ours(0, many)
            ours.append(node.wait_for(many) - began_s)
            node.ours(0, 0)
            node.wait_for(0)
            messages = node.messages(0, many)
            began_s = node.bare(messages)
            bare.append(node.wait_for(many) - began_s)
            node.bare(node.messages(0, many, is_withdraw=True))
            node.wait_for(0)
    rates = [many / statistics.median(times) for times in (ours, bare)]
    print(line(f"bgp_bulk.{many}", "routes/s", rounds, rates[0], limit=rates[1]), flush=True)


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bgp_bulk")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    arguments = parser.parse_args()
    sandbox.enter()
    measure(MANY, 2 if arguments.quick else ROUNDS)


if __name__ == "__main__":
    main()
