"""The converter again and again in one process: `python -m tests.bench.convert_again TIMES FLAG…`.

Prints the most that was resident after the first run and after all of them, in MB, on its last line.
"""

from __future__ import annotations

import gc
import sys

from configmaptocrs.cli import run
from configmaptocrs.failure import Exit
from tests.bench.resident import peak_mb


def main() -> None:
    """Run with the flags so many times, as the program would."""
    gc.disable()  # as the program has it
    times, *flags = sys.argv[1:]
    figures = []
    for _ in range(int(times)):
        if run(flags) is not Exit.DONE:
            raise RuntimeError("the converter did not end well")
        figures.append(peak_mb())
    print(figures[0], figures[-1])


if __name__ == "__main__":
    main()
