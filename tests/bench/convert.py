"""What converting and verifying a large configuration costs: `python -m tests.bench.convert [--quick]`.

A configuration of so many pools, half of them layer 2, is converted and written by one run of the program, and by
another, with `-verify`, it is converted and proved to mean the same. Each is a process of its own, and *ours* are its
seconds of CPU from the interpreter's start to its end; `convert.both` is one run of each. *Limit* is a process that
reads source and result and writes the result by PyYAML's C loader and dumper, which neither check nor compare anything.

Memory is the most that a run has resident, in MB, and *limit* what that process has. *A pool* is what each pool more
costs of it, between a tenth of the pools and all, in KB. *Again* is the most after further runs in the same process,
which collects no garbage, as the program does; its *limit* is the most after the first.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.bench.report import line

POOLS, QUICK_POOLS = 10_000, 1_000
ROUNDS, QUICK_ROUNDS = 3, 1
RUNS = {"convert": (), "verify": ("-verify",)}
AGAIN = 5
SOURCE, RESULT = "config.yaml", "resources.yaml"


class Peak(NamedTuple):
    """The most that a process had resident, in MB: after its first run, and after all of them."""

    once: float
    again: float


def configuration(pools: int) -> str:
    """Give the text of a legacy configuration."""
    lines = ["peers:"]
    lines += [f"- {{my-asn: 64700, peer-asn: 64701, peer-address: 192.0.2.{index + 1}}}" for index in range(2)]
    lines.append("address-pools:")
    for index in range(pools):
        protocol = "layer2" if index % 2 else "bgp"
        prefix = f"10.{index // 256}.{index % 256}.0/24"
        lines += [f"- name: pool-{index}", f"  protocol: {protocol}", "  addresses:", f"  - {prefix}"]
    return "\n".join(lines) + "\n"


def flags(directory: Path, name: str) -> list[str]:
    """Give the program's flags for one kind of run."""
    return ["-dir", str(directory), "-source", SOURCE, "-only-data", *RUNS[name]]


def pyyaml(directory: Path) -> list[str]:
    """Give the command of the process that is the limit."""
    return ["tests.bench.convert_pyyaml", str(directory / SOURCE), str(directory / RESULT)]


def cpu_seconds(*module: str) -> float:
    """Run a module as a program; gives its CPU time, of the user's and the kernel's."""
    program = subprocess.Popen([sys.executable, "-m", *module], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(program.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(module)} ended with status {status}")
    return used.ru_utime + used.ru_stime


def peak(*module: str) -> Peak:
    """Run a module that tells its peaks as its last line."""
    done = subprocess.run([sys.executable, "-m", *module], capture_output=True, text=True, check=True)
    return Peak(*map(float, done.stdout.splitlines()[-1].split()))


def peaks(pools: int, directory: Path) -> dict[str, Peak]:
    """Give the peaks of both kinds of run, and of the limit."""
    (directory / SOURCE).write_text(configuration(pools), encoding="ascii")
    found = {name: peak("tests.bench.convert_again", str(AGAIN), *flags(directory, name)) for name in RUNS}
    return found | {"limit": peak(*pyyaml(directory))}


def measure(pools: int, rounds: int, directory: Path) -> None:
    """Measure and print."""
    few = peaks(pools // 10, directory)
    many = peaks(pools, directory)
    seconds: dict[str, list[float]] = {name: [] for name in (*RUNS, "both", "limit")}
    for _ in range(rounds):
        each = {name: cpu_seconds("configmaptocrs", *flags(directory, name)) for name in RUNS}
        each |= {"both": sum(each.values()), "limit": cpu_seconds(*pyyaml(directory))}
        for name, figure in each.items():
            seconds[name].append(figure)
    middle = {name: statistics.median(figures) for name, figures in seconds.items()}
    growth = {name: (many[name].once - few[name].once) * 1024 / (pools - pools // 10) for name in many}
    for name in (*RUNS, "both"):
        report(name, "s", pools, middle[name], middle["limit"])
    for name in RUNS:
        report(f"{name}_memory", "MB", pools, many[name].once, many["limit"].once)
        report(f"{name}_memory_a_pool", "KB", pools, growth[name], growth["limit"])
        report(f"{name}_memory_again", "MB", pools, many[name].again, many[name].once)


def report(name: str, unit: str, pools: int, ours: float, limit: float) -> None:
    """Print one figure."""
    print(line(f"convert.{name}", unit, pools, ours, limit=limit, smaller_is_better=True), flush=True)


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the pools, once")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as directory:
        measure(QUICK_POOLS if quick else POOLS, QUICK_ROUNDS if quick else ROUNDS, Path(directory))


if __name__ == "__main__":
    main()
