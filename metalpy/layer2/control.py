"""What the speaker and its reply process say to each other, over a SOCK_SEQPACKET socket pair.

A message is one byte for its kind and then equal rows. Rows that do not fit one message go into several of the
same kind, so no size limit shows. Both ends are the same program, hence no version. Only what a small process
can afford is imported here.
"""

from __future__ import annotations

import enum
import struct
from typing import TYPE_CHECKING, Any

from metalpy.layer2 import arp, ndp

if TYPE_CHECKING:
    from collections.abc import Iterable

MESSAGE_LIMIT = 32768
"""Bytes of the longest message; far below what a Unix socket takes at once (net.core.wmem_default)."""

Row = tuple[Any, ...]


class Protocol(enum.IntEnum):
    """What is spoken for addresses of an IP version. An interface with both has two ports in the reply process."""

    ARP = 4
    NDP = 6

    @classmethod
    def of(cls, address: bytes) -> Protocol:
        """Tell the protocol of a packed address."""
        return cls.ARP if len(address) == _IPV4_LENGTH else cls.NDP


FRAME_LENGTHS = {Protocol.ARP: arp.FRAME_LENGTH, Protocol.NDP: ndp.FRAME_LENGTH}
"""How long the frames are that are sent as they are; those of ARP are filled up with zeros in a row."""


class Kind(enum.IntEnum):
    """The kinds of messages; `ROWS` says what a row holds. A port is a protocol and an interface index."""

    # Speaker to reply process.
    OPEN = 1
    """Answer on these ports: protocol, index, MAC, link-local address (zeros for ARP)."""
    CLOSE = 2
    """No longer answer on these: protocol, index."""
    ADD = 3
    """Answer for addresses: interface index, 0 for every interface; address."""
    REMOVE = 4
    """No longer answer for these there: likewise."""
    SEND = 5
    """Put these frames on the wire as they are: protocol, index, frame."""
    COUNT = 6
    """Report the counters."""
    SYNC = 7
    """Answer DONE with the same number once everything sent before is in force."""
    TAKE_OVER = 8
    """Make the orphan of an earlier speaker go: all that is announced has been told."""
    LINGER = 9
    """Go on answering for so many milliseconds after the speaker has gone."""

    WATCH = 10
    """Report claims to these, though they are not answered for."""
    UNWATCH = 11
    """No longer report them, unless they are answered for."""

    # Reply process to speaker.
    READY = 16
    """Packet sockets can be had."""
    DENIED = 17
    """Packet sockets cannot be had: errno. The process ends after this."""
    OPENED = 18
    """These ports are answered on from now on: protocol, index."""
    LOST = 19
    """These ports could not be opened or failed: protocol, index, errno."""
    UNSENT = 20
    """Frames could not be sent: protocol, index, errno, how many."""
    COUNTS = 21
    """Address, requests received, responses sent, unasked frames sent."""
    DONE = 22
    """See SYNC."""
    UNJOINED = 23
    """Multicast groups could not be joined: index, errno, how many."""
    CLAIMED = 24
    """Another host claims an address: interface index, address, MAC."""


ROWS = {
    Kind.OPEN: struct.Struct("!BI6s16s"),
    Kind.CLOSE: struct.Struct("!BI"),
    Kind.ADD: struct.Struct("!I16s"),
    Kind.REMOVE: struct.Struct("!I16s"),
    Kind.WATCH: struct.Struct("!16s"),
    Kind.UNWATCH: struct.Struct("!16s"),
    Kind.SEND: struct.Struct(f"!BI{max(FRAME_LENGTHS.values())}s"),
    Kind.SYNC: struct.Struct("!I"),
    Kind.LINGER: struct.Struct("!I"),
    Kind.DENIED: struct.Struct("!I"),
    Kind.OPENED: struct.Struct("!BI"),
    Kind.LOST: struct.Struct("!BII"),
    Kind.UNSENT: struct.Struct("!BIII"),
    Kind.COUNTS: struct.Struct("!16sQQQ"),
    Kind.DONE: struct.Struct("!I"),
    Kind.UNJOINED: struct.Struct("!III"),
    Kind.CLAIMED: struct.Struct("!I16s6s"),
}

_IPV4_LENGTH = 4
_MAPPED = bytes(10) + b"\xff\xff"
"""How an IPv4 address begins in a row; no such IPv6 address is ever announced (RFC 4291 section 2.5.5.2)."""


def wide(address: bytes) -> bytes:
    """Give a packed address the 16 bytes that it has in a row."""
    return _MAPPED + address if len(address) == _IPV4_LENGTH else address


def narrow(address: bytes) -> bytes:
    """Give back the packed address that a row has."""
    return address.removeprefix(_MAPPED)


def encode(kind: Kind, rows: Iterable[Row] = ()) -> list[bytes]:
    """Give the messages that say `rows`: none for no rows, one for a kind that has none."""
    layout = ROWS.get(kind)
    if layout is None:
        return [bytes([kind])]
    packed = b"".join(layout.pack(*row) for row in rows)
    step = (MESSAGE_LIMIT - 1) // layout.size * layout.size
    return [bytes([kind]) + packed[start : start + step] for start in range(0, len(packed), step)]


def decode(message: bytes) -> tuple[Kind, list[Row]]:
    """Read one message. Raises `ValueError` or `struct.error` for what `encode` never wrote."""
    kind = Kind(message[0])
    layout = ROWS.get(kind)
    return kind, list(layout.iter_unpack(message[1:])) if layout else []
