"""A monitoring station: what routers say they hear of their neighbours, by the BGP Monitoring Protocol (RFC 7854).

    with Station("192.168.1.250") as station, Frr(..., station=station.address) as router:
        ...
        station.updates()

A router mirrors each message that it gets from a neighbour, word for word, so nothing is too short-lived to be seen.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMON = struct.Struct("!BIB")
_PEER_BYTES = 42
_PEER_ADDRESS = slice(10, 26)
_IPV6_PEER = 0x80
_ROUTE_MONITORING, _ROUTE_MIRRORING = 0, 6
_MIRRORED_MESSAGE, _MIRRORING_INFORMATION = 0, 1
_MESSAGES_LOST = 1
_TLV = struct.Struct("!HH")
_BGP_HEADER_BYTES = 19
_UPDATE = 2
_MP_REACH, _MP_UNREACH = 14, 15
_EXTENDED_LENGTH = 0x10
_IPV6_UNICAST = (2, 1)


@dataclass(frozen=True)
class Update:
    """An UPDATE message (RFC 4271 section 4.3) that a router got: prefixes as text, of both families."""

    router: str
    neighbor: str
    announced: tuple[str, ...]
    withdrawn: tuple[str, ...]
    is_mirrored: bool
    """The message as it came; otherwise what the router made of it, which may sum up several."""


class Station:
    """Listens for routers at an address of this sandbox; a context manager. Threads of its own do the work."""

    def __init__(self, address: str) -> None:
        self._server = socket.create_server((address, 0))
        self.address: tuple[str, int] = (address, self._server.getsockname()[1])
        self._heard: list[Update] = []
        self._wrong: list[str] = []
        self._connections: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone would not wake the threads that wait for these.
        for each in (self._server, *self._connections):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    @property
    def mark(self) -> int:
        """How many messages were heard so far."""
        return len(self._heard)

    def updates(self, router: str, since: int = 0) -> list[Update]:
        """Return what a router was told, in order, since a mark. Raises `AssertionError` if anything was missed."""
        assert not self._wrong, self._wrong
        return [each for each in self._heard[since:] if each.router == router]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, (router, _) = self._server.accept()
                self._connections.append(connection)
                threading.Thread(target=self._listen, args=(connection, router), daemon=True).start()

    def _listen(self, connection: socket.socket, router: str) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                _, length, kind = _COMMON.unpack(_read(connection, _COMMON.size))
                body = _read(connection, length - _COMMON.size)
                try:
                    self._heard += _updates(kind, body, router)
                except (ValueError, struct.error, IndexError) as error:
                    self._wrong.append(f"{router}: {error}: {body.hex()}")


def _read(connection: socket.socket, many: int) -> bytes:
    text = bytearray()
    while len(text) < many:
        received = connection.recv(many - len(text))
        if not received:
            raise EOFError
        text += received
    return bytes(text)


def _updates(kind: int, body: bytes, router: str) -> Iterator[Update]:
    """Read the UPDATE messages in a message of BMP. Raises `ValueError` where the router says that some are lost."""
    if kind not in {_ROUTE_MONITORING, _ROUTE_MIRRORING}:
        return
    raw = body[_PEER_ADDRESS]
    neighbor = str(IPv6Address(raw) if body[1] & _IPV6_PEER else IPv4Address(raw[-4:]))
    rest = body[_PEER_BYTES:]
    messages = [rest]
    if kind == _ROUTE_MIRRORING:
        messages = []
        while rest:
            tag, length = _TLV.unpack_from(rest)
            value, rest = rest[_TLV.size : _TLV.size + length], rest[_TLV.size + length :]
            if tag == _MIRRORED_MESSAGE:
                messages.append(value)
            elif tag == _MIRRORING_INFORMATION and int.from_bytes(value, "big") == _MESSAGES_LOST:
                raise ValueError("the router lost messages that it should have mirrored")
    for message in messages:
        if message[_BGP_HEADER_BYTES - 1] == _UPDATE:
            announced, withdrawn = _read_update(message[_BGP_HEADER_BYTES:])
            yield Update(router, neighbor, announced, withdrawn, kind == _ROUTE_MIRRORING)


def _read_update(body: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read what an UPDATE message announces and withdraws."""
    length = int.from_bytes(body[:2], "big")
    withdrawn, body = list(_prefixes(body[2 : 2 + length])), body[2 + length :]
    length = int.from_bytes(body[:2], "big")
    attributes, announced = body[2 : 2 + length], list(_prefixes(body[2 + length :]))
    while attributes:
        flags, kind = attributes[:2]
        wide = 2 if flags & _EXTENDED_LENGTH else 1
        end = 2 + wide + int.from_bytes(attributes[2 : 2 + wide], "big")
        value, attributes = attributes[2 + wide : end], attributes[end:]
        if kind not in {_MP_REACH, _MP_UNREACH}:
            continue
        if (int.from_bytes(value[:2], "big"), value[2]) != _IPV6_UNICAST:
            raise ValueError("routes of a family that nobody asked for")
        if kind == _MP_REACH:
            announced += _prefixes(value[5 + value[3] :], is_ipv6=True)  # beyond next hop and a reserved byte
        else:
            withdrawn += _prefixes(value[3:], is_ipv6=True)
    return tuple(announced), tuple(withdrawn)


def _prefixes(text: bytes, *, is_ipv6: bool = False) -> Iterator[str]:
    while text:
        end = 1 + (text[0] + 7) // 8
        raw = text[1:end]
        address = IPv6Address(raw.ljust(16, b"\0")) if is_ipv6 else IPv4Address(raw.ljust(4, b"\0"))
        yield f"{address}/{text[0]}"
        text = text[end:]
