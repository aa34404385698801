"""Temporary directories in memory, for programs that write much and whose data nobody wants afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEMORY = Path("/dev/shm")  # noqa: S108 - the directory made in it has a random name and is ours alone
_PREFIX = "metalpy-lab-"
_ROOM_BYTES = 1 << 30
"""Containers often have 64 MB there, which is what etcd reserves for one file of its log."""
_YOUNG_S = 60
"""A directory this young may be one whose maker has not locked it yet."""


@contextlib.contextmanager
def scratch_directory() -> Iterator[Path]:
    """Make a directory on a tmpfs where there is one, and remove it at the end.

    Its maker holds a lock on it; whoever makes the next one first removes those whose makers were killed.
    """
    base = _MEMORY if _has_room(_MEMORY) else Path(tempfile.gettempdir())
    for old in base.glob(f"{_PREFIX}*"):
        _remove_if_abandoned(old)
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def is_in_use(name: str) -> bool:
    """Tell whether there is a scratch directory of that name, however old."""
    return any((base / name).is_dir() for base in (_MEMORY, Path(tempfile.gettempdir())))


def _has_room(directory: Path) -> bool:
    return os.access(directory, os.W_OK) and shutil.disk_usage(directory).free > _ROOM_BYTES


def _remove_if_abandoned(path: Path) -> None:
    with contextlib.suppress(OSError):  # another user's, gone in the meantime, or locked
        if path.stat().st_mtime > time.time() - _YOUNG_S:
            return
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(lock)
