"""How a leader holds on to its Lease."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from kubernetes.aio.client import ApiException
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord

from metalpy.cluster import leadership


class Lock:
    """A Lease on a server that is there or not, as told for each try."""

    name, namespace, identity = "metalpy-controller", "metallb-system", "me"

    def __init__(self, *is_there: bool) -> None:
        self._is_there = list(is_there)

    async def get(self, _name: str, _namespace: str) -> tuple[bool, Any]:
        return (True, None) if self._is_there.pop(0) else (False, ApiException(status=0, reason="refused"))

    async def update(self, *_: object) -> bool:
        return True


class EndError(Exception):
    """Ends a loop that has no end."""


async def waits(monkeypatch: pytest.MonkeyPatch, *is_there: bool) -> list[float]:
    """Renew a Lease, and list the seconds between the tries, and after the last."""
    found: list[float] = []

    async def slept(seconds: float) -> None:
        found.append(seconds)
        if len(found) == len(is_there):
            raise EndError

    monkeypatch.setattr("asyncio.sleep", slept)
    config = Config(Lock(*is_there), 15, 10, 2, onstarted_leading=lambda: None, onstopped_leading=None)
    with pytest.raises(EndError):
        await leadership._Election(config).renew_loop()
    return found


async def test_lease_is_renewed_once_a_period(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await waits(monkeypatch, True, True) == [2, 2]


async def test_renewal_that_failed_is_tried_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await waits(monkeypatch, True, False, False, True) == [2, 0.5, 0.5, 2]


class SharedLock:
    """A Lease that several know."""

    name, namespace = "metalpy-controller", "metallb-system"
    record: LeaderElectionRecord | None = None

    def __init__(self, identity: str) -> None:
        self.identity = identity

    async def get(self, _name: str, _namespace: str) -> tuple[bool, LeaderElectionRecord | None]:
        return True, SharedLock.record

    async def update(self, _name: str, _namespace: str, record: LeaderElectionRecord) -> bool:
        SharedLock.record = record
        return True


def candidate(identity: str) -> leadership._Election:
    return leadership._Election(Config(SharedLock(identity), 15, 10, 2, lambda: None, None))


class Clocks:
    """The wall's clock, which can be set, and the one that only goes on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.jumped_s = self.passed_s = 0.0
        wall, monotonic = time.time, time.monotonic
        monkeypatch.setattr("time.time", lambda: wall() + self.jumped_s + self.passed_s)
        monkeypatch.setattr("time.monotonic", lambda: monotonic() + self.passed_s)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    monkeypatch.setattr(SharedLock, "record", None)
    return Clocks(monkeypatch)


async def test_clock_that_is_set_ahead_makes_nobody_take_a_lease_that_is_held(clocks: Clocks) -> None:
    leader, standby = candidate("a"), candidate("b")
    assert await leader.try_acquire_or_renew()
    assert not await standby.try_acquire_or_renew()

    clocks.jumped_s += 3600
    assert not await standby.try_acquire_or_renew()
    clocks.passed_s += 16
    assert await standby.try_acquire_or_renew()


async def test_clock_that_is_set_back_does_not_make_a_dead_leader_live_longer(clocks: Clocks) -> None:
    leader, standby = candidate("a"), candidate("b")
    assert await leader.try_acquire_or_renew()
    assert not await standby.try_acquire_or_renew()

    clocks.jumped_s -= 3600
    clocks.passed_s += 16
    assert await standby.try_acquire_or_renew()


async def test_leader_that_sees_another_one_stops_at_once(clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
    leader, thief = candidate("a"), candidate("b")
    assert await leader.try_acquire_or_renew()

    async def slept(seconds: float) -> None:
        clocks.passed_s += seconds
        await thief.update_lock(LeaderElectionRecord("b", "15", "2026-01-01", "2026-01-01"))

    monkeypatch.setattr("asyncio.sleep", slept)
    await leader.renew_loop()
    assert clocks.passed_s == 2


class SilentLock(Lock):
    """A Lease on a server that takes requests and answers none after the first; counts them."""

    def __init__(self) -> None:
        super().__init__(True)
        self.asked = 0

    async def get(self, name: str, namespace: str) -> tuple[bool, Any]:
        self.asked += 1
        if self.asked > 1:
            await asyncio.Event().wait()
        return await super().get(name, namespace)


def hasty(lock: Lock) -> Config:
    """Make a configuration with times shorter than the client lets one ask for."""
    config = Config(lock, 15, 10, 2, onstarted_leading=lambda: None, onstopped_leading=None)
    config.renew_deadline, config.retry_period = 2, 0.05
    return config


async def test_leadership_ends_in_time_before_a_server_that_does_not_answer() -> None:
    lock = SilentLock()
    async with asyncio.timeout(10):
        await leadership._Election(hasty(lock)).renew_loop()

    assert lock.asked > 2, "a request that hangs must leave time for another"


async def test_standby_asks_again_when_the_server_does_not_answer() -> None:
    election = leadership._Election(hasty(SilentLock()))
    assert await election.try_acquire_or_renew()

    async with asyncio.timeout(10):
        assert not await election.try_acquire_or_renew()
