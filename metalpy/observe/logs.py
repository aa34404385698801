"""Logs as the reference writes them: one JSON object a line on standard output, keys in alphabetical order.

In the code the positional text is the message and `event_name` is the reference's event word, because structlog
calls the message `event`; on the line they are `msg` and `event`.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog

if TYPE_CHECKING:
    from types import FrameType

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

_LEVEL_WORDS = {"warning": "warn"}
"""The reference's words where they are not structlog's."""

_UNLESS_IT_CANNOT = contextlib.suppress(OSError, ValueError)
"""A full disk, a broken pipe; a file that is closed. Made once, as each line needs it twice."""

_PASSED_THROUGH = ("structlog", "logging", __name__)
"""Modules between who logs and the line."""


def configure(level: str) -> None:
    """Send everything of at least this level to standard output, the records of libraries included."""
    threshold = LEVELS[level]
    structlog.configure(
        processors=[structlog.processors.format_exc_info, _reference_keys, _render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Output(sys.stdout))),
        cache_logger_on_first_use=True,
    )
    libraries = logging.getLogger()
    libraries.handlers[:] = [_ToStructlog()]
    libraries.setLevel(max(threshold, logging.WARNING))


class _Output:
    """Takes lines for a file, and does not mind if that takes none: whoever reads the log may go.

    JSON is UTF-8 (RFC 8259 section 8.1); what that cannot say, half a character, becomes an escape of JSON's.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        if isinstance(file, io.TextIOWrapper):
            file.reconfigure(encoding="utf-8", errors="backslashreplace")

    def write(self, text: str) -> None:
        with _UNLESS_IT_CANNOT:
            self._file.write(text)

    def flush(self) -> None:
        with _UNLESS_IT_CANNOT:
            self._file.flush()


class _ToStructlog(logging.Handler):
    """Passes the records of libraries on, named by their component."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record; one that cannot be put into words is told on standard error, not raised to who wrote it."""
        log = structlog.get_logger().bind(component=record.name)
        level = max(each for each in (logging.NOTSET, *LEVELS.values()) if each <= record.levelno)
        try:
            log.log(level, record.getMessage(), exc_info=record.exc_info)
        except Exception:  # noqa: BLE001 - as every handler of the standard library does
            self.handleError(record)


def _reference_keys(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event["msg"] = event.pop("event")
    if "event_name" in event:
        event["event"] = event.pop("event_name")
    event["caller"] = _caller()
    event["level"] = _LEVEL_WORDS.get(method, method)
    event["ts"] = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", f"{_NANOSECONDS}Z")
    return event


def _caller() -> str:
    """Name the file and line that logs: one that is neither structlog's, nor logging's, nor of this module.

    structlog's own way to find it takes half of what a line costs, and a controller writes two lines for each Service.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - what structlog does, too
    while frame and frame.f_globals.get("__name__", "").startswith(_PASSED_THROUGH):
        frame = frame.f_back
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}" if frame else "?"


def _render(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return _to_json(event).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (tuple, set, frozenset)) else str(value)


_to_json = json.JSONEncoder(sort_keys=True, default=_plain, ensure_ascii=False, separators=(",", ":")).encode
