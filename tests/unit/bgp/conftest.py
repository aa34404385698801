"""A gobgpd that is none, once of each version."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.bgp.fake_gobgpd import FakeGobgpd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose name is short enough for sockets in it."""
    # A guard that comes too late to find its speaker may leave its lock there while the directory is removed.
    with tempfile.TemporaryDirectory(prefix="bgp-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(params=[4, 3], ids=["gobgpd4", "gobgpd3"])
async def fake(request: pytest.FixtureRequest, short: Path) -> AsyncIterator[FakeGobgpd]:
    async with FakeGobgpd(short, request.param) as result:
        yield result
