"""The multicast groups in which hosts ask for our IPv6 addresses, on one interface.

Joined by IPV6_JOIN_GROUP on sockets that receive nothing. PACKET_ADD_MEMBERSHIP would open the network card's
filter too, but say nothing to the LAN: only this way the kernel sends MLD reports (RFC 3810), without which a
switch that snoops does not forward solicitations to this port.
"""

from __future__ import annotations

import errno
import socket
import struct

_REQUEST = struct.Struct("@16sI")
"""`struct ipv6_mreq`."""


class Groups:
    """The groups joined on an interface. They are left when this is closed, or the process ends."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._sockets: list[socket.socket] = []
        self._joined: dict[bytes, socket.socket] = {}

    def join(self, group: bytes) -> None:
        """Join, if that has not been done. Raises `OSError`."""
        if group in self._joined:
            return
        # The kernel limits the memory of one socket (net.core.optmem_max): 300 groups or so, then it takes another.
        if not self._sockets or not self._join(group):
            self._sockets.append(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
            if not self._join(group):
                raise OSError(errno.ENOBUFS, "no memory for a multicast group")

    def leave(self, group: bytes) -> None:
        """Leave, if joined. An interface that has gone has left all groups anyway."""
        if joined := self._joined.pop(group, None):
            try:
                joined.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP, _REQUEST.pack(group, self._index))
            except OSError:
                return

    def close(self) -> None:
        """Leave all groups."""
        self._joined.clear()
        for each in self._sockets:
            each.close()
        self._sockets.clear()

    def _join(self, group: bytes) -> bool:
        """Join with the newest socket; false if that has no room. Raises `OSError` for anything else."""
        newest = self._sockets[-1]
        try:
            newest.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, _REQUEST.pack(group, self._index))
        except OSError as error:
            if error.errno in {errno.ENOBUFS, errno.ENOMEM}:
                return False
            raise
        self._joined[group] = newest
        return True
