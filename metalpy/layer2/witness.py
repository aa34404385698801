"""Notices who else claims an announced address (RFC 5227 section 2.4; RFC 4861 section 7.2.5), off the reply path.

A second socket a port, with a filter for ARP and advertisements that another MAC sends in the name of an announced
address: as long as nobody does, it wakes nobody up. One thread reads them all and rests after each look, so that a
storm of claims costs next to nothing; what does not fit the socket buffers meanwhile is not missed.
"""

from __future__ import annotations

import contextlib
import select
import time
from typing import TYPE_CHECKING, NamedTuple

from metalpy.layer2 import arp, ndp, packet_filter
from metalpy.layer2.control import Protocol, wide
from metalpy.layer2.ports import let_through, packet_socket

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Container

    from metalpy.layer2.answered import Answered
    from metalpy.layer2.control import Row
    from metalpy.layer2.packet_filter import Near
    from metalpy.layer2.ports import Port

_REST_S = 0.25
_FRAMES_A_LOOK = 64


class _View(NamedTuple):
    protocol: Protocol
    interface: int
    mac: bytes
    socket: socket.socket


class Witness:
    """Reports claims as rows of `Kind.CLAIMED`. `run` is one thread, everything else another."""

    def __init__(self, answered: Answered, watched: Container[bytes], report: Callable[[list[Row]], None]) -> None:
        self.yields = False
        """Whether a claimed address is given up: an orphan does not fight for it with the owner that came after."""
        self._answered = answered
        self._watched = watched
        self._report = report
        self._views: dict[int, _View] = {}
        self._epoll = select.epoll()

    def watch(self, port: Port, near: Near) -> None:
        """Watch where a port answers. Raises `OSError`."""
        protocol, ethertype = port.protocol, port.ethertype
        opened = packet_socket(port.index, ethertype, _program(protocol, port.mac, near))
        opened.setblocking(False)
        self._views[opened.fileno()] = _View(protocol, port.index, port.mac, opened)
        self._epoll.register(opened, select.EPOLLIN)

    def leave(self, protocol: Protocol, index: int) -> None:
        """Watch no more there."""
        for number, view in list(self._views.items()):
            if (view.protocol, view.interface) == (protocol, index):
                self._drop(number)

    def let_through(self, protocol: Protocol, near: Near) -> None:
        """Replace the kernel's filters."""
        for view in list(self._views.values()):
            if view.protocol is protocol:
                with contextlib.suppress(OSError):  # its interface has just failed
                    let_through(view.socket, _program(protocol, view.mac, near))

    def run(self) -> None:
        """Look for ever."""
        while True:
            claims: set[Row] = set()
            for number, _ in self._epoll.poll():
                if view := self._views.get(number):
                    claims.update(self._look(number, view))
            if claims:
                self._report(list(claims))
            time.sleep(_REST_S)

    def _look(self, number: int, view: _View) -> set[Row]:
        claims: set[Row] = set()
        own = {each.mac for each in list(self._views.values())}
        try:
            for _ in range(_FRAMES_A_LOOK):
                address, mac = _claim(view.protocol, view.socket.recv(ndp.FRAME_LENGTH))
                if (self._answered.has(address, view.interface) or address in self._watched) and mac not in own:
                    claims.add((view.interface, wide(address), mac))
                    if self.yields:
                        self._answered.give_up(address)
        except BlockingIOError:
            pass
        except OSError:  # its interface failed; the port reports that, and a new one is watched anew
            self._drop(number)
        return claims

    def _drop(self, number: int) -> None:
        if view := self._views.pop(number, None):
            view.socket.close()  # which takes it out of epoll


def _program(protocol: Protocol, mac: bytes, near: Near) -> bytes:
    if protocol is Protocol.ARP:
        return packet_filter.arp_claims(mac, near)
    return packet_filter.advertisements(mac, near)


def _claim(protocol: Protocol, frame: bytes) -> tuple[bytes, bytes]:
    """Give the address and the MAC that claims it."""
    if protocol is Protocol.ARP:
        return frame[arp.SENDER_IP], frame[arp.SENDER_MAC]
    return frame[ndp.TARGET], frame[ndp.SOURCE_MAC]
