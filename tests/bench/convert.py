"""What converting and verifying a large configuration costs: `python -m tests.bench.convert [--quick]`.

A configuration of so many pools, half of them layer 2, is converted to custom resources and written, as one run of the
program does; and it is converted and proved to mean the same, as a run with `-verify` does. *Ours* are seconds of CPU;
*limit* is reading and writing the same YAML by PyYAML's C loader and dumper, which neither check nor compare anything.
Memory is the most that the process had resident, in MB; *a pool* is what each pool more costs of it, between a tenth of
the pools and all, in KB. *limit* is the same of PyYAML.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

import yaml

from configmaptocrs.convert import Wishes, convert, draft
from configmaptocrs.document import texts_of, to_text
from configmaptocrs.source import source_of
from configmaptocrs.targets import Mode, Target
from configmaptocrs.verify import Cluster, verify
from tests.bench.report import line

if TYPE_CHECKING:
    from collections.abc import Callable

POOLS, QUICK_POOLS = 10_000, 1_000
_BETWEEN = "# and then\n"
TARGET = Target((0, 16, 0), Mode.NATIVE)


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


def converted(text: str) -> None:
    """Do what a run of the program does."""
    conversion = convert(source_of(text, only_data=True), Wishes(TARGET))
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        nowhere.writelines(texts_of(conversion.objects))


def verified(text: str) -> None:
    """Do what a run with `-verify` does."""
    conversion = draft(source_of(text, only_data=True), Wishes(TARGET))
    findings = verify(conversion, conversion.objects, TARGET, Cluster())
    if any(finding.is_difference or finding.is_undecided for finding in findings):
        raise RuntimeError(findings[0].describe())


def loaded_and_dumped(text: str) -> None:
    """Let PyYAML read the source, and read and write the result."""
    source, _, result = text.partition(_BETWEEN)
    yaml.load(source, Loader=yaml.CSafeLoader)
    yaml.dump_all(list(yaml.load_all(result, Loader=yaml.CSafeLoader)), Dumper=yaml.CSafeDumper)


def measured(work: Callable[[str], None], text: str) -> tuple[float, float]:
    """Do the work in a new process; gives its seconds of CPU, and the most memory that it had resident, in MB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (work, text))


def _measure(work: Callable[[str], None], text: str) -> tuple[float, float]:
    gc.disable()  # as the program has it
    start = process_time()
    work(text)
    seconds = process_time() - start
    # Not getrusage, in which a process starts with what its parent had.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return seconds, int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the pools")
    pools = QUICK_POOLS if parser.parse_args().quick else POOLS
    few = pools // 10
    figures = {many: _figures(many) for many in (few, pools)}
    for at, name in enumerate(("convert", "verify")):
        seconds, memory = figures[pools][at]
        limit_s, limit_mb = figures[pools][-1]
        print(line(f"convert.{name}", "s", pools, seconds, limit=limit_s, smaller_is_better=True))
        print(line(f"convert.{name}_memory", "MB", pools, memory, limit=limit_mb, smaller_is_better=True))
        a_pool, limit = (
            (figures[pools][which][1] - figures[few][which][1]) * 1024 / (pools - few) for which in (at, -1)
        )
        print(line(f"convert.{name}_memory_a_pool", "KB", pools, a_pool, limit=limit, smaller_is_better=True))


def _figures(pools: int) -> list[tuple[float, float]]:
    text = configuration(pools)
    result = to_text(convert(source_of(text, only_data=True), Wishes(TARGET)).objects)
    both = f"{text}{_BETWEEN}{result}"
    return [measured(converted, text), measured(verified, text), measured(loaded_and_dumped, both)]


if __name__ == "__main__":
    main()
