"""The daemons' HTTP port: `/metrics` for Prometheus, `/healthz` for whoever keeps the process alive."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DEFAULT_PORT = 7472

_log = structlog.get_logger()


@asynccontextmanager
async def serving(registry: CollectorRegistry, host: str, port: int) -> AsyncIterator[None]:
    """Serve inside the block. A port that cannot be had costs the metrics, not the service: one log line."""

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthy(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthy)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host or None, port).start()
    except OSError as error:
        where = f"{host or '*'}:{port}"
        _log.error("cannot serve metrics, going on without", op="listenAndServe", address=where, error=str(error))
    try:
        yield
    finally:
        await runner.cleanup()
