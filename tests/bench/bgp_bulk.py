"""Ten thousand routes at once, until a real router has them: `python -m tests.bench.bgp_bulk [--quick]`.

First line: the session is up and empty before each turn; see bgp_node.py for what stands against what. Lines named
`cold` are of whole speakers from the start of their process, in front of so many Services of a cluster: *peer* is
MetalLB 0.15.2's in native mode; *limit* is a bare program that starts gobgpd and streams the routes, and has no cluster
to read; see bgp_site.py. Ours and the limit take turns, and the medians are shown: gobgpd's wait before its first call
is between 1.5 and 2 s by chance. The peer takes minutes, so it has one turn, and none with `--quick`.
"""

from __future__ import annotations

import argparse
import statistics

from tests.bench.bgp_node import BgpNode
from tests.bench.bgp_site import BARE, NEWER, OURS, BgpSite
from tests.bench.report import line
from tests.lab import sandbox

MANY = 10_000
ROUNDS = 5
COLD_ROUNDS = 5
OURS_S, PEER_S = 120, 900


def streamed(many: int, rounds: int) -> None:
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


def cold(many: int, rounds: int, *, with_peer: bool) -> None:
    """Take turns, and print one line: seconds."""
    with BgpSite((OURS, BARE, NEWER) if with_peer else (OURS, BARE)) as site:
        site.grow(many)
        turns = [(site.cold_s(OURS, OURS_S), site.cold_s(BARE, OURS_S)) for _ in range(rounds)]
        peer_s = site.cold_s(NEWER, PEER_S) if with_peer else None
    ours_s, bare_s = (statistics.median(times) for times in zip(*turns, strict=True))
    name = f"bgp_bulk.{many}.cold"
    print(line(name, "s", rounds, ours_s, peer=peer_s, limit=bare_s, smaller_is_better=True), flush=True)


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bgp_bulk")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and no peer")
    arguments = parser.parse_args()
    sandbox.enter()
    streamed(MANY, 2 if arguments.quick else ROUNDS)
    cold(MANY, 3 if arguments.quick else COLD_ROUNDS, with_peer=not arguments.quick)


if __name__ == "__main__":
    main()
