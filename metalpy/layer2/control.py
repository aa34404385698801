"""What the speaker and its reply process say to each other, over a SOCK_SEQPACKET socket pair.

A message is one byte for its kind and then equal rows. Rows that do not fit one message go into several of the
same kind, so no size limit shows. Both ends are the same program, hence no version. Only what a small process
can afford is imported here.
"""

from __future__ import annotations

import enum
import struct
from typing import TYPE_CHECKING, Any

from metalpy.layer2.arp import FRAME_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable

MESSAGE_LIMIT = 32768
"""Bytes of the longest message; far below what a Unix socket takes at once (net.core.wmem_default)."""

Row = tuple[Any, ...]


class Kind(enum.IntEnum):
    """The kinds of messages; `ROWS` says what a row holds."""

    # Speaker to reply process.
    OPEN = 1
    """Answer on these interfaces: index, MAC."""
    CLOSE = 2
    """No longer answer on these: index."""
    ADD = 3
    """Answer for these addresses."""
    REMOVE = 4
    """No longer answer for these."""
    SEND = 5
    """Put these frames on the wire as they are: interface index, frame."""
    COUNT = 6
    """Report the counters."""
    SYNC = 7
    """Answer DONE with the same number once everything sent before is in force."""

    # Reply process to speaker.
    READY = 16
    """Packet sockets can be had."""
    DENIED = 17
    """Packet sockets cannot be had: errno. The process ends after this."""
    OPENED = 18
    """These interfaces are answered on from now on: index."""
    LOST = 19
    """These interfaces could not be opened or failed: index, errno."""
    UNSENT = 20
    """Frames could not be sent: index, errno, how many."""
    COUNTS = 21
    """Address, requests received, responses sent, unasked frames sent."""
    DONE = 22
    """See SYNC."""


ROWS = {
    Kind.OPEN: struct.Struct("!I6s"),
    Kind.CLOSE: struct.Struct("!I"),
    Kind.ADD: struct.Struct("!4s"),
    Kind.REMOVE: struct.Struct("!4s"),
    Kind.SEND: struct.Struct(f"!I{FRAME_LENGTH}s"),
    Kind.SYNC: struct.Struct("!I"),
    Kind.DENIED: struct.Struct("!I"),
    Kind.OPENED: struct.Struct("!I"),
    Kind.LOST: struct.Struct("!II"),
    Kind.UNSENT: struct.Struct("!III"),
    Kind.COUNTS: struct.Struct("!4sQQQ"),
    Kind.DONE: struct.Struct("!I"),
}


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
