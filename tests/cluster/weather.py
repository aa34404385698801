"""Bad weather between a controller and its API server: a proxy that answers wrongly, late, or not at all."""

from __future__ import annotations

import asyncio
import enum
import math
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from aiohttp import web

from tests.lab.kube.kubeconfig import kubeconfig_text
from tests.lab.kube.server import free_ports

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.kube.control_plane import ControlPlane

_PASSED_ON = ("Accept", "Authorization", "Content-Type")
_REASONS = {409: "Conflict", 410: "Expired", 429: "TooManyRequests", 500: "InternalError"}
_READY_S = 10


class Of(enum.Enum):
    """What a request is about."""

    WRITE = "a Service's status is written"
    LIST = "Services are listed"
    WATCH = "Services are watched"
    EVENT = "an Event is written"
    OTHER = "anything else"


@dataclass(slots=True)
class Trouble:
    """What happens to requests, and to how many of them at most.

    `status`: they are answered so and not passed on, with `headers`. `late_s`: they are passed on so late.
    `lost`: they are passed on, and the connection breaks before the answer. `cut`: the first line of the watch
    ends in its middle, and so does the connection. `answer`: it is given instead of the server's own. `path`:
    only requests whose path has this in it.
    """

    of: set[Of]
    times: float = math.inf
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    late_s: float = 0.0
    lost: bool = False
    cut: bool = False
    answer: Any = None
    path: str = ""
    happened: int = 0

    def strikes(self, of: Of, path: str) -> bool:
        """Tell whether a request is hit; counts it if so."""
        hit = of in self.of and self.path in path and self.happened < self.times
        self.happened += hit
        return hit


class Weather:
    """A plain HTTP server on the loopback in front of an API server, in a thread of its own."""

    def __init__(self, api: ControlPlane) -> None:
        self._api = api
        (self.port,) = free_ports(1)
        self.troubles: list[Trouble] = []
        """What goes wrong now; the first that strikes a request is what happens to it."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="weather")
        self._ready = threading.Event()
        self._over: asyncio.Event
        self._watches: dict[int, web.Request] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(_READY_S):
            raise TimeoutError("the proxy does not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def brings(self, *of: Of, **trouble: Any) -> Trouble:
        """Let something go wrong from now on."""
        made = Trouble(set(of), **trouble)
        self.troubles.append(made)
        return made

    def breaks_watches(self) -> None:
        """Break the connections of all watches of Services that are under way."""
        for request in tuple(self._watches.values()):
            self._loop.call_soon_threadsafe(_break, request)

    def kubeconfig(self, token: str) -> Path:
        """Write a kubeconfig that leads through the weather."""
        path = self._api.directory / f"weather-{self.port}"
        path.write_text(kubeconfig_text(f"http://127.0.0.1:{self.port}", self._api.ca, token=token), encoding="utf-8")
        return path

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        context = ssl.create_default_context(cafile=str(self._api.ca))
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
            self._session = session
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", self._pass)
            runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            self._ready.set()
            await self._over.wait()
            await runner.cleanup()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        of = _about(request)
        trouble = next((found for found in list(self.troubles) if found.strikes(of, request.path)), Trouble(set()))
        if trouble.status:
            status = {
                "kind": "Status",
                "code": trouble.status,
                "reason": _REASONS[trouble.status],
                "message": "weather",
            }
            return web.json_response(status, status=trouble.status, headers=trouble.headers)
        if trouble.answer is not None:
            return web.json_response(trouble.answer)
        await asyncio.sleep(trouble.late_s)
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        body = await request.read()
        url = f"{self._api.url}{request.path_qs}"
        if of is Of.WATCH:
            self._watches[id(request)] = request
        try:
            async with self._session.request(request.method, url, headers=headers, data=body) as answer:
                if trouble.lost:
                    await answer.read()
                    _break(request)
                return await _stream(request, answer, cut=trouble.cut)
        finally:
            self._watches.pop(id(request), None)


async def _stream(request: web.Request, answer: aiohttp.ClientResponse, *, cut: bool) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
    await response.prepare(request)
    async for line in answer.content:
        await response.write(line[: len(line) // 2] if cut else line)
        if cut:
            _break(request)
            return response
    await response.write_eof()
    return response


def _break(request: web.Request) -> None:
    if request.transport:
        request.transport.close()


def _about(request: web.Request) -> Of:
    if request.path == "/api/v1/services":
        return Of.WATCH if "watch" in request.query else Of.LIST
    if request.path.endswith("/status") and request.method in {"PATCH", "PUT"}:
        return Of.WRITE
    return Of.EVENT if "/events" in request.path else Of.OTHER


def gone_line() -> Any:
    """Give the event by which a watch says that it cannot go on."""
    return {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "weather"}}
