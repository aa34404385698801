"""The reply path: a small process that answers ARP requests (RFC 826) for announced addresses, and does nothing else.

Started by the speaker as `python -m metalpy.layer2.responder FD`, FD being its end of a socket pair (control.py).
In the speaker's own process a busy thread would delay each answer by the interpreter's switch interval: from
57,000 answers a second to a hundred. So it lives alone, imports next to nothing, and is the one process that
needs CAP_NET_RAW. It ends as soon as the speaker's end of the socket pair closes: an orphan never answers.

One thread an interface blocks in `recv`; the main thread blocks on the speaker. A thread touches the shared
table with single dictionary and list operations only, which the interpreter never interrupts in the middle.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import struct
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING

from metalpy.layer2 import packet_filter
from metalpy.layer2.arp import (
    ARP_LENGTH,
    DESTINATION,
    ETHERTYPE_ARP,
    FRAME_LENGTH,
    HEADER,
    OP_REPLY,
    OPERATION,
    SENDER,
    SENDER_IP,
    SENDER_MAC,
    TARGET,
    TARGET_IP,
)
from metalpy.layer2.control import MESSAGE_LIMIT, Kind, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalpy.layer2.control import Row

Table = dict[bytes, list[int]]
"""Packed address to its counters: requests received, responses sent, unasked frames sent."""

_SO_ATTACH_FILTER = 26
_WAKE_UP_S = 1
"""How often a quiet thread looks whether its interface was closed; it never answers after that in any case."""
_SWITCH_INTERVAL_S = 0.0001
"""Longest wait of a reply for the main thread, while that digests a long message."""


class Port:
    """A packet socket on one interface and the thread that answers there."""

    def __init__(self, index: int, mac: bytes, table: Table, near: packet_filter.Near) -> None:
        self.index = index
        self._mac = mac
        self._table = table
        self.is_open = True
        # Protocol 0: the socket receives nothing before the filter is in place and bind() names the protocol.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self.let_through(near)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", _WAKE_UP_S, 0))
            self._socket.bind((socket.if_indextoname(index), ETHERTYPE_ARP))
        except OSError:
            self._socket.close()
            raise

    def let_through(self, near: packet_filter.Near) -> None:
        """Replace the kernel's filter, in one step."""
        option, memory = packet_filter.socket_option(packet_filter.program(self._mac, near))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)
        del memory  # the kernel has its copy

    def send(self, frame: bytes) -> None:
        """Put a frame on the wire as it is."""
        self._socket.send(frame)

    def answer(self) -> int:
        """Answer requests until closed (0), or until the interface fails: its errno."""
        request = bytearray(ARP_LENGTH)
        reply = bytearray(FRAME_LENGTH)
        reply[SENDER_MAC] = reply[6:12] = self._mac
        reply[12:20] = HEADER
        reply[OPERATION] = OP_REPLY.to_bytes(2, "big")
        receive, send, find = self._socket.recv_into, self._socket.send, self._table.get
        with self._socket:
            while self.is_open:
                try:
                    receive(request)
                    address = bytes(request[TARGET_IP])
                    counts = find(address)
                    if counts is None or not self.is_open:
                        continue
                    counts[0] += 1
                    # Who asks is what the ARP packet says, not the Ethernet header: as the reference has it.
                    reply[DESTINATION] = request[SENDER_MAC]
                    reply[TARGET] = request[SENDER]
                    reply[SENDER_IP] = address
                    send(reply)
                    counts[1] += 1
                except BlockingIOError:  # a quiet second
                    continue
                except OSError as error:
                    if error.errno != errno.ENOBUFS:  # a full queue loses this answer only; the client asks again
                        self.is_open = False
                        return error.errno or errno.EIO
        return 0


