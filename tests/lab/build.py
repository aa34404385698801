"""Builds the lab's Go parts into the cache: `python -m tests.lab.build [PART or PROGRAM ...]`, all without arguments.

What is there already is left alone, and so is what `KUBEBUILDER_ASSETS` holds. A part is built in a temporary
directory and renamed when it is whole, under a lock: runs at the same time wait for each other and find the result.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.parts import ASSETS_VARIABLE, PARTS, LabError, Part, asset, cache_directory, part_of
from tests.lab.toolchain import go_command, needed_release

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PROGRESS_S = 15
_TAIL_LINES = 30


def build(names: Sequence[str] = tuple(PARTS)) -> None:
    """Make sure that the cache has these parts, or the parts of these programs. Raises `LabError`."""
    for part in dict.fromkeys(_wanted(names)):
        if not part.is_built():
            with locked_cache(part.name):
                if not part.is_built():  # another run may have built it while we waited
                    _build(part)


def _wanted(names: Sequence[str]) -> Iterator[Part]:
    for name in names:
        part = PARTS.get(name) or part_of(name)
        missing = [program for program in (part.programs if name in PARTS else (name,)) if not asset(program)]
        if missing:
            yield part
        else:
            print(f"== {name}: from {ASSETS_VARIABLE}={os.environ[ASSETS_VARIABLE]} ==", flush=True)


@contextlib.contextmanager
def locked_cache(what: str) -> Iterator[None]:
    """Hold the cache for ourselves: two builds at a time would only take turns on the same cores."""
    cache_directory().mkdir(parents=True, exist_ok=True)
    with (cache_directory() / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"== {what}: waiting for another build ==", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(part: Part) -> None:
    started = time.monotonic()
    go = go_command(needed_release(part.source / "go.mod"))
    print(f"== {part.name} {part.version}: building, {part.cold} the first time ==", flush=True)
    for leftover in cache_directory().glob(".*-*/"):  # of runs that were killed: we hold the lock
        shutil.rmtree(leftover)
    with tempfile.TemporaryDirectory(prefix=f".{part.name}-", dir=cache_directory()) as text:
        whole = Path(text, "part")
        binaries = whole / "bin"
        binaries.mkdir(parents=True)
        _run_go(part, go, binaries)
        for program, file in part.programs.items():
            if program != file:
                (binaries / program).symlink_to(file)
        whole.rename(part.directory)
    size = sum(file.stat().st_size for file in (part.directory / "bin").iterdir() if not file.is_symlink())
    print(f"== {part.name} {part.version}: {_elapsed(started)}, {size / 1e6:.0f} MB in {part.directory} ==", flush=True)


def _run_go(part: Part, go: Path, binaries: Path) -> None:
    """Run `go build`, telling how far it is now and then. Raises `LabError` after showing its last lines."""
    # A directory for tool lines, which may be several; the file for a main package, which has no name of its own.
    output = f"{binaries}/" if part.package == "tool" else str(binaries / next(iter(part.programs.values())))
    command = [str(go), "build", "-v", "-trimpath", "-buildvcs=false", f"-ldflags={part.ldflags}", "-o", output]
    environment = {
        **{name: value for name, value in os.environ.items() if name != "GOROOT"},  # each toolchain knows its own
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly",  # our go.mod and go.sum say all; nothing resolves anew
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    log = binaries.parent / "build.log"
    started = time.monotonic()
    with (
        log.open("w", encoding="utf-8") as output_file,
        subprocess.Popen(
            [*command, part.package],
            cwd=part.source,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output_file,
            stderr=subprocess.STDOUT,
        ) as child,
    ):
        try:
            while child.poll() is None:
                _wait_and_tell(part, child, log, started)
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        sys.stderr.writelines(log.read_text(encoding="utf-8").splitlines(keepends=True)[-_TAIL_LINES:])
        raise LabError(f"{part.name}: go build failed after {_elapsed(started)} with status {child.returncode}")


def _wait_and_tell(part: Part, child: subprocess.Popen[bytes], log: Path, started: float) -> None:
    """Wait for the end of `go build -v` for a while, then say how far it is: it writes a line a package."""
    try:
        child.wait(_PROGRESS_S)
    except subprocess.TimeoutExpired:
        lines = log.read_text(encoding="utf-8").splitlines()
        compiled = sum(not line.startswith("go: ") for line in lines)
        last = lines[-1] if lines else "reading the modules"
        print(f"   {part.name}: {_elapsed(started)}, {compiled} packages, last: {last}", flush=True)


def _elapsed(since: float) -> str:
    minutes, seconds = divmod(round(time.monotonic() - since), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def main(arguments: Sequence[str]) -> None:
    """Build what the command line names."""
    try:
        build(arguments or tuple(PARTS))
    except LabError as error:
        sys.exit(f"lab: {error}")
    except KeyboardInterrupt:
        sys.exit("lab: interrupted; what was compiled stays in Go's own cache")


if __name__ == "__main__":
    main(sys.argv[1:])
