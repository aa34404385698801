"""Tests with real frames; they run inside a sandbox only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import sandbox
from tests.lab.lan import Host, Lan
from tests.lan.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True, scope="session")
def _inside_sandbox() -> None:
    if not sandbox.is_inside():
        pytest.fail("run these inside the sandbox: python -m tests.lab.sandbox pytest tests/lan", pytrace=False)


@pytest.fixture
def lan() -> Iterator[Lan]:
    """An empty LAN."""
    with Lan() as result:
        yield result


@pytest.fixture
def host(lan: Lan) -> Host:
    """The host that announces: 192.168.1.1, MAC 0a:00:00:00:00:01."""
    return lan.host("node1")


@pytest.fixture
def node(host: Host, tmp_path: Path) -> Iterator[Node]:
    """An announcer on that host, on all interfaces that can; at the end of a test it must end without a word."""
    result = Node(host, tmp_path / "logs")
    assert result.first == "ready"
    yield result
    if result.process.poll() is None:
        status, logs = result.end()
        assert status == 0, logs
        assert "Warning" not in logs
        assert "Traceback" not in logs


@pytest.fixture
def quick(host: Host, tmp_path: Path) -> Node:
    """An announcer whose rounds follow each other at 20 ms."""
    return Node(host, tmp_path / "quick", "--interval", "0.02")


@pytest.fixture
def client(lan: Lan, host: Host) -> Host:
    """A neighbour: 192.168.1.2, MAC 0a:00:00:00:00:02; its kernel gives up on an address soon."""
    result = lan.host("client")
    assert result.mac != host.mac
    result.sysctl("net/ipv4/neigh/eth0/retrans_time_ms", "100")
    return result
