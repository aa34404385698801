"""What a crowd of pending Services costs in memory: `python -m tests.bench.memory [--quick]`.

*Ours* and *peer*, MetalLB 0.15.2 on custom resources, are the most that each controller had resident while it gave
every Service an address, from its start on; and what each further Service adds to that, between two sizes.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from tests.bench.api_cluster import ApiCluster
from tests.bench.controllers import METALPY, NEWER, Program, install_custom_resources
from tests.bench.report import line
from tests.bench.resident import peak_mb

CONVERGED_S = 600
KILOBYTES = 1024


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    few: int
    many: int
    peer: bool


FULL = Size(1000, 5000, peer=True)
QUICK = Size(100, 1000, peer=False)


def peak(cluster: ApiCluster, program: Program) -> float:
    """Let a controller do its work and make all Services pending again; gives its peak in MB."""
    _, server = cluster.converge(program, CONVERGED_S)
    found = peak_mb(server.pid)
    server.kill()
    cluster.clear()
    return found


def measure(size: Size) -> None:
    """Measure and print."""
    programs = [METALPY, NEWER] if size.peer else [METALPY]
    peaks: list[list[float]] = []
    with ApiCluster() as cluster:
        if size.peer:
            install_custom_resources(cluster.api)
        for count in (size.few, size.many):
            cluster.grow(count)
            peaks.append([peak(cluster, program) for program in programs])
            report(f"memory.{count}.peak", "MB", 1, peaks[-1])
    more = size.many - size.few
    growth = [(many - few) / more * KILOBYTES for few, many in zip(*peaks, strict=True)]
    report(f"memory.{size.few}-{size.many}.each", "KB/Service", more, growth)


def report(name: str, unit: str, count: int, figures: list[float]) -> None:
    """Print ours, and the peer's if it took part."""
    ours, *peer = figures
    print(line(name, unit, count, ours, peer=peer[0] if peer else None, smaller_is_better=True), flush=True)


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory", description="Weigh whole controllers.")
    parser.add_argument("--quick", action="store_true", help="fewer Services and no peer")
    measure(QUICK if parser.parse_args().quick else FULL)


if __name__ == "__main__":
    main()
