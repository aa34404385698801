"""Frames of neighbour discovery, byte by byte, against scapy as the second opinion."""

from __future__ import annotations

import random
import subprocess
import sys
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

import pytest
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6NDOptUnknown,
    IPv6,
)
from scapy.layers.l2 import Ether

from metalpy.layer2 import ndp

if TYPE_CHECKING:
    from scapy.packet import Packet

MAC = "0a:00:00:00:00:01"
LINK_LOCAL = IPv6Address("fe80::800:ff:fe00:1")
ADDRESS = IPv6Address("fd00::240")
CLIENT = "fd00::2"
CLIENT_MAC = "0a:00:00:00:00:02"
GROUP = "ff02::1:ff00:240"


def asked(
    *options: Packet, src: str = CLIENT, dst: str = GROUP, ethernet: str = CLIENT_MAC, **fields: int | None
) -> bytes:
    """Build a solicitation for the address; fields are those of scapy's ICMPv6 layer."""
    packet = Ether(src=ethernet, dst="33:33:ff:00:02:40") / IPv6(src=src, dst=dst, hlim=255)
    packet /= ICMPv6ND_NS(tgt=str(ADDRESS), **fields)
    for option in options:
        packet /= option
    return bytes(packet)


def asker(frame: bytes) -> bytes | None:
    """Ask who gets the answer, with what an earlier frame left behind in the buffer."""
    buffer = bytearray(frame).ljust(ndp.LONGEST, b"\1")
    return ndp.asker(buffer, len(frame))


SOURCE = ICMPv6NDOptSrcLLAddr(lladdr=CLIENT_MAC)
NONCE = ICMPv6NDOptUnknown(type=14, data=b"abcdef")
ORDINARY = asked(SOURCE)
PROBE = asked(src="::")


def broken(at: int, value: int) -> bytes:
    """Change one byte of an ordinary solicitation and nothing else."""
    return ORDINARY[:at] + bytes([value]) + ORDINARY[at + 1 :]


@pytest.mark.parametrize(
    "frame",
    [
        ORDINARY,
        asked(SOURCE, dst=str(ADDRESS)),
        asked(NONCE, SOURCE),
        asked(SOURCE, NONCE),
        asked(SOURCE, ethernet="0a:00:00:00:00:77"),
        asked(dst=str(ADDRESS)),
        ORDINARY + b"trailer",
    ],
    ids=["to many", "to us", "later option", "more options", "other Ethernet source", "to us, no option", "padded"],
)
def test_answer_goes_to_the_mac_that_asks(frame: bytes) -> None:
    assert asker(frame) == bytes.fromhex(CLIENT_MAC.replace(":", ""))


@pytest.mark.parametrize("frame", [PROBE, asked(NONCE, src="::")], ids=["plain", "RFC 7527"])
def test_probe_for_duplicates_is_answered_to_everybody(frame: bytes) -> None:
    assert asker(frame) is ndp.ALL_NODES_MAC


@pytest.mark.parametrize(
    "frame",
    [
        broken(85, 3),
        broken(57, ORDINARY[57] ^ 1),
        ORDINARY[:-1],
        ORDINARY[:78],
        asked(ICMPv6NDOptSrcLLAddr(lladdr=CLIENT_MAC, len=0)),
        asked(ICMPv6NDOptSrcLLAddr(lladdr=CLIENT_MAC, len=2)),
        asked(),
        asked(SOURCE, src="::"),
        asked(src="::", dst=str(ADDRESS)),
        asked(src="::", dst="ff02::1"),
        asked(SOURCE, src="ff02::1"),
        asked(ICMPv6NDOptSrcLLAddr(lladdr="33:33:00:00:00:01")),
    ],
    ids=[
        "checksum of what is said",
        "checksum itself",
        "one byte short",
        "no option where one is due",
        "option of length 0",
        "option beyond the end",
        "to many without a MAC",
        "probe with a MAC",
        "probe to one host",
        "probe to all nodes",
        "from a group",
        "group as the MAC",
    ],
)
def test_solicitation_that_breaks_a_rule_has_no_answer(frame: bytes) -> None:
    assert asker(frame) is None


