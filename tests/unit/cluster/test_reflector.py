"""A reflector before an API server whose answers a test has written: what it believes, and what it waits for."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from structlog.testing import capture_logs

from metalpy.cluster import reflector
from metalpy.cluster.reflector import DOUBTS, Reflector, Resource
from metalpy.model import ObjectKey
from tests.unit.cluster.streams import lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from metalpy.cluster.api_session import ApiSession
    from metalpy.cluster.reflector import Values

Object = dict[str, Any]


class Session:
    """Answers lists with `version` and `names`, and watches with the events put into `events`; None ends a watch."""

    def __init__(self) -> None:
        self.traffic = self
        self.version = "100"
        self.names: tuple[str, ...] = ("a",)
        self.events: asyncio.Queue[Object | None] = asyncio.Queue()
        self.counted: list[str] = []
        self.watched_from: list[str] = []
        self.page: Any = None
        """What lists are answered with instead."""

    def listed(self, resource: str) -> None:
        self.counted.append(f"{resource} listed")

    def watch_ended(self, resource: str, cause: str) -> None:
        self.counted.append(f"{resource} {cause}")

    async def read(self, path: str, query: Mapping[str, str]) -> bytes:
        del path, query
        await asyncio.sleep(0)
        if self.page is not None:
            return msgspec.json.encode(self.page)
        items = [{"metadata": {"name": name, "resourceVersion": "1"}} for name in self.names]
        return msgspec.json.encode({"metadata": {"resourceVersion": self.version}, "items": items})

    async def stream(self, path: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        del path
        self.watched_from.append(query["resourceVersion"])
        while event := await self.events.get():
            yield msgspec.json.encode(event)


class Sink:
    def __init__(self) -> None:
        self.lists: list[list[str]] = []
        self.seen: list[str] = []

    def decode(self, objects: Sequence[msgspec.Raw]) -> Values:
        return {ObjectKey("", name_of(obj)): obj for obj in objects}

    def replace(self, values: Values) -> None:
        self.lists.append([key.name for key in values])

    def put(self, obj: msgspec.Raw) -> None:
        self.seen.append(name_of(obj))

    def remove(self, obj: msgspec.Raw) -> None:
        self.seen.append(f"{name_of(obj)} gone")


def name_of(obj: msgspec.Raw) -> str:
    return str(msgspec.json.decode(obj)["metadata"]["name"])


class Setup:
    def __init__(self) -> None:
        self.session, self.sink = Session(), Sink()
        session = cast("ApiSession", self.session)
        self.reflector = Reflector(session, Resource("/api/v1/services"), self.sink, lambda: None)

    def expire(self) -> None:
        self.session.events.put_nowait({"type": "ERROR", "object": {"code": 410}})

    def put(self, name: str, version: str) -> None:
        obj = {"metadata": {"name": name, "resourceVersion": version}}
        self.session.events.put_nowait({"type": "MODIFIED", "object": obj})

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                await self._turn()

    @staticmethod
    async def _turn() -> None:
        """Let the reflector work a little."""
        await asyncio.sleep(0.001)


@pytest.fixture
async def setup(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Setup]:
    monkeypatch.setattr(reflector, "BACK_OFF_FIRST_S", 0.001)
    monkeypatch.setattr(reflector, "BACK_OFF_MOST_S", 0.002)
    made = Setup()
    running = asyncio.create_task(made.reflector.run())
    await made.until(lambda: made.session.watched_from)
    yield made
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def count(setup: Setup, what: str) -> int:
    return setup.session.counted.count(f"services {what}")


async def test_list_from_the_past_is_not_believed_while_the_server_lags(setup: Setup) -> None:
    setup.put("b", "200")
    await setup.until(lambda: setup.sink.seen)
    setup.expire()
    await setup.until(lambda: count(setup, "listed") == 3)
    assert setup.sink.lists == [["a"]]

    setup.session.version, setup.session.names = "200", ("a", "b")
    await setup.until(lambda: len(setup.sink.lists) > 1)
    assert setup.sink.lists == [["a"], ["a", "b"]]


async def test_cluster_that_stays_in_the_past_is_believed_and_told(setup: Setup) -> None:
    setup.put("b", "200")
    await setup.until(lambda: setup.sink.seen)
    with capture_logs() as logs:
        setup.expire()
        await setup.until(lambda: len(setup.sink.lists) > 1)

    assert count(setup, "listed") == 1 + DOUBTS + 1
    assert [(line["version"], line["seen"]) for line in lines(logs, "clusterRestored")] == [("100", "200")]
    await setup.until(lambda: setup.session.watched_from == ["100", "100"])
    setup.put("c", "101")
    await setup.until(lambda: setup.sink.seen == ["b", "c"])


async def test_watch_is_not_taken_up_again_from_the_future_of_a_restored_cluster(setup: Setup) -> None:
    setup.put("b", "200")
    setup.session.events.put_nowait(None)
    await setup.until(lambda: len(setup.sink.lists) > 1)

    await setup.until(lambda: setup.session.watched_from == ["100", "100"])


async def test_watch_that_ended_goes_on_where_it_was_without_a_list(setup: Setup) -> None:
    setup.session.version = "200"
    setup.put("b", "200")
    setup.session.events.put_nowait(None)
    await setup.until(lambda: setup.session.watched_from == ["100", "200"])

    assert setup.sink.lists == [["a"]]
    assert setup.session.counted == ["services listed", "services ended"]


async def test_versions_that_are_no_numbers_are_not_compared(setup: Setup) -> None:
    setup.put("b", "zzz")
    await setup.until(lambda: setup.sink.seen)
    setup.expire()

    await setup.until(lambda: len(setup.sink.lists) > 1)


MALFORMED: list[Any] = [
    {"type": "BOOKMARK", "object": {"kind": "Service"}},
    {"type": "BOOKMARK", "object": None},
    {"type": "MODIFIED", "object": {"metadata": {"name": "b"}}},
    {"type": "ERROR", "object": "overloaded"},
    {"type": "ERROR", "object": {"code": "many"}},
    {"object": {"metadata": {"name": "b", "resourceVersion": "101"}}},
    {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": ""}}},
    ["MODIFIED"],
]


@pytest.mark.parametrize("event", MALFORMED, ids=str)
async def test_event_that_is_none_ends_the_watch_and_nothing_else(setup: Setup, event: Any) -> None:
    setup.session.events.put_nowait(event)
    await setup.until(lambda: count(setup, "error") == 1)
    setup.put("b", "200")
    await setup.until(lambda: setup.sink.seen == ["b"])

    assert setup.session.watched_from == ["100", "100"]


async def test_event_of_a_type_that_is_not_known_is_passed_over(setup: Setup) -> None:
    obj = {"metadata": {"name": "b", "resourceVersion": "150"}}
    setup.session.version = "150"
    setup.session.events.put_nowait({"type": "RENAMED", "object": obj})
    setup.session.events.put_nowait(None)
    await setup.until(lambda: setup.session.watched_from == ["100", "150"])

    assert setup.sink.seen == []


@pytest.mark.parametrize("page", [{}, [], {"metadata": None}, {"metadata": {}, "items": []}], ids=str)
async def test_answer_that_is_no_list_takes_nothing_away(setup: Setup, page: Any) -> None:
    setup.session.page = page
    setup.expire()
    await setup.until(lambda: count(setup, "listed") == 3)
    assert setup.sink.lists == [["a"]]

    setup.session.page = None
    await setup.until(lambda: len(setup.sink.lists) == 2)


@pytest.mark.parametrize("cause", ["expired", "ended"])
async def test_watches_that_all_end_at_once_are_not_begun_without_a_pause(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def pause(delay_s: float) -> None:
        if delay_s:
            pauses.append(delay_s)
        await sleep(0)

    monkeypatch.setattr("metalpy.cluster.reflector.asyncio.sleep", pause)
    monkeypatch.setattr(Setup, "_turn", staticmethod(lambda: sleep(0)))
    for _ in range(20):
        setup.expire() if cause == "expired" else setup.session.events.put_nowait(None)
    await setup.until(lambda: count(setup, cause) == 20)

    assert len(pauses) >= 18
    assert pauses[-1] > reflector.BACK_OFF_MOST_S / 2
