"""Objects on an API server in which a daemon shows its state: kept as they are to be, where their kinds are served.

They are looked at once a minute: who deletes one gets it back. In between, what was seen and written is remembered,
since with thousands of Services a look costs far more than a change. Nothing depends on them, so what cannot be read
or written now is tried again then.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import structlog

from metalpy.announcement.states import Shown, corrections, is_of_another, of_former_owners
from metalpy.cluster.api_session import FORBIDDEN, NOT_FOUND, ApiError
from metalpy.cluster.lists import objects_in
from metalpy.cluster.served import served_at
from metalpy.cluster.state_objects import (
    FORMS,
    GROUP_VERSION,
    NODE_LABEL,
    SERVICE_LABEL,
    STATES,
    configuration_state,
    configuration_status,
    owner_of,
)
from metalpy.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from metalpy.announcement.states import Held, Reach
    from metalpy.cluster.api_session import ApiSession, Json
    from metalpy.cluster.state_objects import Form, Writer
    from metalpy.model import ObjectKey

QUIET_S = 0.3
"""What changes at once is written once."""
LOOK_S = 60.0
_AT_ONCE = 8
"""Writes in flight."""
_FEW = 50
"""Services that can be asked for by name in one request."""

Written = TypeVar("Written")

_log = structlog.get_logger()


class ApiStates:
    """Shows what one daemon says of itself."""

    def __init__(self, session: ApiSession, namespace: str, writer: Writer) -> None:
        self._session = session
        self._namespace = namespace
        self._writer = writer
        self._shown: Shown | None = None
        self._changed = asyncio.Event()
        self._refused: set[str] = set()
        """Kinds, by plural, that may not be written."""
        self._held: dict[str, dict[str, Held]] = {}
        """This node's objects of each kind, by name: as seen at the last look, and written since."""
        self._settled: dict[str, set[ObjectKey]] = {}
        """The Services of each kind for which other nodes' objects have been removed."""
        self._told = ""
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def show(self, shown: Shown) -> None:
        """Let this be what is shown, soon."""
        if shown != self._shown:
            self._shown = shown
            self._changed.set()

    async def run(self) -> None:
        """Write for ever."""
        await self._changed.wait()
        while True:
            await asyncio.sleep(QUIET_S)
            self._changed.clear()
            has_kinds = True
            try:
                has_kinds = await self._write(self._shown or Shown())
                self._told = ""
            except ClusterError as error:
                if self._told != (told := str(error)):
                    _log.warning("cannot show the state in objects", op="showState", error=told)
                self._told = told
            if not has_kinds:  # then no change is worth a question
                await asyncio.sleep(LOOK_S)
                continue
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._changed.wait()
            except TimeoutError:
                self._held.clear()

    async def _write(self, shown: Shown) -> bool:
        """Write what differs; tells whether there is any kind to write to."""
        served = {each["name"] for each in await served_at(self._session, GROUP_VERSION)} - self._refused
        if STATES in served:
            await self._unless_refused(STATES, self._write_verdict(shown))
        for protocol, form in FORMS.items():
            if self._writer.node and form.plural in served:
                await self._unless_refused(form.plural, self._write_announced(form, shown.announced.get(protocol, {})))
        return bool(served & {STATES, *(form.plural for form in FORMS.values())})

    async def _unless_refused(self, plural: str, write: Awaitable[None]) -> None:
        try:
            await write
        except ApiError as error:
            if error.code != FORBIDDEN:
                raise
            self._refused.add(plural)
            _log.info("showing the state in objects is not granted", op="showState", resource=plural, error=str(error))

    # --- what is announced -----------------------------------------------------------------------------

    async def _write_announced(self, form: Form, wanted: Mapping[ObjectKey, Reach]) -> None:
        remembered = self._held.pop(form.plural, None)
        if remembered is not None:
            try:
                await self._correct(form, wanted, remembered)
            except ApiError as error:
                if error.code != NOT_FOUND:  # else somebody deleted one since
                    raise
            else:
                return
        own = await self._list(form, {"labelSelector": f"{NODE_LABEL}={self._writer.node}"})
        await self._correct(form, wanted, {each.name: each for each in own})

    async def _correct(self, form: Form, wanted: Mapping[ObjectKey, Reach], held: dict[str, Held]) -> None:
        """Make the objects say what is wanted; remembers them if all of that was written."""
        delete, change, create = corrections(self._writer.node, self._writer.pod_uid, wanted, held.values())
        former = await self._of_former_owners(form, wanted) if form.is_for_one_node else ()
        await self._all(partial(self._delete, form.plural, name) for name in (*delete, *former))
        await self._all(partial(self._fill, form, name, key, wanted[key]) for name, key in change)
        created = await self._all(partial(self._create, form, key, wanted[key]) for key in create)
        for name in delete:
            del held[name]
        held |= {name: replace(held[name], reach=wanted[key]) for name, key in change}
        held |= {each.name: each for each in created}
        self._held[form.plural] = held
        self._settled[form.plural] = set(wanted)

    async def _of_former_owners(self, form: Form, wanted: Mapping[ObjectKey, Reach]) -> tuple[str, ...]:
        gained = wanted.keys() - self._settled.get(form.plural, set())
        if not gained:
            return ()
        names = sorted({key.name for key in gained})
        query = {"labelSelector": f"{SERVICE_LABEL} in ({','.join(names)})"} if len(names) <= _FEW else {}
        return of_former_owners(self._writer.node, gained, await self._list(form, query))

    async def _list(self, form: Form, query: Mapping[str, str]) -> list[Held]:
        return [form.held(obj) for obj in await objects_in(self._session, self._path(form.plural), query)]

    async def _create(self, form: Form, key: ObjectKey, reach: Reach) -> Held:
        body = form.new(self._writer, self._namespace, key)
        created = form.held(await self._session.post(self._path(form.plural), body))
        await self._fill(form, created.name, key, reach)
        return replace(created, reach=reach)

    async def _fill(self, form: Form, name: str, key: ObjectKey, reach: Reach) -> None:
        await self._patch_status(form.plural, name, form.status(self._writer.node, key, reach))

    # --- what is made of the configuration -------------------------------------------------------------

    async def _write_verdict(self, shown: Shown) -> None:
        name = self._writer.state_name
        present = await self._read_state(name)
        if present and is_of_another(owner_of(present), self._writer.pod_uid):
            await self._delete(STATES, name)
            present = None
        if present is None:
            body = configuration_state(self._writer, self._namespace)
            present = await self._session.post(self._path(STATES), body)
        before = present.get("status") or {}
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        after = configuration_status(self._writer, shown.verdict, before, now)
        if any(before.get(key) != value for key, value in after.items()):
            await self._patch_status(STATES, name, after)

    async def _read_state(self, name: str) -> Json | None:
        try:
            return await self._session.get(self._path(STATES, name))
        except ApiError as error:
            if error.code == NOT_FOUND:
                return None
            raise

    # --- requests --------------------------------------------------------------------------------------

    def _path(self, plural: str, name: str = "") -> str:
        return f"/apis/{GROUP_VERSION}/namespaces/{self._namespace}/{plural}" + (f"/{name}" if name else "")

    async def _patch_status(self, plural: str, name: str, status: Json) -> None:
        await self._session.patch(f"{self._path(plural, name)}/status", {"status": status})

    async def _delete(self, plural: str, name: str) -> None:
        try:
            await self._session.delete(self._path(plural, name))
        except ApiError as error:
            if error.code != NOT_FOUND:  # somebody was faster
                raise

    async def _all(self, writes: Iterable[Callable[[], Awaitable[Written]]]) -> list[Written]:
        """Carry out writes, some at once; raises the first error when all are done."""

        async def one(write: Callable[[], Awaitable[Written]]) -> Written:
            async with self._slots:
                return await write()

        results = await asyncio.gather(*map(one, writes), return_exceptions=True)
        done = []
        for result in results:
            if isinstance(result, BaseException):
                raise result
            done.append(result)
        return done
