"""A directory of manifest files, kept up to date: only files that changed are read, the last good word counts."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from metalpy.cluster.manifest_objects import FileContent, Level, ManifestObject, Notice, content_of
from metalpy.cluster.manifest_presence import Presence
from metalpy.cluster.manifest_scan import scan_of, text_of
from metalpy.cluster.manifest_view import EMPTY_VIEW, FileObjects, view_of
from metalpy.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metalpy.cluster.manifest_objects import ConfigScope, Identity
    from metalpy.cluster.manifest_scan import Scan, Signature
    from metalpy.cluster.manifest_view import View

log = structlog.get_logger()

GRACE_S = 0.3
"""How long a file has to be away to count as deleted: editors and deployment tools replace files."""


@dataclass(slots=True)
class _File:
    """One manifest file and its last readable objects."""

    signature: Signature | None = None
    """None while it has to be read again whatever its signature is."""
    objects: tuple[ManifestObject, ...] = ()
    notices: tuple[Notice, ...] = ()
    vanished_s: float | None = None
    """When the file was first seen to be away, by the monotonic clock."""
    is_half: bool = False
    """Objects were missing in a file that may still be half-written."""

    @property
    def is_waited_for(self) -> bool:
        return self.is_half or self.vanished_s is not None


class ManifestFiles:
    """The manifest files under a directory. `view` is replaced as a whole and may be read from any thread."""

    def __init__(self, directory: Path, scope: ConfigScope, *, skipped: Path) -> None:
        self._directory = directory
        self._scope = scope
        self._skipped = skipped
        self._presence = Presence(directory, "manifest")
        self._files: dict[str, _File] = {}
        self._unreadable: dict[str, str] = {}
        self._lock = threading.Lock()
        self.view: View = EMPTY_VIEW

    def refresh(self) -> bool:
        """Read what changed since the last time. Blocks.

        Tells whether to come again after `GRACE_S`, because a file or objects of one are away and not yet
        taken for deleted.
        """
        with self._lock:
            scan = self._scan()
            if scan is None:
                for file in self._files.values():
                    file.vanished_s = None
                return False
            self._report_unreadable(scan.unreadable)
            changed = self._take(scan) | self._drop(scan)
            if changed or not self.view.is_read:
                self.view = view_of(self._listed(), self._scope, self.view)
            return any(file.is_waited_for for file in self._files.values())

    def _scan(self) -> Scan | None:
        """Look at the tree; None where it is not there to be believed."""
        try:
            scan = scan_of(self._directory, self._skipped)
        except OSError as error:
            self._presence.went(error.strerror or str(error))
            return None
        return scan if self._presence.is_trusted(scan.identity, empty=not scan.files) else None

    def _take(self, scan: Scan) -> bool:
        changed = False
        for name in sorted(scan.files):
            signature = scan.files[name]
            file = self._files.get(name)
            if file is None:
                file = self._files[name] = _File()
            elif file.vanished_s is not None:
                file.vanished_s = None
                changed = True
            if signature is None or signature != file.signature:
                changed |= self._read(name, file)
        return changed

    def _drop(self, scan: Scan) -> bool:
        now = time.monotonic()
        dropped = []
        for name, file in self._files.items():
            if name in scan.files or _is_under(name, scan.unreadable):
                continue
            if file.vanished_s is None:
                file.vanished_s = now
            elif now - file.vanished_s >= GRACE_S:
                dropped.append(name)
        for name in dropped:
            del self._files[name]
        return bool(dropped)

    def _read(self, name: str, file: _File) -> bool:
        """Read one file; tell whether its objects, or its problems, are others than before."""
        path = self._directory / name
        file.signature = None
        try:
            text, file.signature = text_of(path)
            content = content_of(text, str(path), self._scope)
        except ManifestError as error:
            content = FileContent(notices=(Notice(Level.ERROR, str(error), str(path)),))
            objects = file.objects
        else:
            objects = _with_last_readable(content, file.objects)
        file.is_half = file.signature is None and _loses_objects(file.objects, objects)
        if file.is_half:
            return False
        self._report(path, file.notices, content.notices)
        changed = objects != file.objects or content.notices != file.notices
        file.objects, file.notices = objects, content.notices
        return changed

    def _report(self, path: Path, before: tuple[Notice, ...], after: tuple[Notice, ...]) -> None:
        for notice in after:
            if notice not in before:
                _log_notice(notice, path)
        if _has_problem(before) and not _has_problem(after):
            _log_readable(path)

    def _report_unreadable(self, unreadable: dict[str, str]) -> None:
        """Report the directories below that cannot be read."""
        for name in unreadable.keys() - self._unreadable.keys():
            path = self._directory / name
            _log_notice(Notice(Level.ERROR, f"{path}: cannot be read: {unreadable[name]}"), path)
        for name in self._unreadable.keys() - unreadable.keys():
            _log_readable(self._directory / name)
        self._unreadable = unreadable

    def _listed(self) -> Iterator[FileObjects]:
        for name in sorted(self._files):
            file = self._files[name]
            yield FileObjects(file.objects, is_present=file.vanished_s is None)


def _log_notice(notice: Notice, path: Path) -> None:
    place = notice.place or str(path)
    if notice.level is Level.ERROR:
        log.error(
            "a manifest cannot be read: its last readable form stays in force",
            op="readManifest",
            event_name="manifestUnreadable",
            file=place,
            error=notice.text,
        )
    else:
        ignored = {"op": "readManifest", "event_name": "manifestIgnored", "file": place}
        getattr(log, notice.level)(notice.text, **ignored)


def _log_readable(path: Path) -> None:
    log.info("a manifest is readable again", op="readManifest", event_name="manifestReadable", file=str(path))


def _has_problem(notices: tuple[Notice, ...]) -> bool:
    return any(notice.level is not Level.INFO for notice in notices)


def _with_last_readable(content: FileContent, before: tuple[ManifestObject, ...]) -> tuple[ManifestObject, ...]:
    """Give the objects of a file; those refused now are there in their last readable form."""
    if not content.refused:
        return content.objects
    readable: set[Identity] = {entry.identity for entry in content.objects}
    kept = (entry for entry in before if entry.identity in content.refused - readable)
    return content.objects + tuple(kept)


def _loses_objects(before: tuple[ManifestObject, ...], after: tuple[ManifestObject, ...]) -> bool:
    return not {entry.identity for entry in before} <= {entry.identity for entry in after}


def _is_under(name: str, directories: dict[str, str]) -> bool:
    return any(name.startswith(f"{directory}/") for directory in directories)
