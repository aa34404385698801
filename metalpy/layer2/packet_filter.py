"""The kernel's sieve before the reply process: classic BPF programs (Linux Documentation/networking/filter.rst).

They let through what asks for an address near an announced one, or claims it, without a VLAN tag and not for
another host: a storm of requests for other machines of the LAN wakes nobody up. What "near" means: addresses are
compared by as many leading bits as it takes to be at most `MOST_PREFIXES` prefixes, all 32 as long as that few
addresses are announced; of IPv6 addresses this holds for the last 32 bits, and each word before them is compared
where it is the same in all.
"""

from __future__ import annotations

import array
import struct
from typing import TYPE_CHECKING, NamedTuple

from metalpy.layer2.arp import ARP_LENGTH, ETHERTYPE_ARP, OP_REQUEST, SENDER_IP, SENDER_MAC, TARGET_IP
from metalpy.layer2.ndp import (
    ADVERTISEMENT,
    ETHERTYPE_IPV6,
    HOP_LIMIT,
    ICMPV6,
    LONGEST,
    SOLICITATION,
    SOURCE_MAC,
    TARGET,
)

if TYPE_CHECKING:
    from collections.abc import Collection

MOST_PREFIXES = 200
"""Jump offsets are 8 bits wide, and all prefixes are compared in a row."""

_INSTRUCTION = struct.Struct("=HBBI")
# Operation codes, from <linux/bpf_common.h>.
_LOAD_WORD = 0x20
_LOAD_HALF = 0x28
_SHIFT_RIGHT = 0x74
_JUMP_IF_EQUAL = 0x15
_RETURN = 0x06
# What the kernel knows beside the bytes, SKF_AD_OFF + SKF_AD_..., from <linux/filter.h>. It takes a VLAN tag out of
# the frame, and for a VLAN that this host is not on it leaves a mark in the packet type alone (and in the tag
# field for sockets that listen to every protocol): such a frame is meant for another host.
_PACKET_TYPE = -0x1000 + 4 & 0xFFFFFFFF
_OTHER_HOST = 3
_VLAN_TAG_PRESENT = -0x1000 + 48 & 0xFFFFFFFF
_HARDWARE_AND_PROTOCOL = 0x0001_0800
_LENGTHS = 0x0604
_LENGTHS_AND_REQUEST = _LENGTHS << 16 | OP_REQUEST

_DROP = "drop"
_ACCEPT = "accept"
_Line = tuple[int, int, int | str, int | str]
"""Operation code, operand, and how many lines are skipped (or where it goes) if equal and if not."""

_WORD = 4


class Near(NamedTuple):
    """The addresses to let through: the last 32 bits, shifted right by `shift`, are among `prefixes`.

    The words before those are equal to `words`, as far as they are not None.
    """

    shift: int = 0
    prefixes: frozenset[int] = frozenset()
    words: tuple[int | None, ...] = ()

    def covers(self, address: bytes) -> bool:
        """Tell whether requests for this address pass."""
        *words, last = _words(address)
        return last >> self.shift in self.prefixes and all(
            wanted in (None, word) for wanted, word in zip(self.words, words, strict=True)
        )


def near(addresses: Collection[bytes]) -> Near:
    """Find the narrowest `Near` for these packed addresses of one family that a filter can hold."""
    if not addresses:
        return Near()
    *columns, last = map(frozenset, zip(*map(_words, addresses), strict=True))
    shift, prefixes = 0, last
    while len(prefixes) > MOST_PREFIXES:
        shift += 1
        prefixes = frozenset(prefix >> 1 for prefix in prefixes)
    words = tuple(next(iter(column)) if len(column) == 1 else None for column in columns)
    return Near(shift, prefixes, words)


def _words(address: bytes) -> tuple[int, ...]:
    return struct.unpack(f"!{len(address) // _WORD}I", address)


def arp_requests(mac: bytes, targets: Near) -> bytes:
    """Assemble the filter of an interface of that MAC for ARP requests to broadcast or to itself, cut to 42 bytes."""
    high, low = struct.unpack("!IH", mac)
    return _assemble(
        [
            *_untagged(ETHERTYPE_ARP),
            (_LOAD_WORD, 14, 0, 0),
            (_JUMP_IF_EQUAL, _HARDWARE_AND_PROTOCOL, 0, _DROP),
            (_LOAD_WORD, 18, 0, 0),
            (_JUMP_IF_EQUAL, _LENGTHS_AND_REQUEST, 0, _DROP),
            (_LOAD_WORD, 0, 0, 0),
            (_JUMP_IF_EQUAL, 0xFFFFFFFF, 0, 2),
            (_LOAD_HALF, 4, 0, 0),
            (_JUMP_IF_EQUAL, 0xFFFF, 3, _DROP),  # on to the target
            (_JUMP_IF_EQUAL, high, 0, _DROP),
            (_LOAD_HALF, 4, 0, 0),
            (_JUMP_IF_EQUAL, low, 0, _DROP),
            *_address(TARGET_IP.start, targets),
        ],
        ARP_LENGTH,
    )


