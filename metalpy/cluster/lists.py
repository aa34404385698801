"""Whole lists from an API server, page by page."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from metalpy.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from metalpy.cluster.api_session import ApiSession, Json

PAGE = "500"


async def pages_of(session: ApiSession, path: str, selector: Mapping[str, str]) -> AsyncGenerator[Json]:
    """Yield the pages of a list, of which each has a version, each while the next one is on its way.

    Raises as the session does, and for what is no list; 410 from the second on: too old to go on.
    """
    query = {**selector, "limit": PAGE}
    coming = asyncio.create_task(session.get(path, query))
    try:
        while True:
            page = await coming
            version_of(page)
            token = page["metadata"].get("continue")
            if token:
                coming = asyncio.create_task(session.get(path, {**query, "continue": token}))
            yield page
            if not token:
                return
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


async def objects_in(session: ApiSession, path: str, selector: Mapping[str, str] | None = None) -> list[Json]:
    """Give all objects of a list, without `managedFields`, which is most of an object, and nobody reads it."""
    return [obj async for page in pages_of(session, path, selector or {}) for obj in trimmed(page)]


def version_of(page: Json) -> str:
    """Give a list's resource version. Raises `ClusterError` for what has none: it is not from an API server."""
    match page:
        case {"metadata": {"resourceVersion": str(version)}} if version:
            return version
    raise ClusterError(f"the answer is no list of objects: {page!r:.200}")


def trimmed(page: Json) -> list[Json]:
    """Give a page's objects without `managedFields`."""
    objects: list[Json] = page.get("items") or []
    for obj in objects:
        obj["metadata"].pop("managedFields", None)
    return objects
