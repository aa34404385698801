"""A machine for the few classic BPF instructions that our filter uses."""

from __future__ import annotations

import struct

_ANCILLARY = 0xFFFFF000
PACKET_TYPE = 4
VLAN_TAG_PRESENT = 48


def run(program: bytes, frame: bytes, ancillary: dict[int, int] | None = None) -> int:
    """Return how many bytes of `frame` the program lets through; `ancillary` is what the kernel knows besides."""
    accumulator = at = 0
    instructions = list(struct.iter_unpack("=HBBI", program))
    while True:
        code, if_true, if_false, operand = instructions[at]
        at += 1
        match code:
            case 0x20 | 0x28 if operand >= _ANCILLARY:
                accumulator = (ancillary or {}).get(operand - _ANCILLARY, 0)
            case 0x20 | 0x28:
                width = 4 if code == 0x20 else 2
                if operand + width > len(frame):
                    return 0
                accumulator = int.from_bytes(frame[operand : operand + width], "big")
            case 0x74:
                accumulator >>= operand
            case 0x15:
                at += if_true if accumulator == operand else if_false
            case 0x06:
                return int(operand)
            case _:
                raise ValueError(f"instruction {at - 1}: unknown code {code:#x}")
