"""Which frames the kernel is told to let through."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

import pytest

from metalpy.layer2.packet_filter import (
    MOST_PREFIXES,
    Near,
    advertisements,
    arp_claims,
    arp_requests,
    near,
    socket_option,
    solicitations,
)
from tests.unit.layer2 import bpf

if TYPE_CHECKING:
    from collections.abc import Callable

MAC = bytes.fromhex("0a0000000001")
ADDRESS = bytes([192, 168, 1, 240])
REQUEST = bytes.fromhex(
    "ffffffffffff 0a0000000009 0806 0001 0800 06 04 0001 0a0000000009 c0a80109 000000000000 c0a801f0"
).ljust(60, b"\0")
FILTER = arp_requests(MAC, near([ADDRESS]))


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
    assert bpf.run(arp_requests(MAC, Near()), REQUEST) == 0


@pytest.mark.parametrize("many", [1, MOST_PREFIXES, MOST_PREFIXES + 1, 10_000])
def test_every_announced_address_passes_whatever_their_number(many: int) -> None:
    chance = random.Random(many)
    addresses = [chance.randbytes(4) for _ in range(many)]
    targets = near(addresses)

    filtered = arp_requests(MAC, targets)

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


ADDRESS6 = bytes.fromhex("fd00 0000 0000 0000 0000 0000 0000 0240")
SOLICITATION = (
    bytes.fromhex("3333ff000240 0a0000000009 86dd 60000000 0020 3a ff")
    + bytes(32)
    + bytes.fromhex("8700 0000 00000000")
    + ADDRESS6
    + bytes.fromhex("0101 0a0000000009")
)
FILTER6 = solicitations(near([ADDRESS6]))


def changed6(offset: int, text: str, frame: bytes = SOLICITATION) -> bytes:
    value = bytes.fromhex(text)
    return frame[:offset] + value + frame[offset + len(value) :]


@pytest.mark.parametrize(
    "frame",
    [SOLICITATION, changed6(0, "0a0000000001"), SOLICITATION[:78], SOLICITATION + bytes(1000)],
    ids=["to many", "to us", "without option", "long"],
)
def test_solicitation_for_an_announced_address_passes(frame: bytes) -> None:
    assert bpf.run(FILTER6, frame) == 2048


@pytest.mark.parametrize(
    "frame",
    [
        changed6(12, "0800"),
        changed6(20, "00"),
        changed6(21, "fe"),
        changed6(54, "88"),
        changed6(55, "01"),
        changed6(77, "41"),
        changed6(62, "fe"),
        changed6(69, "01"),
        SOLICITATION[:77],
    ],
    ids=[
        "other protocol",
        "extension header",
        "forwarded",
        "advertisement",
        "code",
        "next address",
        "other network",
        "other subnet",
        "truncated",
    ],
)
def test_any_other_ipv6_frame_is_dropped(frame: bytes) -> None:
    assert bpf.run(FILTER6, frame) == 0


@pytest.mark.parametrize(
    "ancillary", [{bpf.VLAN_TAG_PRESENT: 1}, {bpf.PACKET_TYPE: 3}], ids=["tag", "packet for another host"]
)
def test_solicitation_of_a_vlan_is_dropped(ancillary: dict[int, int]) -> None:
    assert bpf.run(FILTER6, SOLICITATION, ancillary) == 0


@pytest.mark.parametrize("many", [2, MOST_PREFIXES, MOST_PREFIXES + 1, 10_000])
@pytest.mark.parametrize("same", [0, 8, 15])
def test_every_announced_ipv6_address_passes_whatever_their_number(many: int, same: int) -> None:
    chance = random.Random(many)
    addresses = list({ADDRESS6[:same] + chance.randbytes(16 - same) for _ in range(many)})
    targets = near(addresses)

    filtered = solicitations(targets)

    for address in addresses[:300]:
        assert targets.covers(address)
        assert bpf.run(filtered, SOLICITATION[:62] + address) == 2048
    assert not targets.covers(b"\1" + ADDRESS6[1:]) or same == 0


def test_nothing_passes_for_ipv6_while_nothing_is_announced() -> None:
    assert bpf.run(solicitations(Near()), SOLICITATION) == 0
    assert not Near().covers(ADDRESS6)


CLAIM = changed(o20="0002", o28="c0a801f0")
CLAIM6 = changed6(54, "88")


@pytest.mark.parametrize(
    "frame",
    [CLAIM, changed(o28="c0a801f0"), changed(o0="0a0000000001", o28="c0a801f0", o38="c0a80109")],
    ids=["reply", "request", "ordinary question"],
)
def test_arp_in_the_name_of_our_address_is_a_claim(frame: bytes) -> None:
    assert bpf.run(arp_claims(MAC, near([ADDRESS])), frame) == 42


@pytest.mark.parametrize(
    "frame",
    [REQUEST, changed(o22="0a0000000001", o28="c0a801f0"), changed(o28="c0a801f1"), CLAIM6],
    ids=["question for it", "our own", "next address", "IPv6"],
)
def test_other_arp_is_no_claim(frame: bytes) -> None:
    assert bpf.run(arp_claims(MAC, near([ADDRESS])), frame) == 0


@pytest.mark.parametrize("mac", ["0a0000000009", "0a0000000101", "0a0100000001"])
def test_advertisement_of_another_mac_is_a_claim(mac: str) -> None:
    assert bpf.run(advertisements(MAC, near([ADDRESS6])), changed6(6, mac, CLAIM6)) == 2048


@pytest.mark.parametrize(
    "frame",
    [changed6(6, "0a0000000001", CLAIM6), SOLICITATION, changed6(77, "41", CLAIM6)],
    ids=["our own", "question for it", "next address"],
)
def test_other_neighbour_discovery_is_no_claim(frame: bytes) -> None:
    assert bpf.run(advertisements(MAC, near([ADDRESS6])), frame) == 0


@pytest.mark.parametrize("program", [arp_claims, advertisements], ids=lambda program: program.__name__)
def test_claims_to_many_addresses_fit_a_filter(program: Callable[[bytes, Near], bytes]) -> None:
    width = 4 if program is arp_claims else 16

    assert program(MAC, near([number.to_bytes(width, "big") for number in range(MOST_PREFIXES)]))
