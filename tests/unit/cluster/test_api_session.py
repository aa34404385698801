"""Connections and credentials towards an API server: what a session does when either is not as it should be."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from metalpy.cluster.api_session import ApiSession
from metalpy.cluster.connections import DEAD_S
from metalpy.cluster.traffic import Uncounted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_TCP = Path("/proc/self/net/tcp")
_ESTABLISHED, _KEEPALIVE_TIMER = "01", "02"


class Server:
    """Answers `/version` and takes down who asked; of a watch it sends the head only."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.port = 0
        self.is_watched = asyncio.Event()
        self._ends = asyncio.Event()

    async def version(self, request: web.Request) -> web.Response:
        self.tokens.append(request.headers.get("Authorization", ""))
        return web.json_response({"major": "1"})

    async def watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        self.is_watched.set()
        await self._ends.wait()
        return response

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application()
        app.add_routes([web.get("/version", self.version), web.get("/watch", self.watch)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        try:
            yield
        finally:
            self._ends.set()
            await runner.cleanup()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    async with made.serving():
        yield made


def kubeconfig(directory: Path, server: str, *, cluster: str = "", user: str = "") -> Path:
    path = directory / "kubeconfig"
    path.write_text(
        "current-context: a\n"
        "contexts: [{name: a, context: {cluster: a, user: a}}]\n"
        f'clusters: [{{name: a, cluster: {{server: "{server}"{cluster}}}}}]\n'
        f"users: [{{name: a, user: {{{user}}}}}]\n"
    )
    return path


def timers(port: int) -> list[tuple[str, float]]:
    """Give the timer of each connection to a port (proc(5)): which one, and in how many seconds it is due."""
    hertz = os.sysconf("SC_CLK_TCK")
    rows = [line.split() for line in _TCP.read_text().splitlines()[1:]]
    there = [row for row in rows if int(row[2].rpartition(":")[2], 16) == port and row[3] == _ESTABLISHED]
    return [(row[5].partition(":")[0], int(row[5].partition(":")[2], 16) / hertz) for row in there]


async def test_connection_of_a_quiet_watch_is_asked_soon_whether_the_server_is_there(
    server: Server, tmp_path: Path
) -> None:
    """A node of the control plane that lost its power says no goodbye; the address behind it may serve on elsewhere."""
    path = kubeconfig(tmp_path, f"http://127.0.0.1:{server.port}")
    async with await ApiSession.open(path, Uncounted()) as session:

        async def watch() -> None:
            async for _ in session.stream("/watch", {}):
                pass

        watching = asyncio.create_task(watch())
        async with asyncio.timeout(10):
            await server.is_watched.wait()
        found = timers(server.port)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    ((timer, due_s),) = found
    assert timer == _KEEPALIVE_TIMER
    assert due_s < DEAD_S
