"""How a leader holds on to its Lease."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.aio.client import ApiException
from kubernetes.aio.leaderelection.electionconfig import Config

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
