"""Keeps up with one kind of object on an API server: list, watch, and list again when the watch cannot go on.

The list is a consistent one, never resource version "0": a controller that starts from an old state could give
away an address that was written since. One that is older than what was seen is doubted for a while, then believed:
a server may lag behind, but a cluster that was restored from a backup stays in the past.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import structlog

from metalpy.cluster.api_session import GONE, ApiError, ApiSession, Status
from metalpy.cluster.lists import Version, page_of, pages_of
from metalpy.cluster.shapes import Shape
from metalpy.errors import ClusterError
from metalpy.model import ObjectKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

WATCH_S = (240, 300)
"""The server ends each watch after a time drawn from this range, so that not all end at once."""

BACK_OFF_FIRST_S = 0.2
BACK_OFF_MOST_S = 10.0

SHORTEST_S = 1.0
"""A watch that ends sooner, and of which nothing was heard, was in vain: servers end none on purpose so soon."""

_AT_ONCE = 15
"""Objects of a list that are read between two turns of the event loop: half a millisecond's worth, for a daemon has
other things to begin meanwhile, and each takes a few dozen turns."""

DOUBTS = 6
"""Lists from the past that are not believed, one after the other: some ten seconds."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Resource:
    """What to follow: the collection's path, and a selector if only some of it."""

    path: str
    selector: Mapping[str, str] = field(default_factory=dict)


Values = dict[ObjectKey, Any]
"""What a sink makes of objects."""


class Sink(Protocol):
    """Where objects go, as JSON that nobody looked at yet; what cannot be read is the sink's to tell."""

    def decode(self, objects: Sequence[msgspec.Raw]) -> Values:
        """Read some objects of a list, and change nothing yet."""
        ...

    def replace(self, values: Values) -> None:
        """Take in everything that there is, all objects of a list; what was there and is not among these is gone."""
        ...

    def put(self, obj: msgspec.Raw) -> None:
        """Take in one object that came or changed."""
        ...

    def remove(self, obj: msgspec.Raw) -> None:
        """Take in that one object is gone."""
        ...


class _Event(Shape):
    """Of a watch."""

    type: str
    object: msgspec.Raw


class _Metadata(Shape):
    resource_version: Version


class _Versioned(Shape):
    """Any object."""

    metadata: _Metadata


class _Expired(Exception):  # noqa: N818 - the server's own word
    """The resource version is too old to go on from."""


