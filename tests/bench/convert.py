"""What converting and verifying a large configuration costs: `python -m tests.bench.convert [--quick]`.

A configuration of so many pools, half of them layer 2, is converted to custom resources and written, as one run of the
program does; and it is converted and proved to mean the same, as a run with `-verify` does. *Ours* are seconds of CPU;
*limit* is reading and writing the same YAML by PyYAML's C loader and dumper, which neither check nor compare anything.
Memory is the most that a process which did both has had resident, in MB, with *limit* the same for PyYAML's.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import resource
from time import process_time
from typing import TYPE_CHECKING, Any

import yaml

from configmaptocrs.convert import Wishes, convert, draft
from configmaptocrs.document import to_text
from configmaptocrs.source import source_of
from configmaptocrs.targets import Mode, Target
from configmaptocrs.verify import Cluster, verify
from tests.bench.report import line

if TYPE_CHECKING:
    from collections.abc import Callable

POOLS, QUICK_POOLS = 10_000, 1_000
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


def convert_and_verify(text: str) -> dict[str, float]:
    """Give the seconds of CPU for each half."""
    start = process_time()
    conversion = convert(source_of(text, only_data=True), Wishes(TARGET))
    to_text(conversion.objects)
    converted = process_time()
    conversion = draft(source_of(text, only_data=True), Wishes(TARGET))
    findings = verify(conversion, conversion.objects, TARGET, Cluster())
    if any(finding.is_difference or finding.is_undecided for finding in findings):
        raise RuntimeError(findings[0].describe())
    return {"convert": converted - start, "verify": process_time() - converted}


def load_and_dump(texts: tuple[str, str]) -> dict[str, float]:
    """Give the seconds of CPU that PyYAML takes to read the source, and to read and write the result."""
    source, result = texts
    start = process_time()
    yaml.load(source, Loader=yaml.CSafeLoader)
    yaml.dump_all(list(yaml.load_all(result, Loader=yaml.CSafeLoader)), Dumper=yaml.CSafeDumper)
    return {"yaml": process_time() - start}


def measured(work: Callable[[Any], dict[str, float]], text: Any) -> dict[str, float]:
    """Do the work in a new process; gives its seconds, and the most memory that it had resident, in MB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        result: dict[str, float] = pool.apply(_measure, (work, text))
        return result


def _measure(work: Callable[[Any], dict[str, float]], text: Any) -> dict[str, Any]:
    gc.disable()  # as the program has it
    return work(text) | {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the pools")
    pools = QUICK_POOLS if parser.parse_args().quick else POOLS
    text = configuration(pools)
    result = to_text(convert(source_of(text, only_data=True), Wishes(TARGET)).objects)
    ours, limit = measured(convert_and_verify, text), measured(load_and_dump, (text, result))
    for name in ("convert", "verify"):
        print(line(f"convert.{name}", "s", pools, ours[name], limit=limit["yaml"], smaller_is_better=True))
    print(line("convert.memory", "MB", pools, ours["memory"], limit=limit["memory"], smaller_is_better=True))


if __name__ == "__main__":
    main()
