"""Outcomes on their way to the cluster: the newest counts, and an address is never in two statuses."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from metalpy.allocation.converge import Outcome
from metalpy.daemon import status_writer
from metalpy.daemon.status_writer import StatusWriter
from metalpy.errors import ClusterError
from metalpy.model import Ingress
from tests.unit.daemon.fake_cluster import service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def outcome(name: str, before: str, after: str) -> Outcome:
    """Make the outcome that changes a Service's address; an empty text is none."""
    had = (before,) if before else ()
    return Outcome(service(name, *had), (), None, (Ingress(after),) if after else ())


class Statuses:
    """Carries outcomes out; writes for the names in `failing` fail."""

    def __init__(self) -> None:
        self.writer = StatusWriter(self._write)
        self.failing: set[str] = set()
        self.order: list[tuple[str, str]] = []
        self.held: dict[str, str] = {}
        self.news = asyncio.Event()
        self.is_begun = asyncio.Event()
        self.may_end = asyncio.Event()
        """Cleared, it holds up writes that have begun."""
        self.may_end.set()

    async def _write(self, outcome: Outcome) -> None:
        await asyncio.sleep(0)
        name = outcome.service.key.name
        self.is_begun.set()
        await self.may_end.wait()
        if name in self.failing:
            raise ClusterError("the API server is away")
        ip = outcome.ingress[0].ip if outcome.ingress else ""
        assert not ip or ip not in {held for other, held in self.held.items() if other != name}, "in two statuses"
        self.held[name] = ip
        self.order.append((name, ip))
        self.news.set()


@pytest.fixture
async def statuses(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Statuses]:
    monkeypatch.setattr(status_writer, "RETRY_FIRST_S", 0.01)
    made = Statuses()
    running = asyncio.create_task(made.writer.run())
    yield made
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def until(statuses: Statuses, count: int) -> None:
    async with asyncio.timeout(10):
        while len(statuses.order) < count:
            statuses.news.clear()
            await statuses.news.wait()


async def test_address_is_written_to_the_next_only_after_the_former_lost_it(statuses: Statuses) -> None:
    statuses.held["former"] = "x"
    statuses.failing.add("former")
    statuses.writer.put(outcome("next", "", "x"))
    statuses.writer.put(outcome("former", "x", "y"))
    statuses.writer.put(outcome("next", "", "x"))
    statuses.writer.put(outcome("other", "", "z"))
    await until(statuses, 1)
    assert statuses.order == [("other", "z")]

    statuses.failing.clear()
    await until(statuses, 3)
    assert statuses.order[1:] == [("former", "y"), ("next", "x")]


async def test_address_of_a_service_that_is_deleted_meanwhile_is_free(statuses: Statuses) -> None:
    statuses.failing.add("former")
    statuses.writer.put(outcome("former", "x", "y"))
    statuses.writer.put(outcome("next", "", "x"))
    await statuses.writer.written()
    assert statuses.order == []

    statuses.writer.drop(service("former").key)
    await until(statuses, 1)
    assert statuses.order == [("next", "x")]


async def test_chain_of_moves_is_written_from_its_end(statuses: Statuses) -> None:
    statuses.held |= {"a": "x", "b": "y"}
    statuses.writer.put(outcome("b", "y", "z"))
    statuses.writer.put(outcome("a", "x", "y"))
    statuses.writer.put(outcome("c", "", "x"))

    await until(statuses, 3)
    assert statuses.order == [("b", "z"), ("a", "y"), ("c", "x")]


async def test_services_that_swap_do_not_wait_for_each_other_for_ever(statuses: Statuses) -> None:
    statuses.writer.put(outcome("a", "x", "y"))
    statuses.writer.put(outcome("b", "y", "x"))

    await until(statuses, 2)
    assert sorted(statuses.order) == [("a", "y"), ("b", "x")]


async def test_held_back_outcome_gives_way_to_a_newer_one(statuses: Statuses) -> None:
    statuses.failing.add("former")
    statuses.writer.put(outcome("former", "x", "y"))
    statuses.writer.put(outcome("next", "", "x"))
    await statuses.writer.written()
    assert statuses.writer.has(service("next").key)

    statuses.writer.put(outcome("next", "", "z"))
    await until(statuses, 1)
    statuses.failing.clear()
    await until(statuses, 2)
    assert statuses.order == [("next", "z"), ("former", "y")]


async def test_outcome_that_is_to_wait_waits_and_gives_way_to_a_newer_one(statuses: Statuses) -> None:
    statuses.writer.put(outcome("a", "", "x"), 3600)
    await statuses.writer.written()
    assert statuses.order == []
    assert statuses.writer.has(service("a").key)

    statuses.writer.put(outcome("a", "", "y"), 0.01)
    await until(statuses, 1)
    assert statuses.order == [("a", "y")]


async def begin(statuses: Statuses, outcome: Outcome) -> None:
    """Have a write begin that does not end yet."""
    statuses.may_end.clear()
    statuses.writer.put(outcome)
    await statuses.is_begun.wait()


async def test_write_that_fails_after_a_newer_outcome_came_is_not_tried_again(statuses: Statuses) -> None:
    await begin(statuses, outcome("a", "", "x"))
    statuses.writer.put(outcome("a", "", "y"), 0.05)
    statuses.failing.add("a")
    statuses.may_end.set()
    await statuses.writer.written()
    statuses.failing.clear()

    await until(statuses, 1)
    assert statuses.order == [("a", "y")]


async def test_write_that_fails_after_its_service_was_deleted_is_not_tried_again(statuses: Statuses) -> None:
    await begin(statuses, outcome("a", "", "x"))
    statuses.writer.drop(service("a").key)
    statuses.failing.add("a")
    statuses.may_end.set()
    await statuses.writer.written()

    assert not statuses.writer.has(service("a").key)


async def test_address_stays_with_a_service_whose_newer_outcome_is_to_wait(statuses: Statuses) -> None:
    await begin(statuses, outcome("a", "x", "y"))
    statuses.writer.put(outcome("a", "y", "z"), 0.05)
    statuses.writer.put(outcome("next", "", "y"))
    statuses.may_end.set()

    await until(statuses, 3)
    assert statuses.order == [("a", "y"), ("a", "z"), ("next", "y")]
