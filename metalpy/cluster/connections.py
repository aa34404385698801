"""TCP connections to an API server that notice when it went without a goodbye.

A node of the control plane that lost its power, or a route to it that is gone, sends nothing: a watch would wait for
news from there until its time is over, minutes later, though the same address leads to another server by now.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any
from weakref import WeakSet

QUIET_S, AGAIN_S, TRIES = 20, 5, 4
"""A connection that is quiet for so long is asked whether the other end is there, and again, so many times."""
DEAD_S = QUIET_S + AGAIN_S * TRIES
"""Without an answer for so long, to that or to what was sent, it is broken."""

_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, QUIET_S),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, AGAIN_S),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, TRIES),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * DEAD_S),
)
"""`tcp(7)`."""

_LOOK_S = 0.01
"""Sockets do not tell that they were closed."""

_AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]


class Connections:
    """Makes such connections, and knows when they are closed."""

    def __init__(self) -> None:
        self._made: WeakSet[socket.socket] = WeakSet()

    def socket_for(self, address: _AddressInfo) -> socket.socket:
        """Make the socket of one, for one of `getaddrinfo`'s results. Raises `OSError`."""
        family, kind, protocol, *_ = address
        made = socket.socket(family, kind, protocol)
        self._made.add(made)
        try:
            for option in _OPTIONS:
                made.setsockopt(*option)
        except OSError:
            made.close()
            raise
        return made

    async def closed(self, limit_s: float) -> None:
        """Wait until none is open, but not for longer than `limit_s` seconds.

        Under TLS one ends some time after it was closed, when the other end has said goodbye too; aiohttp does not
        wait for those that were closed before their session.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while any(each.fileno() >= 0 for each in self._made):  # noqa: ASYNC110 - sockets set no event
                    await asyncio.sleep(_LOOK_S)