class Reflector:
    """Feeds one sink, through whatever the API server does."""

    def __init__(self, session: ApiSession, resource: Resource, sink: Sink, listed: Callable[[], None]) -> None:
        """`listed` is called after every list, also an empty one that reports nothing to the sink."""
        self._session = session
        self._resource = resource
        self._name = resource.path.rpartition("/")[2]
        self._sink = sink
        self._version = ""
        """The newest version that was seen."""
        self._must_list = True
        self._doubted = 0
        self._failed = 0
        """Tries since the cluster was in sight."""
        self._in_vain = 0
        """Watches, and lists that ran out between two pages, that were, one after the other."""
        self._listed = listed
        self.is_listed = False

    async def run(self) -> None:
        """Follow the resource until cancelled."""
        while True:
            try:
                if self._must_list:
                    self._version = await self._list()
                    self._must_list = False
                    self.is_listed = True
                    self._listed()
                else:
                    await self._look_whether_time_goes_on()
                await self._watch()
                self._session.traffic.watch_ended(self._name, "ended")
            except _Expired:
                self._session.traffic.watch_ended(self._name, "expired")
                self._must_list = True
            except ClusterError as error:
                if not self._must_list:
                    self._session.traffic.watch_ended(self._name, "error")
                await self._back_off(error)
                continue
            await self._rest()

    async def _list(self) -> str:
        self._session.traffic.listed(self._name)
        values: Values = {}
        version = ""
        try:
            async for page in pages_of(self._session, self._resource.path, self._resource.selector):
                # Bit by bit: other things go on meanwhile, and the text of all objects is never here at once.
                objects = page.items or ()
                for start in range(0, len(objects), _AT_ONCE):
                    values |= self._sink.decode(objects[start : start + _AT_ONCE])
                    await asyncio.sleep(0)
                version = page.version
        except ApiError as error:
            if error.code == GONE and version:
                self._in_vain += 1
                raise _Expired from error
            raise
        self._doubt(version)
        self._recovered()
        self._sink.replace(values)
        return version

    def _doubt(self, version: str) -> None:
        """Raise `ClusterError` for a list from the past, unless all of late were."""
        if _is_older(version, self._version):
            if self._doubted < DOUBTS:
                self._doubted += 1
                raise ClusterError(f"a list of version {version}, but {self._version} was seen")
            _log.warning(
                "the cluster went back in time, as after a restore: taking it as it is",
                event_name="clusterRestored",
                op="watch",
                **self._where(),
                version=version,
                seen=self._version,
            )
        self._doubted = 0

    async def _look_whether_time_goes_on(self) -> None:
        """See that the server has what was seen, by a list of one: a watch from its future would stay silent."""
        query = {**self._resource.selector, "limit": "1"}
        page = page_of(await self._session.read(self._resource.path, query))
        if _is_older(page.version, self._version):
            raise _Expired

    async def _watch(self) -> None:
        query = {
            **self._resource.selector,
            "watch": "1",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(random.randint(*WATCH_S)),  # noqa: S311 - spread, not secrecy
        }
        now_s = asyncio.get_running_loop().time
        since_s, is_heard = now_s(), False
        try:
            async for line in self._session.stream(self._resource.path, query):
                self._recovered()
                self._take(line)
                is_heard = True
        except ApiError as error:
            if error.code == GONE:
                raise _Expired from error
            raise
        finally:
            self._in_vain = 0 if is_heard or now_s() - since_s > SHORTEST_S else self._in_vain + 1

    def _take(self, line: bytes) -> None:
        try:
            event = msgspec.json.decode(line, type=_Event)
            if event.type == "ERROR":
                status = msgspec.json.decode(event.object, type=Status)
            else:
                version = msgspec.json.decode(event.object, type=_Versioned).metadata.resource_version
        except msgspec.DecodeError as error:
            raise ClusterError(f"the watch of {self._resource.path} has an event that is none: {error}") from error
        if event.type == "ERROR":
            if status.code == GONE:
                raise _Expired
            raise ApiError(status.code or 0, status.reason or "", status.message or "")
        if event.type in {"ADDED", "MODIFIED"}:
            self._sink.put(event.object)
        elif event.type == "DELETED":
            self._sink.remove(event.object)
        self._version = version

    async def _rest(self) -> None:
        """Wait before the next list and watch where the last ones were in vain, but for the first."""
        if self._in_vain > 1:
            await _pause(self._in_vain - 1)

    async def _back_off(self, error: ClusterError) -> None:
        if not self._failed:
            _log.warning(
                "lost sight of the cluster, what is known stays", op="watch", **self._where(), error=str(error)
            )
        self._failed += 1
        await _pause(self._failed)

    def _recovered(self) -> None:
        if self._failed:
            _log.info("the cluster is in sight again", op="watch", **self._where())
        self._failed = 0

    def _where(self) -> dict[str, str]:
        return {"resource": self._resource.path, **self._resource.selector}


async def _pause(tries: int) -> None:
    """Wait after so many tries in a row, twice as long each time up to a bound."""
    delay_s = min(BACK_OFF_FIRST_S * 2 ** min(tries - 1, 16), BACK_OFF_MOST_S)
    await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))  # noqa: S311 - spread, not secrecy


def _is_older(version: str, than: str) -> bool:
    """Compare resource versions, which are whole numbers (KEP-5504); what is none is not older."""
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)