def solicitations(targets: Near) -> bytes:
    """Assemble the filter for neighbour solicitations, whether to many or to this host."""
    return _assemble([*_neighbour_discovery(SOLICITATION), *_address(TARGET.start, targets)], LONGEST)


def arp_claims(mac: bytes, senders: Near) -> bytes:
    """Assemble the filter for ARP of any kind that another MAC sends in the name of an address."""
    return _assemble(
        [
            *_untagged(ETHERTYPE_ARP),
            (_LOAD_WORD, 14, 0, 0),
            (_JUMP_IF_EQUAL, _HARDWARE_AND_PROTOCOL, 0, _DROP),
            (_LOAD_HALF, 18, 0, 0),
            (_JUMP_IF_EQUAL, _LENGTHS, 0, _DROP),
            *_not_from(mac, SENDER_MAC.start),
            *_address(SENDER_IP.start, senders),
        ],
        ARP_LENGTH,
    )


def advertisements(mac: bytes, targets: Near) -> bytes:
    """Assemble the filter for neighbour advertisements that another MAC sends."""
    return _assemble(
        [
            *_neighbour_discovery(ADVERTISEMENT),
            *_not_from(mac, SOURCE_MAC.start),
            *_address(TARGET.start, targets),
        ],
        LONGEST,
    )


def _untagged(ethertype: int) -> list[_Line]:
    return [
        (_LOAD_WORD, _VLAN_TAG_PRESENT, 0, 0),
        (_JUMP_IF_EQUAL, 0, 0, _DROP),
        (_LOAD_WORD, _PACKET_TYPE, 0, 0),
        (_JUMP_IF_EQUAL, _OTHER_HOST, _DROP, 0),
        (_LOAD_HALF, 12, 0, 0),
        (_JUMP_IF_EQUAL, ethertype, 0, _DROP),
    ]


def _neighbour_discovery(message_type: int) -> list[_Line]:
    return [
        *_untagged(ETHERTYPE_IPV6),
        (_LOAD_HALF, 20, 0, 0),
        (_JUMP_IF_EQUAL, ICMPV6 << 8 | HOP_LIMIT, 0, _DROP),
        (_LOAD_HALF, 54, 0, 0),
        (_JUMP_IF_EQUAL, message_type << 8, 0, _DROP),  # code 0
    ]


def _not_from(mac: bytes, offset: int) -> list[_Line]:
    high, low = struct.unpack("!IH", mac)
    return [
        (_LOAD_WORD, offset, 0, 0),
        (_JUMP_IF_EQUAL, high, 0, 2),
        (_LOAD_HALF, offset + _WORD, 0, 0),
        (_JUMP_IF_EQUAL, low, _DROP, 0),
    ]


def _address(offset: int, wanted: Near) -> list[_Line]:
    """Accept a frame with a wanted address at this offset; what follows is reached by all others."""
    lines: list[_Line] = []
    for number, word in enumerate(wanted.words):
        if word is not None:
            lines += [(_LOAD_WORD, offset + number * _WORD, 0, 0), (_JUMP_IF_EQUAL, word, 0, _DROP)]
    return [
        *lines,
        (_LOAD_WORD, offset + len(wanted.words) * _WORD, 0, 0),
        (_SHIFT_RIGHT, wanted.shift, 0, 0),
        *((_JUMP_IF_EQUAL, prefix, _ACCEPT, 0) for prefix in sorted(wanted.prefixes)),
    ]


def _assemble(lines: list[_Line], accepted: int) -> bytes:
    """Give the program as an array of `struct sock_filter`; it cuts what passes to `accepted` bytes.

    A load beyond the end of a frame drops the frame, so a truncated one never passes.
    """
    ends = {_DROP: len(lines), _ACCEPT: len(lines) + 1}
    return b"".join(
        _INSTRUCTION.pack(code, *(jump if isinstance(jump, int) else ends[jump] - at - 1 for jump in jumps), operand)
        for at, (code, operand, *jumps) in enumerate([*lines, (_RETURN, 0, 0, 0), (_RETURN, accepted, 0, 0)])
    )


def socket_option(assembled: bytes) -> tuple[bytes, array.array[int]]:
    """Give the `struct sock_fprog` that SO_ATTACH_FILTER takes, and the memory it points to, to be kept until then."""
    memory = array.array("B", assembled)
    start, length = memory.buffer_info()
    return struct.pack("@HP", length // _INSTRUCTION.size, start), memory
