"""Objects onto an API server: rehearsed there as a whole first, shown, and written only if all of them would be taken.

An object that is there gets our `spec` in the place of its own, whole, at the version that was shown: what somebody
else wrote meanwhile is never covered. Labels, annotations and further objects stay as they are.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from configmaptocrs.diffs import meaning_of
from configmaptocrs.failure import ConversionError
from configmaptocrs.findings import Finding
from configmaptocrs.objects import REFERENCES_FIRST, SECRET, full_name
from configmaptocrs.verify import held_besides
from metalpy.cluster.api_session import CONFLICT, NOT_FOUND, ApiError
from metalpy.cluster.lists import objects_in
from metalpy.cluster.served import served_kinds
from metalpy.config.references import place_of
from metalpy.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from configmaptocrs.objects import Object
    from metalpy.cluster.api_session import ApiSession

_AT_ONCE = 8
_WRITER = {"fieldManager": "configmaptocrs", "fieldValidation": "Strict"}
"""Strictly: a field that these definitions do not know would vanish without a word."""


@dataclass(frozen=True, slots=True)
class Change:
    """An object to write: as it is to be sent, as it is there (None: not at all), and as it would be then."""

    path: str
    body: Object
    held: Object | None
    result: Object

    @property
    def is_needed(self) -> bool:
        """Whether anything would be another."""
        kind = self.body["kind"]
        return self.held is None or meaning_of(self.held, kind) != meaning_of(self.result, kind)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rehearsal found: changes in the order to write them, what was refused, what is there besides."""

    changes: Sequence[Change]
    refused: Sequence[Finding]
    besides: Sequence[Finding]


async def rehearse(session: ApiSession, objects: Sequence[Object]) -> Plan:
    """Let the API server try all objects of one namespace without writing.

    Raises `ClusterError` where it cannot be asked, and `ConversionError` where it does not know a kind.
    """
    paths = await _paths(session, objects)
    held = await _held(session, objects, paths)
    found: list[Change | Finding] = await _each(
        objects, lambda one: _tried(session, paths[one["kind"]], one, held.get(place_of(one)))
    )
    changes = [entry for entry in found if isinstance(entry, Change)]
    changes.sort(key=lambda change: REFERENCES_FIRST.index(change.body["kind"]))
    refused = [entry for entry in found if isinstance(entry, Finding)]
    return Plan(changes, refused, held_besides(objects, held.values()))


async def write(session: ApiSession, changes: Sequence[Change]) -> tuple[int, list[Finding]]:
    """Write changes kind by kind; after a kind of which one failed nothing more is written.

    Gives how many were written, and the failures.
    """
    written = 0
    for kind in REFERENCES_FIRST:
        entries = [change for change in changes if change.body["kind"] == kind]
        failed = [found for found in await _each(entries, lambda change: _written(session, change)) if found]
        written += len(entries) - len(failed)
        if failed:
            return written, failed
    return written, []


async def _paths(session: ApiSession, objects: Iterable[Object]) -> dict[str, str]:
    """Give the path of the collection of every kind that is served, in the namespace of the objects."""
    served = await served_kinds(session)
    paths: dict[str, str] = {}
    for namespace in {one["metadata"]["namespace"] for one in objects}:
        paths |= {SECRET: f"/api/v1/namespaces/{namespace}/secrets"}
        paths |= {each: its.path(namespace) for each, its in served.items()}
    for kind, version in {(one["kind"], one["apiVersion"]): None for one in objects}:
        if not paths.get(kind, "").startswith((f"/apis/{version}/", f"/api/{version}/")):
            text = "is not served by this API server: install its definitions first"
            raise ConversionError(f"{kind} of {version} {text}, MetalLB's or those in deploy/crds")
    return paths


async def _held(
    session: ApiSession, objects: Sequence[Object], paths: dict[str, str]
) -> dict[tuple[str, str, str], Object]:
    """Give what is there, by kind and name: all custom resources, but only those Secrets that are to be written."""
    names = [name for kind, _, name in map(place_of, objects) if kind == SECRET]
    asked: list[tuple[str, dict[str, str]]] = [(kind, {}) for kind in paths if kind != SECRET]
    asked += [(SECRET, {"fieldSelector": f"metadata.name={name}"}) for name in names]
    held = [
        {**obj, "kind": kind} for kind, selector in asked for obj in await objects_in(session, paths[kind], selector)
    ]
    return {place_of(one): one for one in held}


async def _tried(session: ApiSession, path: str, one: Object, held: Object | None) -> Change | Finding:
    body = one if held is None else {**held, **one, "metadata": held["metadata"]}
    try:
        result = await _sent(session, path, body, is_new=held is None, rehearsal=True)
    except ApiError as error:
        return Finding("D-APPLY", full_name(one), f"is refused: {error}")
    return Change(path, body, held, {**result, "kind": one["kind"]})


async def _written(session: ApiSession, change: Change) -> Finding | None:
    try:
        await _sent(session, change.path, change.body, is_new=change.held is None)
    except ApiError as error:
        moved = error.code in {CONFLICT, NOT_FOUND}
        text = "has changed since it was shown" if moved else "is refused"
        return Finding("D-APPLY", full_name(change.body), f"{text}: {error}", "look again" if moved else "")
    except ClusterError as error:
        return Finding("D-APPLY", full_name(change.body), f"may not have been written: {error}")
    return None


async def _sent(session: ApiSession, path: str, body: Object, *, is_new: bool, rehearsal: bool = False) -> Any:
    query = {**_WRITER, **({"dryRun": "All"} if rehearsal else {})}
    if is_new:
        return await session.post(path, body, query)
    return await session.put(f"{path}/{body['metadata']['name']}", body, query)


async def _each(entries: Iterable[Any], work: Callable[[Any], Awaitable[Any]]) -> list[Any]:
    """Do something with each, a few at a time; gives the results in order."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(entry: Any) -> Any:
        async with limit:
            return await work(entry)

    return await asyncio.gather(*map(one, entries))
