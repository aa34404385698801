"""Connections are waited for until they are closed, and not for ever."""

from __future__ import annotations

import asyncio
import socket

from metalpy.cluster.connections import Connections

ADDRESS = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 6443))
LONG_S, SHORT_S = 60, 0.05


async def test_end_of_the_last_connection_is_waited_for() -> None:
    connections = Connections()
    first, last = connections.socket_for(ADDRESS), connections.socket_for(ADDRESS)
    waiting = asyncio.create_task(connections.closed(LONG_S))
    first.close()
    assert not (await asyncio.wait((waiting,), timeout=SHORT_S))[0]

    last.close()
    await waiting


async def test_connection_that_stays_is_not_waited_for_longer_than_that() -> None:
    connections = Connections()
    with connections.socket_for(ADDRESS) as stays:
        await connections.closed(SHORT_S)
        assert stays.fileno() >= 0


async def test_no_connection_is_nothing_to_wait_for() -> None:
    await Connections().closed(LONG_S)