def expected(dst_mac: str, dst: str, target: IPv6Address, **flags: int) -> bytes:
    return bytes(
        Ether(dst=dst_mac, src=MAC)
        / IPv6(src=str(LINK_LOCAL), dst=dst, hlim=255)
        / ICMPv6ND_NA(tgt=str(target), R=0, **flags)
        / ICMPv6NDOptDstLLAddr(lladdr=MAC)
    )


def test_answers_have_the_bytes_that_scapy_builds() -> None:
    mac = bytes.fromhex(MAC.replace(":", ""))
    solicited = ndp.Advertisement.solicited(mac, LINK_LOCAL.packed)
    defence = ndp.Advertisement.defence(mac, LINK_LOCAL.packed)
    chance = random.Random(1)
    for _ in range(300):
        target, client = IPv6Address(chance.randbytes(16)), IPv6Address(b"\xfe\x80" + chance.randbytes(14))
        to_mac = bytes.fromhex(CLIENT_MAC.replace(":", ""))

        assert solicited.fill(to_mac, client.packed, target.packed) == expected(
            CLIENT_MAC, str(client), target, S=1, O=0
        )
        assert defence.fill(ndp.ALL_NODES_MAC, ndp.ALL_NODES, target.packed) == expected(
            "33:33:00:00:00:01", "ff02::1", target, S=0, O=1
        )


def test_announcements_have_the_bytes_that_scapy_builds() -> None:
    chance = random.Random(2)
    for _ in range(300):
        target = IPv6Address(chance.randbytes(16))

        assert ndp.unsolicited(target, MAC, LINK_LOCAL) == expected("33:33:00:00:00:01", "ff02::1", target, S=0, O=1)


def test_questions_have_the_bytes_that_scapy_builds() -> None:
    chance = random.Random(3)
    for _ in range(300):
        target = IPv6Address(chance.randbytes(16))
        group = IPv6Address(ndp.solicited_node(target.packed))
        to_mac = "33:33:" + group.packed[12:].hex(":")

        assert ndp.probe(target, MAC, LINK_LOCAL) == bytes(
            Ether(dst=to_mac, src=MAC)
            / IPv6(src=str(LINK_LOCAL), dst=str(group), hlim=255)
            / ICMPv6ND_NS(tgt=str(target))
            / ICMPv6NDOptSrcLLAddr(lladdr=MAC)
        )


def test_question_of_a_host_about_to_take_an_address_is_right_for_random_addresses() -> None:
    chance = random.Random(4862)
    for _ in range(50):
        target = IPv6Address(chance.randbytes(16))
        group = IPv6Address(ndp.solicited_node(target.packed))
        packet = Ether(dst="33:33:" + group.packed[12:].hex(":"), src=MAC) / IPv6(src="::", dst=str(group), hlim=255)

        assert ndp.duplicate_probe(target, MAC) == bytes(packet / ICMPv6ND_NS(tgt=str(target))) + bytes(8)


def test_announcement_has_the_reference_bytes() -> None:
    frame = ndp.unsolicited(ADDRESS, MAC, LINK_LOCAL)

    assert frame[:14] == bytes.fromhex("3333 0000 0001 0a00 0000 0001 86dd")
    assert frame[58:62] == bytes.fromhex("20000000")
    assert frame[62:] == ADDRESS.packed + bytes.fromhex("02 01 0a0000000001")
    assert len(frame) == ndp.FRAME_LENGTH


def test_solicited_node_group_ends_like_the_address() -> None:
    assert ndp.solicited_node(IPv6Address("2001:db8::12:3456").packed) == IPv6Address("ff02::1:ff12:3456").packed


def test_module_does_not_import_scapy_before_a_frame_is_built() -> None:
    program = "import sys, metalpy.layer2.ndp; sys.exit('scapy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
