"""What has come to stay is kept out of the garbage collector's sight."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from metalpy.cluster.interface import Synced

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from metalpy.cluster.interface import Change


_PATIENT = (200_000, 10, 10)
"""The collector's thresholds while a cluster is read: it looks at what came a few times instead of a thousand."""


async def freezing(changes: AsyncIterator[Sequence[Change]]) -> AsyncGenerator[Sequence[Change]]:
    """Pass batches of changes on; freeze the heap before the first and after the one that completes the cluster.

    Those are the times when something big has come to stay, the modules and the cluster: else the collector goes
    through all of it again and again, and everything waits. What is dropped later is freed all the same, as it is
    in no cycle. In between, when nearly everything that is made stays, the collector has patience.
    """
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*_PATIENT)
    try:
        async for batch in changes:
            yield batch
            if any(isinstance(change, Synced) for change in batch):
                gc.freeze()
                gc.set_threshold(*usual)
    finally:
        gc.set_threshold(*usual)
