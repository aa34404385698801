"""What every daemon needs to be a program: metrics and health over HTTP, signals, and how it ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector

from metalpy import __version__
from metalpy.errors import MetalpyError
from metalpy.observe import http
from metalpy.observe.metrics import ApiMetrics, ClientMetrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metalpy.daemon.settings import HTTPSettings

FAILED = 1
"""Exit status when a daemon cannot start or go on."""

_log = structlog.get_logger()


class Observed:
    """What an operator sees of this process: one page of metrics, one readiness."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.page = http.Page(self.registry)
        self.readiness = http.Readiness()
        self.client = ClientMetrics(self.registry)
        self.api = ApiMetrics(self.registry)
        self.is_asked_to_end = False
        """Whether the program ends because somebody wants it to, not because it failed."""


Program = Callable[[Observed], Coroutine[Any, Any, None]]
"""A daemon that works until it is cancelled; raises `MetalpyError` if it cannot."""


async def serve(port: HTTPSettings, *programs: Program) -> int:
    """Run daemons in one process until a signal ends them. Gives the process's exit status.

    They share one page of metrics, so an object that two of them read counts twice there.
    """
    seen = Observed()
    status = 0
    _log.info("metalpy starting", op="startup", version=__version__)
    try:
        async with http.serving(seen.page, seen.readiness, port.host, port.port), asyncio.TaskGroup() as tasks:
            _end_on_signal([tasks.create_task(program(seen)) for program in programs], seen)
    except* MetalpyError as errors:
        for error in _flat(errors):
            _log.error(str(error), op="startup")
        status = FAILED
    return status


def _flat(error: BaseException) -> Iterator[BaseException]:
    """Give the errors in a group of groups of errors."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _flat(inner)
    else:
        yield error


def _end_on_signal(tasks: Sequence[asyncio.Task[None]], seen: Observed) -> None:
    """Cancel the tasks when the process is asked to end; cancelled tasks end their group quietly."""

    def end(number: signal.Signals) -> None:
        _log.info("shutting down", op="shutdown", signal=number.name)
        seen.is_asked_to_end = True
        for task in tasks:
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
