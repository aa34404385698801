"""Which frames the kernel is told to let through."""

from __future__ import annotations

import random
import struct

import pytest

from metalpy.layer2.packet_filter import MOST_PREFIXES, Near, near, program, socket_option
from tests.unit.layer2 import bpf

MAC = bytes.fromhex("0a0000000001")
ADDRESS = bytes([192, 168, 1, 240])
REQUEST = bytes.fromhex(
    "ffffffffffff 0a0000000009 0806 0001 0800 06 04 0001 0a0000000009 c0a80109 000000000000 c0a801f0"
).ljust(60, b"\0")
FILTER = program(MAC, near([ADDRESS]))


def changed(**fields: str) -> bytes:
    """Give the request with bytes replaced: offset (behind a letter) and hexadecimal text."""
    frame = bytearray(REQUEST)
    for name, text in fields.items():
        start, value = int(name[1:]), bytes.fromhex(text)
        frame[start : start + len(value)] = value
    return bytes(frame)


@pytest.mark.parametrize(
    "frame",
    [
        REQUEST,
        changed(o0="0a0000000001"),
        changed(o28="00000000"),
        changed(o28="c0a801f0"),
        REQUEST[:42],
        REQUEST + bytes(1000),
    ],
    ids=["broadcast", "to our MAC", "probe", "gratuitous", "unpadded", "long"],
)
def test_request_for_an_announced_address_passes_cut_to_42_bytes(frame: bytes) -> None:
    assert bpf.run(FILTER, frame) == 42


@pytest.mark.parametrize(
    "frame",
    [
        changed(o20="0002"),
        changed(o0="0a0000000002"),
        changed(o0="0a0100000001"),
        changed(o0="ffffffff0001"),
        changed(o0="0a000000ffff"),
        changed(o0="01005e000001"),
        changed(o12="8100"),
        changed(o14="0006"),
        changed(o16="86dd"),
        changed(o18="0804"),
        changed(o18="0610"),
        changed(o38="c0a801f1"),
        REQUEST[:41],
        b"",
    ],
    ids=[
        "reply",
        "to another MAC",
        "to a MAC with our end",
        "half broadcast",
        "other half broadcast",
        "multicast",
        "tag in the bytes",
        "other hardware",
        "other protocol",
        "hardware address length",
        "protocol address length",
        "address next to ours",
        "truncated",
        "empty",
    ],
)
def test_any_other_frame_is_dropped(frame: bytes) -> None:
    assert bpf.run(FILTER, frame) == 0


@pytest.mark.parametrize(
    "ancillary", [{bpf.VLAN_TAG_PRESENT: 1}, {bpf.PACKET_TYPE: 3}], ids=["tag", "packet for another host"]
)
def test_frame_of_a_vlan_is_dropped(ancillary: dict[int, int]) -> None:
    assert bpf.run(FILTER, REQUEST, ancillary) == 0


def test_nothing_passes_while_nothing_is_announced() -> None:
    assert bpf.run(program(MAC, Near()), REQUEST) == 0


@pytest.mark.parametrize("many", [1, MOST_PREFIXES, MOST_PREFIXES + 1, 10_000])
def test_every_announced_address_passes_whatever_their_number(many: int) -> None:
    chance = random.Random(many)
    addresses = [chance.randbytes(4) for _ in range(many)]
    targets = near(addresses)

    filtered = program(MAC, targets)

    assert len(targets.prefixes) <= MOST_PREFIXES
    for address in addresses[:500]:
        assert targets.covers(address)
        assert bpf.run(filtered, REQUEST[:38] + address) == 42


def test_up_to_two_hundred_addresses_are_compared_in_full() -> None:
    targets = near([bytes([10, 0, 0, last]) for last in range(200)])

    assert targets.shift == 0
    assert not targets.covers(bytes([10, 0, 0, 200]))


def test_socket_option_points_to_the_program() -> None:
    option, memory = socket_option(FILTER)

    length, pointer = struct.unpack("@HP", option)
    assert (len(FILTER) // 8, memory.buffer_info()[0]) == (length, pointer)
    assert memory.tobytes() == FILTER
