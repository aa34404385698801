"""When the heap is frozen: before the first batch, and once the whole cluster is there."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from metalpy.cluster.interface import NodeChanged, Synced
from metalpy.daemon.heap import freezing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import pytest

    from metalpy.cluster.interface import Change


async def _cluster() -> AsyncIterator[Sequence[Change]]:
    yield [NodeChanged("a", None)]
    yield [NodeChanged("b", None), Synced()]
    yield [NodeChanged("c", None)]


async def test_heap_is_frozen_before_the_first_batch_and_after_the_one_that_completes_the_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story: list[str] = []
    monkeypatch.setattr(gc, "freeze", lambda: story.append("frozen"))
    async for batch in freezing(_cluster()):
        story += [change.name for change in batch if isinstance(change, NodeChanged)]

    assert story == ["frozen", "a", "b", "frozen", "c"]


async def test_collector_has_patience_until_the_cluster_is_complete() -> None:
    usual = gc.get_threshold()
    try:
        seen = [gc.get_threshold()[0] async for _ in freezing(_cluster())]
    finally:
        gc.unfreeze()

    assert min(seen[:2]) >= 100 * usual[0]
    assert (seen[2], gc.get_threshold()) == (usual[0], usual)
