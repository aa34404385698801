"""Whether a directory is there to be believed, said in one log line when it goes and one when it is back."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import struct
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from pathlib import Path

log = structlog.get_logger()

DirectoryId = tuple[int, int, int]
"""Device, inode and the inode's generation: ext4 gives the number of a directory that went to the next one."""

_GET_GENERATION = 2 << 30 | struct.calcsize("@l") << 16 | ord("v") << 8 | 1
"""`FS_IOC_GETVERSION` from <linux/fs.h>, as most machines number it; it writes 32 bits, whatever it says."""


def directory_id(directory: Path) -> DirectoryId:
    """Tell a directory from every other one, also from one that had its place before. Raises `OSError`."""
    status = directory.stat()
    generation = array.array("I", (0, 0))
    # Not every file system knows, and not every directory may be opened: then two numbers have to do.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, _GET_GENERATION, generation)
        finally:
            os.close(descriptor)
    return status.st_dev, status.st_ino, generation[0]


class Presence:
    """Follows one directory. While it is gone, or was replaced by an empty one, what it held stays in force."""

    def __init__(self, directory: Path, what: str) -> None:
        self._directory = directory
        self._what = what
        self._identity: DirectoryId | None = None
        self._gone = ""

    def is_trusted(self, identity: DirectoryId, *, empty: bool) -> bool:
        """Take notice of a directory that could be read; tell whether its files are the truth now.

        One that was replaced and is empty is not: the disk behind it was unmounted, or somebody is about to
        put the files back.
        """
        if empty and self._identity not in (None, identity):
            self.went("it was replaced by an empty directory")
            return False
        if self._gone:
            log.info(
                "the directory is back",
                directory=self._what,
                op="watch",
                event_name="directoryBack",
                file=str(self._directory),
            )
        self._gone = ""
        self._identity = identity
        return True

    def went(self, reason: str) -> None:
        """Take notice that the directory cannot be read; one log line until it is back."""
        if not self._gone:
            waiting = "the directory cannot be read: waiting for it"
            keeping = "the directory cannot be read: what it held stays in force"
            log.warning(
                waiting if self._identity is None else keeping,
                directory=self._what,
                op="watch",
                event_name="directoryGone",
                file=str(self._directory),
                error=reason,
            )
        self._gone = reason
