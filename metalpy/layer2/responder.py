"""The reply process: a small process that answers for announced addresses, and does nothing else.

Started by the speaker as `python -m metalpy.layer2.responder FD ORPHAN_MS INSTANCE`, FD being its end of a socket
pair (control.py). In the speaker's own process a busy thread would delay each answer by the interpreter's switch
interval: from 57,000 answers a second to a hundred. So it lives alone, imports next to nothing, and is the one
process that needs CAP_NET_RAW. When the speaker's end of the socket pair closes without a farewell, the speaker
died: this goes on for ORPHAN_MS, or until the next speaker's reply process takes over (handover.py).

One thread a port (ports.py) blocks in `recv`, another waits for claims of other hosts (witness.py); the main thread
blocks on the speaker. A thread touches the shared table with single dictionary and list operations only, which the
interpreter never interrupts in the middle.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING

from metalpy.layer2 import arp, handover, ndp, packet_filter, privileges
from metalpy.layer2.answered import EVERYWHERE, Answered, by_interface, by_protocol
from metalpy.layer2.control import FRAME_LENGTHS, MESSAGE_LIMIT, Kind, Protocol, decode, encode, narrow, wide
from metalpy.layer2.ports import ARPPort, NDPPort, Port
from metalpy.layer2.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalpy.layer2.control import Row

_SWITCH_INTERVAL_S = 0.0001
"""Longest wait of a reply for the main thread, while that digests a long message."""


class Responder:
    """The process: carries out what the speaker says."""

    def __init__(self, speaker: socket.socket, orphan_ms: int = 0, instance: str = "") -> None:
        self._speaker = speaker
        self._orphan_ms = orphan_ms
        self._instance = instance
        self._ports: dict[tuple[Protocol, int], Port] = {}
        self._answered = Answered()
        self._near = dict.fromkeys(Protocol, packet_filter.Near())
        self._sieved = dict.fromkeys(Protocol, 0)
        """How many addresses there were when the filters were last made."""
        self._watched: set[bytes] = set()
        self._witness = Witness(self._answered, self._watched, lambda claims: self._tell(Kind.CLAIMED, claims))

    def run(self) -> None:
        """Serve until the speaker has gone, and for a while after that."""
        privileges.keep_only_net_raw()
        try:  # with what is left
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
        except OSError as error:
            self._tell(Kind.DENIED, [(error.errno,)])
            return
        threading.Thread(target=self._witness.run, daemon=True).start()
        self._tell(Kind.READY)
        while message := self._hear():
            kind, rows = decode(message)
            self._obey(kind, rows)
        if self._answered:
            self._outlive()

    def _hear(self) -> bytes:
        try:
            return self._speaker.recv(MESSAGE_LIMIT)
        except ConnectionResetError:  # the speaker went with messages unread
            return b""

    def _outlive(self) -> None:
        """Go on without a speaker until the next one takes over or the time is up."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nobody else is left who could decide on it
        self._witness.yields = True
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 2)  # whoever reads the speaker's logs sees their end
        handover.wait_for_successor(self._instance, self._orphan_ms / 1000)

    def _obey(self, kind: Kind, rows: list[Row]) -> None:
        match kind:
            case Kind.OPEN:
                for protocol, *port in rows:
                    self._open(Protocol(protocol), *port)
            case Kind.CLOSE:
                for protocol, index in rows:
                    self._close(Protocol(protocol), index)
            case Kind.ADD:
                self._add(rows)
            case Kind.REMOVE:
                self._remove(rows)
            case Kind.WATCH:
                self._watched.update(narrow(address) for (address,) in rows)
                self._widen(self._watched)
            case Kind.UNWATCH:
                self._watched.difference_update(narrow(address) for (address,) in rows)
            case Kind.SEND:
                self._send(rows)
            case Kind.COUNT:
                counted = ((wide(each), *counts) for each, counts in self._answered.counts.items() if any(counts))
                self._tell(Kind.COUNTS, counted)
            case Kind.SYNC:
                self._tell(Kind.DONE, rows)
            case Kind.TAKE_OVER:
                handover.take_over(self._instance)
            case Kind.LINGER:
                ((self._orphan_ms,),) = rows

    def _open(self, protocol: Protocol, index: int, mac: bytes, link_local: bytes) -> None:
        self._close(protocol, index)
        near, everywhere = self._near[protocol], self._answered.table(EVERYWHERE)
        try:
            if protocol is Protocol.ARP:
                port: Port = ARPPort(index, mac, everywhere, near)
            else:
                port = NDPPort(index, mac, link_local, everywhere, near)
        except OSError as error:
            self._tell(Kind.LOST, [(protocol, index, error.errno or errno.EIO)])
            return
        port.here = self._answered.table(index)
        self._ports[protocol, index] = port
        with contextlib.suppress(OSError):  # the port fails likewise, and is opened again
            self._witness.watch(port, near)
        self._join(self._answered.groups(index), port)
        threading.Thread(target=self._attend, args=(port,), daemon=True).start()
        self._tell(Kind.OPENED, [(protocol, index)])

    def _attend(self, port: Port) -> None:
        if failure := port.answer():
            self._tell(Kind.LOST, [(port.protocol, port.index, failure)])

    def _close(self, protocol: Protocol, index: int) -> None:
        if port := self._ports.pop((protocol, index), None):
            port.close()
            self._witness.leave(protocol, index)
            self._forget(index)

    def _forget(self, index: int) -> None:
        """Keep nothing for an interface that has no ports: each pod of a node has one, for a while."""
        if not any(port.index == index for port in self._ports.values()):
            self._answered.forget(index)

    def _add(self, rows: list[Row]) -> None:
        for index, addresses in by_interface(rows).items():
            groups = self._answered.add(index, addresses)
            self._widen(addresses)
            for port in self._ports_at(index):
                self._join(groups, port)

    def _widen(self, addresses: Iterable[bytes]) -> None:
        """Let through what asks for these, or claims them."""
        for protocol, some in by_protocol(addresses).items():
            if not all(map(self._near[protocol].covers, some)):
                self._sieve(protocol)

    def _remove(self, rows: list[Row]) -> None:
        protocols: set[Protocol] = set()
        for index, addresses in by_interface(rows).items():
            gone, groups = self._answered.remove(index, addresses)
            protocols.update(map(Protocol.of, gone))
            for port in self._ports_at(index):
                if isinstance(port, NDPPort):
                    for group in groups - self._answered.groups(port.index):
                        port.groups.leave(group)
            self._forget(index)
        for protocol in protocols:
            many = len(self._answered.addresses(protocol))
            if many * 2 <= self._sieved[protocol]:  # too wide a filter only costs time: no haste
                self._sieve(protocol)

    def _ports_at(self, index: int) -> list[Port]:
        return [port for port in self._ports.values() if index in {EVERYWHERE, port.index}]

    def _join(self, groups: Iterable[bytes], port: Port) -> None:
        """Let a port join these groups, if it speaks NDP; report what fails, as hosts may ask in vain then."""
        if not isinstance(port, NDPPort):
            return
        unjoined: Counter[int] = Counter()
        for group in groups:
            try:
                port.groups.join(group)
            except OSError as error:
                unjoined[error.errno or errno.EIO] += 1
        self._tell(Kind.UNJOINED, [(port.index, code, many) for code, many in unjoined.items()])

    def _sieve(self, protocol: Protocol) -> None:
        addresses = self._answered.addresses(protocol)
        addresses.update(address for address in self._watched if Protocol.of(address) is protocol)
        self._near[protocol] = near = packet_filter.near(addresses)
        self._sieved[protocol] = len(addresses)
        for port in self._ports.values():
            if port.protocol is protocol:
                with contextlib.suppress(OSError):  # its thread has just closed it
                    port.let_through(near)
        self._witness.let_through(protocol, near)

    def _send(self, rows: list[Row]) -> None:
        unsent: Counter[tuple[Protocol, int, int]] = Counter()
        for number, index, padded in rows:
            protocol = Protocol(number)
            if not (port := self._ports.get((protocol, index))):
                unsent[protocol, index, errno.ENODEV] += 1
                continue
            try:
                port.send(padded[: FRAME_LENGTHS[protocol]])
            except OSError as error:
                unsent[protocol, index, error.errno or errno.EIO] += 1
            else:
                if counts := self._answered.counts.get(_announced(protocol, padded)):
                    counts[2] += 1
        self._tell(Kind.UNSENT, [(*where, many) for where, many in unsent.items()])

    def _tell(self, kind: Kind, rows: Iterable[Row] = ()) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the speaker has gone
            for message in encode(kind, rows):
                self._speaker.send(message)


def _announced(protocol: Protocol, frame: bytes) -> bytes:
    """Give the address that a frame announces; nothing that is announced if it only asks."""
    if protocol is Protocol.ARP:
        return frame[arp.SENDER_IP]
    return frame[ndp.TARGET] if ndp.is_advertisement(frame) else b""


def main() -> None:
    """Run as the process that the speaker started; see above for the arguments."""
    # Ctrl-C and the like are for the speaker to decide on.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    status = 0
    try:
        control, orphan_ms, instance = sys.argv[1:]
        Responder(socket.socket(fileno=int(control)), int(orphan_ms), instance).run()
    except Exception:  # noqa: BLE001 - the last stop before the process ends
        sys.excepthook(*sys.exc_info())
        status = 1
    os._exit(status)  # no waiting for threads that are blocked in recv


if __name__ == "__main__":
    main()
