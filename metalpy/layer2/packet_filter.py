"""The kernel's sieve before the reply process: a classic BPF program (Linux Documentation/networking/filter.rst).

It lets through ARP requests to broadcast or to the interface's own MAC, without a VLAN tag, that ask for an
address near an announced one: a storm of requests for other machines of the LAN wakes nobody up. What
"near" means: target addresses are compared by as many leading bits as it takes to be at most `MOST_PREFIXES`
prefixes, all 32 as long as that few addresses are announced.
"""

from __future__ import annotations

import array
import struct
from typing import TYPE_CHECKING, NamedTuple

from metalpy.layer2.arp import ARP_LENGTH, ETHERTYPE_ARP, OP_REQUEST

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
_LENGTHS_AND_REQUEST = 0x0604_0000 | OP_REQUEST


class Near(NamedTuple):
    """The targets to let through: those that, shifted right by `shift` bits, are among `prefixes`."""

    shift: int = 0
    prefixes: frozenset[int] = frozenset()

    def covers(self, address: bytes) -> bool:
        """Tell whether requests for this address pass."""
        return int.from_bytes(address, "big") >> self.shift in self.prefixes


def near(addresses: Collection[bytes]) -> Near:
    """Find the narrowest `Near` for these packed IPv4 addresses that a filter can hold."""
    shift = 0
    prefixes = {int.from_bytes(address, "big") for address in addresses}
    while len(prefixes) > MOST_PREFIXES:
        shift += 1
        prefixes = {prefix >> 1 for prefix in prefixes}
    return Near(shift, frozenset(prefixes))


def program(mac: bytes, targets: Near) -> bytes:
    """Assemble the filter for an interface of that MAC: an array of `struct sock_filter`.

    A load beyond the end of a frame drops the frame, so a truncated one never passes. What passes is cut to
    42 bytes.
    """
    high, low = struct.unpack("!IH", mac)
    drop, accept = "drop", "accept"
    lines: list[tuple[int, int, int | str, int | str]] = [
        (_LOAD_WORD, _VLAN_TAG_PRESENT, 0, 0),
        (_JUMP_IF_EQUAL, 0, 0, drop),
        (_LOAD_WORD, _PACKET_TYPE, 0, 0),
        (_JUMP_IF_EQUAL, _OTHER_HOST, drop, 0),
        (_LOAD_HALF, 12, 0, 0),
        (_JUMP_IF_EQUAL, ETHERTYPE_ARP, 0, drop),
        (_LOAD_WORD, 14, 0, 0),
        (_JUMP_IF_EQUAL, _HARDWARE_AND_PROTOCOL, 0, drop),
        (_LOAD_WORD, 18, 0, 0),
        (_JUMP_IF_EQUAL, _LENGTHS_AND_REQUEST, 0, drop),
        (_LOAD_WORD, 0, 0, 0),
        (_JUMP_IF_EQUAL, 0xFFFFFFFF, 0, 2),
        (_LOAD_HALF, 4, 0, 0),
        (_JUMP_IF_EQUAL, 0xFFFF, 3, drop),  # on to the target
        (_JUMP_IF_EQUAL, high, 0, drop),
        (_LOAD_HALF, 4, 0, 0),
        (_JUMP_IF_EQUAL, low, 0, drop),
        (_LOAD_WORD, 38, 0, 0),
        (_SHIFT_RIGHT, targets.shift, 0, 0),
        *((_JUMP_IF_EQUAL, prefix, accept, 0) for prefix in sorted(targets.prefixes)),
        (_RETURN, 0, 0, 0),
        (_RETURN, ARP_LENGTH, 0, 0),
    ]
    ends = {drop: len(lines) - 2, accept: len(lines) - 1}
    return b"".join(
        _INSTRUCTION.pack(code, *(jump if isinstance(jump, int) else ends[jump] - at - 1 for jump in jumps), operand)
        for at, (code, operand, *jumps) in enumerate(lines)
    )


def socket_option(assembled: bytes) -> tuple[bytes, array.array[int]]:
    """Give the `struct sock_fprog` that SO_ATTACH_FILTER takes, and the memory it points to, to be kept until then."""
    memory = array.array("B", assembled)
    start, length = memory.buffer_info()
    return struct.pack("@HP", length // _INSTRUCTION.size, start), memory
