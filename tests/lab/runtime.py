"""A Python with what metalpy needs and nothing else, as an image has it: `python -m tests.lab.runtime` installs it.

For what is measured. structlog imports what the tests' tools bring along, an editable installation is asked first for
each module, and aiohttp reads all authorities' certificates that a machine has, of which an image has none.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from tests.lab.build import locked_cache
from tests.lab.parts import LabError, cache_directory

_TOP = Path(__file__).parents[2]
_CONSTRAINTS = _TOP / "constraints.txt"


def python_as_in_an_image() -> list[str]:
    """Give the words that run it with this metalpy. Raises `LabError` where it is not installed."""
    if not _is_installed():
        raise LabError("what metalpy needs is not installed by itself: run python -m tests.lab.runtime")
    no_authorities = [f"{name}={os.devnull}" for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")]
    return ["env", f"PYTHONPATH={_TOP}", *no_authorities, str(_program())]


def install() -> None:
    """Install it into the lab's cache if it is not there."""
    with locked_cache("runtime"):
        if not _is_installed():
            print("== what metalpy needs, by itself, for the benchmarks ==", flush=True)
            shutil.rmtree(_directory(), ignore_errors=True)
            venv.create(_directory(), symlinks=True)
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(_program())]
            subprocess.run(
                [*pip, "install", "--quiet", "--constraint", str(_CONSTRAINTS), *needed_to_run()], check=True
            )
            (_directory() / "installed").touch()


def _is_installed() -> bool:
    return (_directory() / "installed").exists()


def _program() -> Path:
    return _directory() / "bin" / "python"


def _directory() -> Path:
    inputs = "\n".join((*needed_to_run(), _CONSTRAINTS.read_text(encoding="utf-8"), sys.version))
    return cache_directory() / f"runtime-{hashlib.sha256(inputs.encode()).hexdigest()[:12]}"


def needed_to_run() -> list[str]:
    """List what metalpy needs, as pip takes it."""
    setup = configparser.ConfigParser()
    setup.read(_TOP / "setup.cfg", encoding="utf-8")
    return setup["options"]["install_requires"].split("\n")[1:]


if __name__ == "__main__":
    install()
