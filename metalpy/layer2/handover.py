"""How a reply process whose speaker died makes way for that of the next speaker on the same node.

The orphan listens on an abstract Unix socket (`unix(7)`). Such names belong to the network namespace, just as the
packet sockets do: no directory is needed, nothing is left behind by a crash, and two hosts of a test never meet.
The successor connects once it answers for all that its speaker announces, and reads the end of the stream: the
kernel closes the orphan's side after its last thread has gone, so from then on one process answers. A process that
still has its speaker does not listen, hence is never sent away.

Whoever shares the network namespace can see the name, so both sides check that the other is of the same user.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time

SUCCESSION_LIMIT_S = 1.0
"""Longest wait for an orphan to go; one that does not is limited by its own time."""

_CREDENTIALS = struct.Struct("@iII")
"""`struct ucred`: process, user, group."""


def wait_for_successor(instance: str, limit_s: float) -> None:
    """Return when a successor asks, after `limit_s` seconds at the latest, or at once if another orphan waits."""
    deadline_s = time.monotonic() + limit_s
    with _open() as listener, contextlib.suppress(OSError):  # the name is taken, or the time is over
        listener.bind(_name(instance))
        listener.listen()
        while (left_s := deadline_s - time.monotonic()) > 0:
            listener.settimeout(left_s)
            asking, _ = listener.accept()
            if _is_ours(asking):
                # Left open: what tells the successor that we have gone is the end of this process.
                asking.detach()
                return
            asking.close()


def take_over(instance: str) -> None:
    """Let the orphan of an earlier speaker go, if there is one, and return when it has gone."""
    with _open() as successor, contextlib.suppress(OSError):  # nobody there, or the time is over
        successor.settimeout(SUCCESSION_LIMIT_S)
        successor.connect(_name(instance))
        if _is_ours(successor):
            successor.recv(1)


def _open() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _name(instance: str) -> bytes:
    return b"\0metalpy-layer2/" + instance.encode()


def _is_ours(peer: socket.socket) -> bool:
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return bool(_CREDENTIALS.unpack(credentials)[1] == os.getuid())
