"""A gobgpd of our own, played by a shell script."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from metalpy.bgp import embedded
from metalpy.bgp.embedded import EmbeddedGobgpd
from metalpy.errors import RouterError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def program(short: Path) -> Path:
    script = short / "gobgpd"
    script.write_text('#!/bin/sh\n[ "$1" != --version ] || exec echo gobgpd version 4.8.0\nexec sleep 60\n', "ascii")
    script.chmod(0o700)
    return script


async def guarded(home: Path, gobgpd: EmbeddedGobgpd) -> None:
    """Wait until the guard that this one holds is the one that there is."""
    lock = home / "guard.lock"
    async with asyncio.timeout(20):
        while not lock.exists() or lock.read_text("ascii") != str(gobgpd.pid):  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.01)


async def test_directory_is_one_speaker_s_at_a_time(
    short: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_TAKE_OVER_S", 0.1)
    first, second = (EmbeddedGobgpd(program, short / "home") for _ in range(2))
    await first.start(print)
    try:
        with pytest.raises(RouterError, match=f"{short}/home: another speaker uses it"):
            await second.start(print)
        await guarded(short / "home", first)
        first.leave()
        await second.start(print)
        assert second.pid == first.pid
    finally:
        await second.end()
        second.leave()
    assert (short / "home").stat().st_mode & 0o777 == 0o700


async def test_guard_of_the_speaker_before_that_was_just_starting_is_found(short: Path, program: Path) -> None:
    first, second = (EmbeddedGobgpd(program, short / "home") for _ in range(2))
    await first.start(print)
    first.leave()  # its guard has not come to take its lock yet
    await second.start(print)
    try:
        if second.pid != first.pid:
            keeping = asyncio.create_task(second.keep())
            await guarded(short / "home", second)
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
    finally:
        await second.end()
        second.leave()


async def test_path_that_no_socket_can_have_is_named(short: Path, program: Path) -> None:
    with pytest.raises(RouterError, match="too long a path for a Unix socket"):
        await EmbeddedGobgpd(program, short / ("x" * 100)).start(print)
