"""The daemons' HTTP port: `/metrics` for Prometheus, `/healthz` and `/readyz` for who watches the process.

Both health pages are answered by the loop that does the work: a stuck one answers neither.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from metalpy.observe.metrics import exposition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from prometheus_client import CollectorRegistry

_log = structlog.get_logger()


class Page:
    """The metrics page: a registry, and what has to be asked for figures before each scrape."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._sources: list[Callable[[], Awaitable[None]]] = []

    def asks(self, source: Callable[[], Awaitable[None]]) -> None:
        """Have `source` bring its figures up to date before each scrape."""
        self._sources.append(source)

    async def text(self) -> bytes:
        """Write the page."""
        for source in self._sources:
            await source()
        return exposition(self.registry)


class Readiness:
    """What a daemon still waits for before it is of use; a standby that waits to lead waits for nothing."""

    def __init__(self) -> None:
        self._conditions: dict[str, Callable[[], bool]] = {}

    def waits_for(self, what: str, holds: Callable[[], bool]) -> None:
        """Add a condition; `what` names it to whoever asks."""
        self._conditions[what] = holds

    def missing(self) -> list[str]:
        """Name the conditions that do not hold."""
        return [what for what, holds in self._conditions.items() if not holds()]


@asynccontextmanager
async def serving(page: Page, readiness: Readiness, host: str, port: int) -> AsyncIterator[None]:
    """Serve inside the block. A port that cannot be had costs the metrics, not the service: one log line."""

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=await page.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthy(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_request: web.Request) -> web.Response:
        missing = readiness.missing()
        text = "".join(f"not yet: {what}\n" for what in missing) or "ok\n"
        return web.Response(status=web.HTTPServiceUnavailable.status_code if missing else 200, text=text)

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthy), web.get("/readyz", ready)])
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
