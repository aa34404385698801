"""Which kinds of custom resources an API server knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalpy.cluster.api_session import NOT_FOUND, ApiError
from metalpy.config.resource_objects import GROUP, VERSIONS

if TYPE_CHECKING:
    from metalpy.cluster.api_session import ApiSession


async def served_kinds(session: ApiSession) -> dict[str, tuple[str, str]]:
    """Give the kinds that are served, with the newest version that can be read and the name in paths."""
    found: dict[str, tuple[str, str]] = {}
    for version in sorted({version for versions in VERSIONS.values() for version in versions}):
        try:
            resources = (await session.get(f"/apis/{GROUP}/{version}"))["resources"]
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise
            continue
        for each in resources:
            if version in VERSIONS.get(each["kind"], ()) and "/" not in each["name"]:
                found[each["kind"]] = version, each["name"]
    return found
