"""Looking at a tree of manifest files, and reading one of them, whatever may lie there."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from metalpy.cluster.manifest_presence import directory_id
from metalpy.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metalpy.cluster.manifest_presence import DirectoryId

SUFFIXES = (".yaml", ".yml", ".json")
MAX_FILE_BYTES = 64 * 1024 * 1024
SETTLE_NS = 200_000_000
"""A file changed this shortly before it was read may be half-written, or change under the same time stamp."""

Signature = tuple[int, int, int]
"""Modification time in ns, size in bytes, inode."""

_Place = tuple[int, int]
"""Device and inode: enough to tell apart what is there at the same time."""


@dataclass(slots=True)
class Scan:
    """The files of a directory tree, by relative path; None for one that cannot be looked at."""

    identity: DirectoryId
    """Of the directory at the top."""
    files: dict[str, Signature | None] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    """Directories that cannot be read, and why."""


def text_of(path: Path) -> tuple[str, Signature | None]:
    """Read a file and its signature, None if it may still change under it. Raises `ManifestError`."""
    try:
        # A pipe of that name must not hold everything up.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ManifestError(f"{path}: is not a regular file")
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_FILE_BYTES:
        raise ManifestError(f"{path}: is larger than {MAX_FILE_BYTES // 1024**2} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise ManifestError(f"{path}:{line}:{column}: is not UTF-8 text") from error
    if not text.strip():
        raise ManifestError(f"{path}: is empty")
    is_settled = abs(time.time_ns() - status.st_mtime_ns) > SETTLE_NS
    return text, _signature(status) if is_settled else None


def _signature(status: os.stat_result) -> Signature:
    return status.st_mtime_ns, status.st_size, status.st_ino


def scan_of(directory: Path, skipped: Path) -> Scan:
    """Look at all manifest files under a directory, links followed. Raises `OSError` if it cannot be read."""
    scan = Scan(directory_id(directory))
    seen = {scan.identity[:2], *_place_of(skipped)}
    pending = [""]
    while pending:
        inside = pending.pop()
        try:
            with os.scandir(directory / inside) as entries:
                found = list(entries)
        except OSError as error:
            if not inside:
                raise
            scan.unreadable[inside] = error.strerror or str(error)
            continue
        for entry in found:
            if entry.name.startswith("."):
                continue
            name = f"{inside}/{entry.name}" if inside else entry.name
            if _is_new_directory(entry, seen):
                pending.append(name)
            elif name.endswith(SUFFIXES) and not entry.is_dir():
                scan.files[name] = _looked_at(entry)
    return scan


def _place_of(path: Path) -> Iterator[_Place]:
    try:
        status = path.stat()
    except OSError:
        return
    yield status.st_dev, status.st_ino


def _is_new_directory(entry: os.DirEntry[str], seen: set[_Place]) -> bool:
    if not entry.is_dir():
        return False
    place = next(_place_of(Path(entry.path)), None)
    if place is None or place in seen:
        return False
    seen.add(place)
    return True


def _looked_at(entry: os.DirEntry[str]) -> Signature | None:
    try:
        return _signature(entry.stat())
    except OSError:
        return None
