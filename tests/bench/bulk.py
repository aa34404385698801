"""A controller that starts in front of a crowd of pending Services: `python -m tests.bench.bulk [--quick]`.

Lines named `rate` count Services a second from the first status written to the last; process start, leader
election, list and the first decisions are not included. Lines named `cold` count from the start of the process to
the last status, with everything. *Limit* is in both the rate of a bare client that patches the same statuses, as
many at a time, and does nothing else: it makes all Services pending again before and after each of our runs, so
whatever else the machine does meets both. Of several rounds the one is shown whose share of its limit is the middle
one. Lines named `apart` are of rounds in which the API server and its etcd had all processors but one for themselves,
and whoever writes that one: in the others each takes what it needs from the other, as on a machine of both. *Peer* is
what the line's name says, counted alike: MetalLB 0.15.2 on custom resources, or 0.11.0, the legacy system, with fewer
Services since it is so slow.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from tests.bench.api_cluster import ApiCluster, Phase
from tests.bench.controllers import LEGACY, METALPY, NEWER, Program, install_custom_resources
from tests.bench.processors import apart
from tests.bench.report import line

OURS_S = 300
PEER_S = 600


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    services: int
    legacy: int
    rounds: int
    newer: bool


FULL = Size(services=5000, legacy=300, rounds=3, newer=True)
QUICK = Size(services=500, legacy=20, rounds=1, newer=False)


@dataclass(frozen=True)
class Round:
    """One run of ours between two of the bare client."""

    before: Phase
    ours: Phase
    after: Phase

    @property
    def limit(self) -> float:
        """Services a second that the bare client reached, both runs together."""
        return 2 / (1 / self.before.rate + 1 / self.after.rate)

    @property
    def share(self) -> float:
        """The part of it that ours reached."""
        return self.ours.rate / self.limit


def run(cluster: ApiCluster, program: Program, deadline_s: float) -> Phase:
    """Let a controller give every Service its address, and end it."""
    phase, server = cluster.converge(program, deadline_s)
    server.kill()
    return phase


def rounds(cluster: ApiCluster, count: int) -> Round:
    """Let ours and the bare client take turns; gives the round in the middle and leaves all Services pending."""
    cluster.fill()
    done = []
    after = cluster.clear()
    for _ in range(count):
        before, ours, after = after, run(cluster, METALPY, OURS_S), cluster.clear()
        done.append(Round(before, ours, after))
    return sorted(done, key=lambda each: each.share)[count // 2]


def report(name: str, ours: Round, count: int, peer: Phase | None = None) -> None:
    """Print the two lines of one comparison."""
    services = len(ours.ours.written)
    cold = services / ours.ours.whole_s
    peer_rate, peer_cold = (peer.rate, services / peer.whole_s) if peer else (None, None)
    print(line(f"bulk.{name}.rate", "Services/s", count, ours.ours.rate, peer=peer_rate, limit=ours.limit), flush=True)
    print(line(f"bulk.{name}.cold", "Services/s", count, cold, peer=peer_cold, limit=ours.limit), flush=True)


def measure(size: Size) -> None:
    """Measure and print; the slowest one gets the cluster while it is small."""
    with ApiCluster() as cluster:
        cluster.grow(size.legacy)
        legacy = run(cluster, LEGACY, PEER_S)
        report(f"{size.legacy}.metallb-0.11", rounds(cluster, size.rounds), size.rounds, legacy)
        cluster.grow(size.services)
        with apart(cluster.api):
            report(f"{size.services}.apart", rounds(cluster, size.rounds), size.rounds)
        ours = rounds(cluster, size.rounds)
        newer = None
        if size.newer:
            install_custom_resources(cluster.api)
            newer = run(cluster, NEWER, PEER_S)
        report(f"{size.services}.metallb-0.15" if newer else f"{size.services}", ours, size.rounds, newer)


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bulk", description="Time whole controllers.")
    parser.add_argument("--quick", action="store_true", help="fewer Services, and no peer but a little legacy")
    measure(QUICK if parser.parse_args().quick else FULL)


if __name__ == "__main__":
    main()
