"""Which kinds of custom resources an API server knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from metalpy.cluster.api_session import NOT_FOUND, ApiError
from metalpy.config.resource_objects import GROUP, VERSIONS

if TYPE_CHECKING:
    from metalpy.cluster.api_session import ApiSession, Json


class ServedKind(NamedTuple):
    """A kind of MetalLB's group: the newest version that can be read, and the name in paths."""

    version: str
    plural: str

    @property
    def api_version(self) -> str:
        """What its objects say of that."""
        return f"{GROUP}/{self.version}"

    def path(self, namespace: str) -> str:
        """Give the path of all objects in a namespace."""
        return f"/apis/{self.api_version}/namespaces/{namespace}/{self.plural}"


async def served_kinds(session: ApiSession) -> dict[str, ServedKind]:
    """Give the kinds that are served."""
    found: dict[str, ServedKind] = {}
    for version in sorted({version for versions in VERSIONS.values() for version in versions}):
        for each in await served_at(session, f"{GROUP}/{version}"):
            if version in VERSIONS.get(each["kind"], ()) and "/" not in each["name"]:
                found[each["kind"]] = ServedKind(version, each["name"])
    return found


async def served_at(session: ApiSession, api_version: str) -> list[Json]:
    """Give what is served of a group and version, subresources too; nothing where it is not known."""
    try:
        resources: list[Json] = (await session.get(f"/apis/{api_version}"))["resources"]
    except ApiError as error:
        if error.code == NOT_FOUND:
            return []
        raise
    return resources
