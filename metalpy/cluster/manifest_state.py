"""The state directory beside a directory of manifests: what an API server would store of a Service's status.

`status/NAMESPACE/NAME.json` holds `{"loadBalancer": {"ingress": [...]}}`. Any number of processes may read it
at the same time; for each Service one process writes.
"""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING

import structlog

from metalpy.cluster.atomic_file import leftovers, remove_older, write_atomically
from metalpy.cluster.manifest_presence import Presence, directory_id
from metalpy.cluster.objects import status_from, status_to
from metalpy.cluster.reading import is_label
from metalpy.errors import ClusterError, ManifestError
from metalpy.model import ObjectKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from metalpy.model import Ingress

log = structlog.get_logger()

LEFTOVER_AGE_S = 3600.0

Signature = tuple[int, int, int]


class WrittenStatuses:
    """The statuses in a state directory, read again where their files changed.

    `known` maps Services to the ingress that was written; it is changed in place, under a lock, by whichever
    thread reads or writes. A file that cannot be read is as good as absent.
    """

    def __init__(self, state: Path) -> None:
        self.directory = state / "status"
        self._known: dict[ObjectKey, tuple[Ingress, ...]] = {}
        self._signatures: dict[ObjectKey, Signature] = {}
        self._problems: dict[ObjectKey, str] = {}
        self._presence = Presence(self.directory, "status")
        self._lock = threading.Lock()
        self.version = 0
        """Grows whenever a status became another one."""

    @property
    def known(self) -> Mapping[ObjectKey, tuple[Ingress, ...]]:
        """The statuses as last read."""
        return self._known

    def refresh(self, paths: Collection[str] | None = None) -> None:
        """Read what changed, of these files or, with None, of all. Blocks."""
        shown = [path for path in paths or () if not os.path.basename(path).startswith(".")]  # noqa: PTH119
        keys = {self._key_of(path) for path in shown}
        with self._lock:
            if paths is None or None in keys:
                self._read_all()
                return
            for key in keys:
                if key is not None:
                    self._read(key)

    def write(self, key: ObjectKey, ingress: tuple[Ingress, ...]) -> None:
        """Make `ingress` the Service's status, on the disk when this returns. Blocks.

        Raises `ClusterError` if it cannot be written; the old status then still stands.
        """
        path = self._path_of(key)
        try:
            write_atomically(path, f"{json.dumps(status_to(ingress), indent=2)}\n", durable=True)
        except OSError as error:
            raise ClusterError(f"Service {key}: status not written: {path}: {error.strerror}") from error
        with self._lock:
            self._read(key)

    def remove(self, keys: Iterable[ObjectKey]) -> None:
        """Forget the statuses of Services that are no more. Blocks. A file that stays is logged."""
        for key in keys:
            path = self._path_of(key)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                log.warning(
                    "status of a deleted Service not removed",
                    op="removeStatus",
                    service=str(key),
                    file=str(path),
                    error=error.strerror,
                )
            with self._lock:
                self._read(key)

    def remove_leftovers(self) -> None:
        """Remove temporary files of an hour ago, left behind by a process that was killed. Blocks."""
        remove_older(leftovers(self.directory), time.time() - LEFTOVER_AGE_S)

    def _path_of(self, key: ObjectKey) -> Path:
        if not (is_label(key.namespace) and is_label(key.name)):
            raise ManifestError(f"Service {key}: is no name that Kubernetes allows")
        return self.directory / key.namespace / f"{key.name}.json"

    def _key_of(self, path: str) -> ObjectKey | None:
        """Tell whose status a path is; None for anything else, a directory for one."""
        parts = os.path.relpath(path, self.directory).split("/")
        name = parts[-1].removesuffix(".json")
        if len(parts) != 2 or name == parts[-1] or not (is_label(parts[0]) and is_label(name)):  # noqa: PLR2004
            return None
        return ObjectKey(parts[0], name)

    def _read_all(self) -> None:
        try:
            identity = directory_id(self.directory)
            found = set(_keys_in(self.directory))
        except OSError as error:
            self._presence.went(error.strerror or str(error))
            return
        if not self._presence.is_trusted(identity, empty=not found):
            return
        for key in found | self._signatures.keys():
            self._read(key)

    def _read(self, key: ObjectKey) -> None:
        path = self._path_of(key)
        try:
            with path.open(encoding="utf-8") as file:
                status = os.fstat(file.fileno())
                signature = status.st_mtime_ns, status.st_size, status.st_ino
                if self._signatures.get(key) == signature:
                    return
                ingress = status_from(str(path), json.load(file))
        except FileNotFoundError:
            self._signatures.pop(key, None)
            self._problems.pop(key, None)
            self._put(key, None)
        except (OSError, ValueError, RecursionError, ManifestError) as error:
            self._report(key, path, str(error))
            self._put(key, None)
        else:
            self._signatures[key] = signature
            if self._problems.pop(key, ""):
                log.info("status is readable again", op="readStatus", service=str(key), file=str(path))
            self._put(key, ingress)

    def _put(self, key: ObjectKey, ingress: tuple[Ingress, ...] | None) -> None:
        if self._known.get(key) == ingress:
            return
        self.version += 1
        if ingress is None:
            self._known.pop(key, None)
        else:
            self._known[key] = ingress

    def _report(self, key: ObjectKey, path: Path, problem: str) -> None:
        self._signatures.pop(key, None)
        if self._problems.get(key) != problem:
            log.error(
                "status cannot be read: taken as absent",
                op="readStatus",
                service=str(key),
                file=str(path),
                error=problem,
            )
        self._problems[key] = problem


def _keys_in(directory: Path) -> Iterator[ObjectKey]:
    """Find whose statuses are there. Raises `OSError`."""
    with os.scandir(directory) as namespaces:
        names = [entry.name for entry in namespaces if is_label(entry.name) and entry.is_dir()]
    for namespace in names:
        with os.scandir(directory / namespace) as entries:
            for entry in entries:
                name = entry.name.removesuffix(".json")
                if name != entry.name and is_label(name):
                    yield ObjectKey(namespace, name)
