"""A port: a packet socket on one interface, and the loop that answers there. The reply path itself."""

from __future__ import annotations

import errno
import socket
import struct
from typing import TYPE_CHECKING

from metalpy.layer2 import arp, ndp, packet_filter
from metalpy.layer2.control import Protocol
from metalpy.layer2.groups import Groups

if TYPE_CHECKING:
    from metalpy.layer2.packet_filter import Near

Table = dict[bytes, list[int]]
"""Packed address to its counters: requests received, responses sent, unasked frames sent."""

_SO_ATTACH_FILTER = 26
_WAKE_UP_S = 1
"""How often a quiet thread looks whether its interface was closed; it never answers after that in any case."""


def packet_socket(index: int, ethertype: int, program: bytes) -> socket.socket:
    """Open a socket for frames that pass the program, and no other. Raises `OSError`."""
    # Protocol 0: the socket receives nothing before the filter is in place and bind() names the protocol.
    result = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        let_through(result, program)
        result.bind((socket.if_indextoname(index), ethertype))
    except OSError:
        result.close()
        raise
    return result


def let_through(wire: socket.socket, program: bytes) -> None:
    """Replace the kernel's filter, in one step. Raises `OSError`."""
    option, memory = packet_filter.socket_option(program)
    wire.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)
    del memory  # the kernel has its copy


class Port:
    """What ports of both protocols have in common."""

    protocol: Protocol
    ethertype: int

    def __init__(self, index: int, mac: bytes, table: Table, near: Near) -> None:
        self.index = index
        self.mac = mac
        self.is_open = True
        self._table = table
        self.here: Table = {}
        """What is answered for here and not everywhere; to be set before `answer`, which looks in `table` first."""
        self._socket = packet_socket(index, self.ethertype, self._program(near))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", _WAKE_UP_S, 0))

    def let_through(self, near: Near) -> None:
        """Replace the kernel's filter. Raises `OSError` if the port has just been closed."""
        let_through(self._socket, self._program(near))

    def send(self, frame: bytes) -> None:
        """Put a frame on the wire as it is. Raises `OSError`."""
        self._socket.send(frame)

    def close(self) -> None:
        """Answer nothing from now on; the loop ends soon."""
        self.is_open = False

    def answer(self) -> int:
        """Answer requests until closed (0), or until the interface fails: its errno."""
        with self._socket:
            while self.is_open:
                try:
                    self._answer()
                except BlockingIOError:  # a quiet second
                    continue
                except OSError as error:
                    if error.errno != errno.ENOBUFS:  # a full queue loses this answer only; the client asks again
                        self.is_open = False
                        return error.errno or errno.EIO
        return 0

    def _program(self, near: Near) -> bytes:
        raise NotImplementedError

    def _answer(self) -> None:
        """Answer until closed. Raises `OSError`, to be called again if that passes."""
        raise NotImplementedError


class ARPPort(Port):
    """Answers ARP requests (RFC 826)."""

    protocol = Protocol.ARP
    ethertype = arp.ETHERTYPE_ARP

    def _program(self, near: Near) -> bytes:
        return packet_filter.arp_requests(self.mac, near)

    def _answer(self) -> None:
        request = bytearray(arp.ARP_LENGTH)
        reply = bytearray(arp.FRAME_LENGTH)
        reply[arp.SENDER_MAC] = reply[6:12] = self.mac
        reply[12:20] = arp.HEADER
        reply[arp.OPERATION] = arp.OP_REPLY.to_bytes(2, "big")
        # Names of this function: the loop runs through them for each request.
        destination, target, target_ip = arp.DESTINATION, arp.TARGET, arp.TARGET_IP
        sender, sender_mac, sender_ip = arp.SENDER, arp.SENDER_MAC, arp.SENDER_IP
        receive, send, find, find_here = self._socket.recv_into, self._socket.send, self._table.get, self.here.get
        while self.is_open:
            receive(request)
            address = bytes(request[target_ip])
            counts = find(address)
            if (counts is None and (counts := find_here(address)) is None) or not self.is_open:
                continue
            counts[0] += 1
            # Who asks is what the ARP packet says, not the Ethernet header: as the reference has it.
            reply[destination] = request[sender_mac]
            reply[target] = request[sender]
            reply[sender_ip] = address
            send(reply)
            counts[1] += 1


class NDPPort(Port):
    """Answers neighbour solicitations (RFC 4861), to many and to this host, and is in the groups of the addresses."""

    protocol = Protocol.NDP
    ethertype = ndp.ETHERTYPE_IPV6

    def __init__(self, index: int, mac: bytes, link_local: bytes, table: Table, near: Near) -> None:
        super().__init__(index, mac, table, near)
        self._link_local = link_local
        self.groups = Groups(index)

    def close(self) -> None:
        """Answer nothing from now on, and leave the groups."""
        super().close()
        self.groups.close()

    def _program(self, near: Near) -> bytes:
        return packet_filter.solicitations(near)

    def _answer(self) -> None:
        request = bytearray(ndp.LONGEST)
        solicited = ndp.Advertisement.solicited(self.mac, self._link_local).fill
        defence = ndp.Advertisement.defence(self.mac, self._link_local).fill
        target, source, asker, everybody = ndp.TARGET, ndp.SOURCE, ndp.asker, ndp.ALL_NODES_MAC
        receive, send, find, find_here = self._socket.recv_into, self._socket.send, self._table.get, self.here.get
        while self.is_open:
            length = receive(request)
            address = bytes(request[target])
            counts = find(address)
            if counts is None and (counts := find_here(address)) is None:
                continue
            if (mac := asker(request, length)) is None or not self.is_open:
                continue
            counts[0] += 1
            if mac is everybody:
                send(defence(mac, ndp.ALL_NODES, address))
            else:
                send(solicited(mac, request[source], address))
            counts[1] += 1
