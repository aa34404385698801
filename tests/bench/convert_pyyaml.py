"""PyYAML alone with the converter's files: `python -m tests.bench.convert_pyyaml SOURCE RESULT`.

Prints the most that it had resident, in MB, twice: it works once.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from tests.bench.resident import peak_mb


def main() -> None:
    """Read the source, read the result and write it."""
    source, result = sys.argv[1:]
    yaml.load(Path(source).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    objects = list(yaml.load_all(Path(result).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
    yaml.dump_all(objects, Dumper=yaml.CSafeDumper)
    print(peak_mb(), peak_mb())


if __name__ == "__main__":
    main()
