"""Whole lists from an API server, page by page."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import msgspec

from metalpy.cluster.shapes import Shape
from metalpy.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from metalpy.cluster.api_session import ApiSession, Json

PAGE = "500"

Version = Annotated[str, msgspec.Meta(min_length=1)]
"""A resource version: what has none is not from an API server."""


class ListMetadata(Shape):
    """Which state of the cluster a list is of, and how to get the rest of it."""

    resource_version: Version
    token: str | None = msgspec.field(default=None, name="continue")


class Page(Shape):
    """Some objects of a list, which nobody looked at yet: whoever reads them says what of them is read."""

    metadata: ListMetadata
    items: tuple[msgspec.Raw, ...] | None = None

    @property
    def version(self) -> str:
        """The list's resource version."""
        return self.metadata.resource_version


async def pages_of(session: ApiSession, path: str, selector: Mapping[str, str]) -> AsyncGenerator[Page]:
    """Yield the pages of a list, each while the next one is on its way.

    Raises as the session does, and for what is no list; 410 from the second on: too old to go on.
    """
    query = {**selector, "limit": PAGE}
    coming = asyncio.create_task(session.read(path, query))
    try:
        while True:
            page = page_of(await coming)
            token = page.metadata.token
            if token:
                coming = asyncio.create_task(session.read(path, {**query, "continue": token}))
            yield page
            if not token:
                return
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


def page_of(answer: bytes) -> Page:
    """Read an answer. Raises `ClusterError` for what is no list: then it is not from an API server."""
    try:
        return msgspec.json.decode(answer, type=Page)
    except msgspec.DecodeError as error:
        raise ClusterError(f"the answer is no list of objects: {error}: {answer!r:.200}") from error


async def objects_in(session: ApiSession, path: str, selector: Mapping[str, str] | None = None) -> list[Json]:
    """Give all objects of a list, without `managedFields`, which is most of an object, and nobody reads it.

    Raises as `pages_of` does.
    """
    return [_trimmed(obj) async for page in pages_of(session, path, selector or {}) for obj in page.items or ()]


def _trimmed(obj: msgspec.Raw) -> Json:
    try:
        found: Json = msgspec.json.decode(obj)
        found["metadata"].pop("managedFields", None)
    except (msgspec.DecodeError, LookupError, TypeError) as error:
        raise ClusterError(f"the answer is a list of what are no objects: {error!r}") from error
    return found
