"""TCP connections to an API server that notice when it went without a goodbye.

A node of the control plane that lost its power, or a route to it that is gone, sends nothing: a watch would wait for
news from there until its time is over, minutes later, though the same address leads to another server by now.
"""

from __future__ import annotations

import socket
from typing import Any

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

_AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]


def watchful_socket(address: _AddressInfo) -> socket.socket:
    """Make a socket for one of `getaddrinfo`'s results. Raises `OSError`."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    try:
        for option in _OPTIONS:
            made.setsockopt(*option)
    except OSError:
        made.close()
        raise
    return made
