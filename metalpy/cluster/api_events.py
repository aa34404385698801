"""Events on an API server: written behind whatever else is to be done, equal ones counted up, floods thinned out.

The limits are those that users know from Kubernetes components: of one object's Events a burst of 25, then one
every five minutes.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from metalpy.cluster.api_session import NOT_FOUND, ApiError
from metalpy.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from metalpy.cluster.api_session import ApiSession, Json
    from metalpy.model import Event, ObjectKey

QUEUE = 20_000
"""Events that wait at most; further ones are dropped."""

REMEMBERED = 4096
"""Events that may still be counted up instead of written anew."""

BURST_AN_OBJECT = 25
REFILL_AN_OBJECT_S = 300.0
EVENTS_A_SECOND = 50
EVENTS_A_SECOND_BESIDE_WRITES = 2
"""Status writes come first: while some are under way Events take only a small share of the API server."""

_TIME = "%Y-%m-%dT%H:%M:%SZ"

_log = structlog.get_logger()


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: float


class EventRecorder:
    """Takes Events without waiting; `run` writes them."""

    def __init__(self, session: ApiSession, writing: Callable[[], bool] = lambda: False) -> None:
        """`writing` tells whether there is more important work under way."""
        self._session = session
        self._writing = writing
        self._queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE)
        self._written: OrderedDict[Event, int] = OrderedDict()
        self._buckets: OrderedDict[tuple[str, ObjectKey], _Bucket] = OrderedDict()

    def record(self, event: Event) -> None:
        """Have an Event written, unless its object had too many lately or too many wait."""
        if not self._has_token(event):
            return
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            _log.warning("too many events, one is dropped", reason=event.reason, object=str(event.key))

    async def run(self) -> None:
        """Write Events until cancelled; one that cannot be written is logged and dropped."""
        while True:
            event = await self._queue.get()
            try:
                await self._write(event)
            except ClusterError as error:
                _log.warning("failed to emit an event", reason=event.reason, object=str(event.key), error=str(error))
            await asyncio.sleep(1 / (EVENTS_A_SECOND_BESIDE_WRITES if self._writing() else EVENTS_A_SECOND))

    def _has_token(self, event: Event) -> bool:
        now = time.monotonic()
        key = event.component, event.key
        bucket = self._buckets.pop(key, None) or _Bucket(BURST_AN_OBJECT, now)
        bucket.tokens = min(BURST_AN_OBJECT, bucket.tokens + (now - bucket.filled) / REFILL_AN_OBJECT_S)
        bucket.filled = now
        self._buckets[key] = bucket
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    async def _write(self, event: Event) -> None:
        now = datetime.now(UTC).strftime(_TIME)
        path = f"/api/v1/namespaces/{event.key.namespace}/events"
        name = _name(event)
        count = self._written.pop(event, 0) + 1
        if count > 1:
            try:
                await self._session.patch(f"{path}/{name}", {"count": count, "lastTimestamp": now})
            except ApiError as error:
                if error.code != NOT_FOUND:
                    raise
                count = 1
        if count == 1:
            await self._create(path, event, name, now)
        self._written[event] = count
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)

    async def _create(self, path: str, event: Event, name: str, now: str) -> None:
        try:
            await self._session.post(path, _body(event, name, now))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            # Written by a former run of this program.
            await self._session.patch(f"{path}/{name}", {"lastTimestamp": now})


def _name(event: Event) -> str:
    """Name an Event so that an equal one has the same name, also after a restart."""
    parts = (event.kind, event.uid, event.reason, event.message, event.component)
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return f"{event.key.name}.{digest}"


def _body(event: Event, name: str, now: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": event.key.namespace},
        "involvedObject": {
            "apiVersion": event.api_version,
            "kind": event.kind,
            "namespace": event.key.namespace,
            "name": event.key.name,
            "uid": event.uid,
        },
        "type": str(event.severity),
        "reason": event.reason,
        "message": event.message[:1024],
        "source": {"component": event.component},
        "reportingComponent": event.component,
        "reportingInstance": "",
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
    }
