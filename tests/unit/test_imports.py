"""Imports point one way: cli, daemon, edges, core. The layers are written down in setup.cfg."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_layers_and_the_pure_core_are_kept() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_a_run_of_the_converter_imports_what_it_does_alone() -> None:
    others = ["configmaptocrs." + name for name in ("api_runs", "official", "reversing", "verify", "cluster_files")]
    others += ["kubernetes", "metalpy.allocation", "metalpy.announcement"]
    program = f"import sys, configmaptocrs.cli; print([name for name in {others} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
