"""The daemons' HTTP port: `/metrics` for Prometheus, `/healthz` and `/readyz` for who watches the process.

Both health pages are answered by the loop that does the work: a stuck one answers neither.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

DEFAULT_PORT = 7472

_log = structlog.get_logger()


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
async def serving(registry: CollectorRegistry, readiness: Readiness, host: str, port: int) -> AsyncIterator[None]:
    """Serve inside the block. A port that cannot be had costs the metrics, not the service: one log line."""

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

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
