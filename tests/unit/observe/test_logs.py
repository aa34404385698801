"""Log lines have the reference's shape: what reads MetalLB's logs reads these."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging, structlog
from metalpy.observe import logs
logs.configure({level!r})
log = structlog.get_logger()
log.info("service has IP, announcing", event_name="serviceAnnounced", service="default/nginx", ips=("a", "b"))
log.debug("not at info")
log.warning("doubtful <&>")
logging.getLogger("library").warning("from %s", "outside")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("broke")
"""


def lines(level: str = "info") -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(level=level)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_line_is_one_json_object_with_the_reference_keys_in_order() -> None:
    first = lines()[0]

    assert list(first) == ["caller", "event", "ips", "level", "msg", "service", "ts"]
    assert first["event"] == "serviceAnnounced"
    assert first["msg"] == "service has IP, announcing"
    assert first["ips"] == ["a", "b"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", str(first["ts"]))
    assert re.fullmatch(r"<string>:\d+|\S+\.py:\d+", str(first["caller"]))


def test_level_decides_what_is_written() -> None:
    assert [line["level"] for line in lines("info")] == ["info", "warn", "warn", "error"]
    assert [line["level"] for line in lines("debug")] == ["info", "debug", "warn", "warn", "error"]
    assert [line["level"] for line in lines("error")] == ["error"]
    assert lines("none") == []


def test_libraries_write_the_same_lines() -> None:
    assert {"component": "library", "msg": "from outside"}.items() <= lines()[2].items()


def test_traceback_stays_on_the_line() -> None:
    assert "ZeroDivisionError" in str(lines()[3]["exception"])


UNWELCOME = """
import structlog
from metalpy.observe import logs
logs.configure("info")
for text in ("first", "second", "ö \\ud800 \\udcff"):
    structlog.get_logger().info(text)
with open(2, "w") as error:
    error.write("still here")
"""


def test_full_disk_and_a_reader_that_is_gone_end_no_daemon() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with Path("/dev/full").open("w") as full, os.fdopen(writer, "w") as unread:
        for out in (full, unread):
            done = subprocess.run(
                [sys.executable, "-c", UNWELCOME], stdout=out, stderr=subprocess.PIPE, text=True, check=False
            )
            assert done.stderr.startswith("still here")


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict"])
def test_text_that_cannot_be_encoded_is_written_otherwise(encoding: str) -> None:
    """Names of files are bytes, and JSON may name half a character."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", UNWELCOME], capture_output=True, check=True, env=environment)

    assert json.loads(done.stdout.splitlines()[2])["msg"] == "ö \ud800 \udcff"


CLUMSY = """
import logging
from metalpy.observe import logs
logs.configure("info")
library = logging.getLogger("library")
library.warning("%d", "no number")
library.log(logging.WARNING + 5, "between %s", "levels")
"""


def test_library_that_logs_what_cannot_be_said_is_not_disturbed() -> None:
    done = subprocess.run([sys.executable, "-c", CLUMSY], capture_output=True, text=True, check=True)

    assert "no number" in done.stderr
    (line,) = map(json.loads, done.stdout.splitlines())
    assert (line["level"], line["msg"]) == ("warn", "between levels")
