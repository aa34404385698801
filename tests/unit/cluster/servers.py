"""A server in the place of an API server, for what a session does about connections and credentials."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

LOOPBACK = "127.0.0.1"


class Server:
    """Answers `/version` and takes down who asked; of a watch it sends the head only, and `line` if there is one.

    Who asked is a token, or else the name in a certificate, or else empty.
    """

    def __init__(self) -> None:
        self.answered: list[str] = []
        self.refused = ""
        self.line = b""
        self.port = 0
        self.is_watched = asyncio.Event()
        self._ends = asyncio.Event()

    async def version(self, request: web.Request) -> web.Response:
        who = request.headers.get("Authorization", "") or _name_in_certificate(request)
        if self.refused and who == self.refused:
            return web.json_response({"reason": "Unauthorized", "message": "Unauthorized"}, status=401)
        self.answered.append(who)
        return web.json_response({"major": "1"})

    async def watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        self.is_watched.set()
        await response.write(self.line)
        await self._ends.wait()
        return response

    async def elsewhere(self, request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]), headers={"Location": "/version"})

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        """Listen on the loopback, always on the same port."""
        app = web.Application()
        app.add_routes([web.get("/version", self.version), web.get("/watch", self.watch)])
        app.add_routes([web.route("*", "/elsewhere/{status}", self.elsewhere)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, LOOPBACK, self.port, ssl_context=tls, reuse_address=True).start()
        self.port = runner.addresses[0][1]
        try:
            yield
        finally:
            self._ends.set()
            await runner.cleanup()


def _name_in_certificate(request: web.Request) -> str:
    certificate = (request.transport and request.transport.get_extra_info("peercert")) or {}
    return "".join(value for ((field, value),) in certificate.get("subject", ()) if field == "commonName")
