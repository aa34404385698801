"""Lists from an API server whose pages a test hands out one by one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast
from unittest.mock import AsyncMock

import msgspec
import pytest

from metalpy.cluster.lists import objects_in, pages_of
from metalpy.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metalpy.cluster.api_session import ApiSession

PATH = "/api/v1/services"


class Session:
    """Answers with pages of one object each, until one that is not there."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.asked: list[str] = []
        self.cancelled = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def read(self, _: str, query: Mapping[str, str]) -> bytes:
        number = int(query.get("continue", "0"))
        self.asked.append(query.get("continue", ""))
        try:
            await self.answers.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if not self.names[number]:
            raise ClusterError("the API server is gone")
        token = str(number + 1) if number + 1 < len(self.names) else ""
        items = [{"metadata": {"name": self.names[number], "managedFields": [{}]}}]
        return msgspec.json.encode({"metadata": {"resourceVersion": "1", "continue": token}, "items": items})


async def some_turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_objects_of_all_pages_come_in_order_without_what_nobody_reads() -> None:
    objects = await objects_in(cast("ApiSession", Session("a", "b", "c")), PATH)

    assert objects == [{"metadata": {"name": name}} for name in "abc"]


async def test_next_page_is_on_its_way_while_one_is_read_and_no_more() -> None:
    session = Session("a", "b", "c")
    pages = pages_of(cast("ApiSession", session), PATH, {})
    await anext(pages)
    await some_turns()

    assert session.asked == ["", "1"]
    await pages.aclose()


async def test_page_that_cannot_be_had_is_an_error_behind_the_others() -> None:
    pages = pages_of(cast("ApiSession", Session("a", "")), PATH, {})
    assert [msgspec.json.decode(item)["metadata"]["name"] for item in (await anext(pages)).items or ()] == ["a"]
    await some_turns()
    with pytest.raises(ClusterError, match="gone"):
        await anext(pages)


async def test_who_stops_early_leaves_no_question_behind() -> None:
    session = Session("a", "b")
    pages = pages_of(cast("ApiSession", session), PATH, {})
    await anext(pages)
    session.answers.clear()
    await some_turns()
    await pages.aclose()

    assert session.cancelled == 1


@pytest.mark.parametrize("item", [b"7", b"[]", b"{}", b'{"metadata":{"name":"\xff"}}'], ids=repr)
async def test_list_of_what_are_no_objects_is_the_servers_fault(item: bytes) -> None:
    session = Session("a")
    answer = b'{"metadata":{"resourceVersion":"1"},"items":[%s]}' % item
    session.read = AsyncMock(return_value=answer)  # type: ignore[method-assign]
    with pytest.raises(ClusterError, match="no objects"):
        await objects_in(cast("ApiSession", session), PATH)
