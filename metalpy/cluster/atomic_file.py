"""Writing a small file so that whoever reads it sees the old text or the new one, never a part."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TEMPORARY_SUFFIX = ".tmp"


def write_atomically(path: Path, text: str, *, durable: bool) -> None:
    """Replace a file's text, creating its directory if need be; `durable` waits for the disk. Blocks.

    The text goes to a hidden temporary file beside it first. Raises `OSError`; the old file then still stands.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(temporary, flags, 0o644)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, flags, 0o644)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor is no path
            file.write(text)
            file.flush()
            if durable:
                os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def leftovers(directory: Path) -> Iterator[Path]:
    """Find the temporary files of processes that were killed, one directory down, and of those at work."""
    return directory.glob(f"*/.*{TEMPORARY_SUFFIX}")


def remove_older(paths: Iterable[Path], before_s: float) -> None:
    """Remove the files last written before a time (seconds since 1970); what cannot be removed stays. Blocks."""
    for path in paths:
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < before_s:
                path.unlink()
