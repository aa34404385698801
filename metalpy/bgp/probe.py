"""One call to a peer, until both sides have said who they are (RFC 4271 sections 4.2 and 4.5), and what comes of it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metalpy.model import Family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metalpy.announcement.routes import Session
    from metalpy.model import IPAddress

_MARKER = b"\xff" * 16
_HEADER = struct.Struct("!16sHB")
_LONGEST = 4096
_OPEN, _NOTIFICATION, _KEEPALIVE = 1, 3, 4
_CEASE = 6
_CAPABILITIES = 2
_MULTIPROTOCOL, _ASN4 = 1, 65
"""RFC 4760, RFC 6793."""
_AFI = {Family.IPV4: 1, Family.IPV6: 2}
_AS_TRANS = 23456
_TCP_MD5SIG = 14
"""From <linux/tcp.h>: RFC 2385."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call."""

    error: int = 0
    """The `errno` that kept the connection from coming up, ETIMEDOUT where nothing was heard in time; 0: it came up."""
    local: str = ""
    """This node's address on the connection."""
    asn: int | None = None
    """The peer's ASN by its OPEN message; None if none came."""
    notification: tuple[int, int] | None = None
    """Code and subcode of its NOTIFICATION."""
    is_accepted: bool = False
    """It took our OPEN message."""
    is_closed: bool = False
    """It hung up."""


async def call(session: Session, *, timeout_s: float, password: str) -> Answer:
    """Call a peer as gobgpd would, and hang up again."""
    peer = session.peer
    family = socket.AF_INET if Family.of(peer.address) is Family.IPV4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as connection:
        try:
            if password:
                connection.setsockopt(socket.IPPROTO_TCP, _TCP_MD5SIG, _md5_key(peer.address, password))
            if peer.vrf:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, peer.vrf.encode())
            if peer.source_address:
                connection.bind((str(peer.source_address), 0))
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().sock_connect(connection, (str(peer.address), peer.port))
        except TimeoutError as error:
            return Answer(error.errno or errno.ETIMEDOUT)
        except OSError as error:
            return Answer(error.errno or errno.EIO)
        return await _talk(connection, session, timeout_s)


async def _talk(connection: socket.socket, session: Session, timeout_s: float) -> Answer:
    loop = asyncio.get_running_loop()
    answer = Answer(local=connection.getsockname()[0])
    heard = b""
    try:
        async with asyncio.timeout(timeout_s):
            await loop.sock_sendall(connection, open_message(session))
            while not (answer.notification or answer.is_accepted or answer.is_closed):
                received = await loop.sock_recv(connection, _LONGEST)
                heard += received
                answer = replace(_read(heard, answer), is_closed=not received)
    except TimeoutError:
        pass
    except OSError:
        return replace(answer, is_closed=True)
    with contextlib.suppress(OSError):  # it may have hung up
        connection.send(_message(_NOTIFICATION, bytes((_CEASE, 0))))
    return answer


def _read(heard: bytes, answer: Answer) -> Answer:
    for kind, body in _messages(heard):
        if kind == _OPEN:
            answer = replace(answer, asn=asn_of(body))
        elif kind == _NOTIFICATION:
            answer = replace(answer, notification=(body[0], body[1]) if len(body) > 1 else (0, 0))
        elif kind == _KEEPALIVE:
            answer = replace(answer, is_accepted=True)
    return answer


def _messages(heard: bytes) -> Iterator[tuple[int, bytes]]:
    """Split what was heard into types and bodies of whole messages, up to where it is no BGP."""
    while len(heard) >= _HEADER.size:
        marker, length, kind = _HEADER.unpack_from(heard)
        if marker != _MARKER or not _HEADER.size <= length <= len(heard):
            return
        yield kind, heard[_HEADER.size : length]
        heard = heard[length:]


def _message(kind: int, body: bytes) -> bytes:
    return _HEADER.pack(_MARKER, _HEADER.size + len(body), kind) + body


def open_message(session: Session) -> bytes:
    """Write an OPEN message as gobgpd would for this session, as far as peers refuse for it."""
    peer = session.peer
    families = session.families or (Family.of(peer.address),)
    capabilities = b"".join(_item(_MULTIPROTOCOL, struct.pack("!HBB", _AFI[family], 0, 1)) for family in families)
    parameters = _item(_CAPABILITIES, capabilities + _item(_ASN4, struct.pack("!I", peer.session_asn)))
    asn = peer.session_asn if peer.session_asn < 1 << 16 else _AS_TRANS
    fixed = struct.pack("!BHH4sB", 4, asn, peer.hold_time_s, session.router_id.packed, len(parameters))
    return _message(_OPEN, fixed + parameters)


def asn_of(body: bytes) -> int:
    """Read the sender's ASN out of an OPEN message's body: from the capability for four bytes where there is one."""
    for kind, capabilities in _items(body[10:]):
        if kind == _CAPABILITIES:
            for code, value in _items(capabilities):
                if code == _ASN4:
                    return int.from_bytes(value, "big")
    return int.from_bytes(body[1:3], "big")


def _item(kind: int, value: bytes) -> bytes:
    return bytes((kind, len(value))) + value


def _items(text: bytes) -> Iterator[tuple[int, bytes]]:
    while len(text) > 1:
        yield text[0], text[2 : 2 + text[1]]
        text = text[2 + text[1] :]


def _md5_key(address: IPAddress, password: str) -> bytes:
    """Lay out `struct tcp_md5sig` of <linux/tcp.h>."""
    if Family.of(address) is Family.IPV4:
        to = struct.pack("=HH4s", socket.AF_INET, 0, address.packed)
    else:
        to = struct.pack("=HHI16s", socket.AF_INET6, 0, 0, address.packed)
    key = password.encode()
    return struct.pack("=128sBBHi80s", to, 0, 0, len(key), 0, key)