class Responder:
    """The process: carries out what the speaker says."""

    def __init__(self, speaker: socket.socket) -> None:
        self._speaker = speaker
        self._ports: dict[int, Port] = {}
        self._table: Table = {}
        self._all_counts: Table = {}
        """The counters of withdrawn addresses too: they go on when the address is back."""
        self._near = packet_filter.Near()
        self._sieved = 0
        """How many addresses there were when the filter was last made."""

    def run(self) -> None:
        """Serve until the speaker has gone."""
        try:
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
        except OSError as error:
            self._tell(Kind.DENIED, [(error.errno,)])
            return
        self._tell(Kind.READY)
        while message := self._speaker.recv(MESSAGE_LIMIT):
            kind, rows = decode(message)
            self._obey(kind, rows)

    def _obey(self, kind: Kind, rows: list[Row]) -> None:
        match kind:
            case Kind.OPEN:
                for index, mac in rows:
                    self._open(index, mac)
            case Kind.CLOSE:
                for (index,) in rows:
                    self._close(index)
            case Kind.ADD:
                self._add([address for (address,) in rows])
            case Kind.REMOVE:
                self._remove([address for (address,) in rows])
            case Kind.SEND:
                self._send(rows)
            case Kind.COUNT:
                self._tell(Kind.COUNTS, [(each, *counts) for each, counts in self._all_counts.items() if any(counts)])
            case Kind.SYNC:
                self._tell(Kind.DONE, rows)

    def _open(self, index: int, mac: bytes) -> None:
        self._close(index)
        try:
            self._ports[index] = port = Port(index, mac, self._table, self._near)
        except OSError as error:
            self._tell(Kind.LOST, [(index, error.errno or errno.EIO)])
            return
        threading.Thread(target=self._attend, args=(port,), daemon=True).start()
        self._tell(Kind.OPENED, [(index,)])

    def _attend(self, port: Port) -> None:
        if failure := port.answer():
            self._tell(Kind.LOST, [(port.index, failure)])

    def _close(self, index: int) -> None:
        if port := self._ports.pop(index, None):
            port.is_open = False

    def _add(self, addresses: list[bytes]) -> None:
        for address in addresses:
            self._table[address] = self._all_counts.setdefault(address, [0, 0, 0])
        if not all(map(self._near.covers, addresses)):
            self._sieve()

    def _remove(self, addresses: list[bytes]) -> None:
        for address in addresses:
            self._table.pop(address, None)
        if len(self._table) * 2 <= self._sieved:  # too wide a filter only costs time: no haste
            self._sieve()

    def _sieve(self) -> None:
        self._near = packet_filter.near(self._table)
        self._sieved = len(self._table)
        for port in self._ports.values():
            with contextlib.suppress(OSError):  # its thread has just closed it
                port.let_through(self._near)

    def _send(self, rows: list[Row]) -> None:
        unsent: Counter[tuple[int, int]] = Counter()
        for index, frame in rows:
            if not (port := self._ports.get(index)):
                unsent[index, errno.ENODEV] += 1
                continue
            try:
                port.send(frame)
            except OSError as error:
                unsent[index, error.errno or errno.EIO] += 1
            else:
                if counts := self._all_counts.get(frame[SENDER_IP]):
                    counts[2] += 1
        self._tell(Kind.UNSENT, [(index, code, many) for (index, code), many in unsent.items()])

    def _tell(self, kind: Kind, rows: Iterable[Row] = ()) -> None:
        for message in encode(kind, rows):
            self._speaker.send(message)


def main() -> None:
    """Run as the process that the speaker started, its end of the socket pair being the one argument."""
    # Ctrl-C and the like are for the speaker to decide on; when it goes, this goes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    status = 0
    try:
        Responder(socket.socket(fileno=int(sys.argv[1]))).run()
    except (BrokenPipeError, ConnectionResetError):  # the speaker went without a word
        pass
    except Exception:  # noqa: BLE001 - the last stop before the process ends
        sys.excepthook(*sys.exc_info())
        status = 1
    os._exit(status)  # no waiting for threads that are blocked in recv


if __name__ == "__main__":
    main()
