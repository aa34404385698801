"""The Events beside a directory of manifests: core/v1 Event objects as files, counted and aged like in a cluster.

`events/NAMESPACE/KIND.NAME.HASH.json`, one file for equal events: same object, reason, message and component.
"""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from metalpy.cluster.atomic_file import leftovers, remove_older, write_atomically
from metalpy.cluster.reading import is_label, is_name
from metalpy.errors import ClusterError, ManifestError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metalpy.model import Event

KEPT = timedelta(hours=1)
"""As long as an API server keeps Events by default."""
LONGEST_FILE_NAME_PART = 200

_TIME = "%Y-%m-%dT%H:%M:%SZ"


def _utc_now() -> datetime:
    return datetime.now(UTC)


class WrittenEvents:
    """The Events in a state directory."""

    def __init__(self, state: Path, now: Callable[[], datetime] = _utc_now) -> None:
        self.directory = state / "events"
        self._now = now
        self._lock = threading.Lock()
        self._removed_old: datetime | None = None

    def write(self, event: Event) -> None:
        """Write an Event, or count an equal one up. Blocks. Raises `ClusterError` if it cannot be written."""
        if not (is_label(event.key.namespace) and is_name(event.key.name)):
            raise ManifestError(f"{event.kind} {event.key}: is no name that Kubernetes allows")
        digest = _digest(event)
        file = f"{event.kind}.{event.key.name[:LONGEST_FILE_NAME_PART]}.{digest}.json"
        path = self.directory / event.key.namespace / file
        now = self._now()
        with self._lock:
            if self._removed_old is None or now - self._removed_old > KEPT / 6:
                self.remove_old()
            body = _body(event, digest, now.strftime(_TIME), _read(path))
            try:
                write_atomically(path, f"{json.dumps(body, indent=2)}\n", durable=False)
            except OSError as error:
                raise ClusterError(f"Event not written: {path}: {error.strerror}") from error

    def remove_old(self) -> None:
        """Remove Events that did not happen for an hour, and what a killed process left behind. Blocks."""
        self._removed_old = self._now()
        # A file is written when its Event happens.
        before_s = (self._removed_old - KEPT).timestamp()
        remove_older((*self.directory.glob("*/*.json"), *leftovers(self.directory)), before_s)


def _digest(event: Event) -> str:
    parts = (event.kind, *map(str, (event.key, event.uid, event.reason, event.message, event.component)))
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:16]


def _read(path: Path) -> dict[str, Any]:
    """Read an Event that was written; empty if there is none that can be read."""
    try:
        body = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _body(event: Event, digest: str, now: str, before: dict[str, Any]) -> dict[str, Any]:
    count, first = before.get("count"), before.get("firstTimestamp")
    first = first if isinstance(first, str) else now
    identity = {"uid": event.uid} if event.uid else {}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{event.key.name}.{digest}",
            "namespace": event.key.namespace,
            "creationTimestamp": first,
        },
        "involvedObject": {
            "apiVersion": event.api_version,
            "kind": event.kind,
            "namespace": event.key.namespace,
            "name": event.key.name,
            **identity,
        },
        "type": str(event.severity),
        "reason": event.reason,
        "message": event.message,
        "source": {"component": event.component},
        "reportingComponent": event.component,
        "count": count + 1 if isinstance(count, int) else 1,
        "firstTimestamp": first,
        "lastTimestamp": now,
    }
