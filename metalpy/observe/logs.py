"""Logs as the reference writes them: one JSON object a line on standard output, keys in alphabetical order.

In the code the positional text is the message and `event_name` is the reference's event word, because structlog
calls the message `event`; on the line they are `msg` and `event`.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from structlog.processors import CallsiteParameter, CallsiteParameterAdder

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

LEVELS = {
    "all": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "none": logging.CRITICAL,
}
"""The values of `--log-level`, and the least severity that each lets through; nothing of ours is critical."""

_NANOSECONDS = "000"
"""Python's clock texts end at microseconds, the reference's at nanoseconds."""


def configure(level: str) -> None:
    """Send everything of at least this level to standard output, the records of libraries included."""
    threshold = LEVELS[level]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            CallsiteParameterAdder([CallsiteParameter.FILENAME, CallsiteParameter.LINENO]),
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            _reference_keys,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    libraries = logging.getLogger()
    libraries.handlers[:] = [_ToStructlog()]
    libraries.setLevel(max(threshold, logging.WARNING))


class _ToStructlog(logging.Handler):
    """Passes the records of libraries on, named by their component."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger().bind(component=record.name)
        log.log(record.levelno, record.getMessage(), exc_info=record.exc_info)


def _reference_keys(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["msg"] = event.pop("event")
    if "event_name" in event:
        event["event"] = event.pop("event_name")
    event["caller"] = f"{event.pop('filename')}:{event.pop('lineno')}"
    event["level"] = {"warning": "warn"}.get(event["level"], event["level"])
    event["ts"] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}{_NANOSECONDS}Z"
    return event


def _render(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    text = json.dumps(event, sort_keys=True, default=_plain, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (tuple, set, frozenset)) else str(value)
