"""The reply process stays small."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = "asyncio scapy structlog pyroute2 pydantic kubernetes logging dataclasses inspect ipaddress"


@pytest.fixture(scope="module")
def modules() -> set[str]:
    # Without the site module, which loads whatever else is installed asks for; the path is given instead.
    program = "import sys; sys.path[:] = sys.argv[1:]; import metalpy.layer2.responder; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, *sys.path], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("name", HEAVY.split())
def test_reply_process_does_not_import(name: str, modules: set[str]) -> None:
    assert name not in modules


def test_reply_process_imports_few_modules(modules: set[str]) -> None:
    assert len(modules) < 85
