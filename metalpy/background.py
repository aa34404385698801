"""Work in the background of something that is entered and left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType


class Background:
    """A task group whose tasks are cancelled, not awaited, when it is left; an async context manager.

    What one of them raises ends the others and whatever is going on inside, as in any task group.
    """

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        # A task group needs to know of a cancellation, which may be its own; other errors are not its business.
        own = (kind, error, trace) if kind and issubclass(kind, asyncio.CancelledError) else (None, None, None)
        await self._group.__aexit__(*own)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Begin one more task."""
        task = self._group.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def cancel(self) -> None:
        """End all tasks; returns when they have ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
