"""Watching a directory tree that may come, go and be replaced while it is watched."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

import structlog
from watchfiles import awatch

from metalpy.cluster.manifest_presence import directory_id

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from metalpy.cluster.manifest_presence import DirectoryId

log = structlog.get_logger()

CHECK_S = 0.25
"""How often to see whether the directory is still the one that is watched, or is there at all."""
QUIET_MS = 30
"""A burst of events ends when nothing happened for this long..."""
BURST_MS = 300
"""... or when it has lasted this long."""
FULL_LOOK_S = 10.0
"""How often to look at everything unasked: links to files elsewhere and shared disks tell nothing."""
RETRY_S = 1.0
"""How long to wait where the operating system refuses to watch (too many watches)."""


async def watch(directory: Path) -> AsyncGenerator[frozenset[str] | None]:
    """Yield the paths that changed, for ever; None means that anything may have changed, the first time too."""
    # It writes a line for every burst of events.
    logging.getLogger("watchfiles.main").setLevel(logging.WARNING)
    is_refused = False
    while True:
        yield None
        identity = _identity(directory)
        if identity is None:
            await asyncio.sleep(CHECK_S)
            continue
        try:
            async with contextlib.aclosing(_watch_one(directory, identity)) as bursts:
                async for paths in bursts:
                    is_refused = False
                    yield paths
        except (OSError, RuntimeError) as error:
            if _identity(directory) == identity:
                if not is_refused:
                    _report_refused(directory, error)
                is_refused = True
                await asyncio.sleep(RETRY_S)


async def _watch_one(directory: Path, identity: DirectoryId) -> AsyncGenerator[frozenset[str] | None]:
    """Watch until the directory is another one. Raises `OSError`, `RuntimeError` if it cannot be watched."""
    # The first look comes after the watch stands, for what happened before it did.
    full_look_due_s = 0.0
    bursts = awatch(
        directory,
        watch_filter=None,
        debounce=BURST_MS,
        step=QUIET_MS,
        rust_timeout=int(CHECK_S * 1000),
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    async with contextlib.aclosing(bursts):
        async for burst in bursts:
            if time.monotonic() >= full_look_due_s:
                full_look_due_s = time.monotonic() + FULL_LOOK_S
                yield None
            elif burst:
                yield frozenset(path for _, path in burst)
            if _identity(directory) != identity:
                return


def _identity(directory: Path) -> DirectoryId | None:
    try:
        return directory_id(directory)
    except OSError:
        return None


def _report_refused(directory: Path, error: Exception) -> None:
    log.warning(
        "the directory cannot be watched: it is looked at from time to time instead",
        interval_s=RETRY_S,
        op="watch",
        event_name="watchRefused",
        file=str(directory),
        error=str(error),
    )
