"""A flood of frames, most of them wrong somehow: what is answered is what a second reading of the RFCs says.

`FUZZ_FRAMES` says how many (`make fuzz`: a million). Frames go the whole way: through the kernel's filter, run by a
machine of our own, and the loop that answers, whose socket is one of our own too.
"""

from __future__ import annotations

import os
import random
import struct
from typing import TYPE_CHECKING, Any

import pytest

from metalpy.layer2 import packet_filter, ports
from metalpy.layer2.ports import ARPPort, NDPPort, Port, Table
from tests.unit.layer2 import bpf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FRAMES = int(os.environ.get("FUZZ_FRAMES", "100000"))
MAC = bytes.fromhex("0a0000000001")
OTHER_MAC = bytes.fromhex("0a0000000077")
ASKER_MAC = bytes.fromhex("0a0000000009")
BROADCAST = b"\xff" * 6
LINK_LOCAL = bytes.fromhex("fe80 0000 0000 0000 0800 00ff fe00 0001")
OURS4 = [bytes([192, 168, 1, last]) for last in (240, 241, 250)]
OURS6 = [bytes.fromhex("fd00") + bytes(12) + last.to_bytes(2, "big") for last in (0x240, 0x241, 0x1250)]
SOLICITED_NODE = bytes.fromhex("ff02 0000 0000 0000 0000 0001 ff")
OTHER_HOST = 3


class Wire:
    """In place of a packet socket: gives the frames that a kernel would, and keeps what is sent."""

    def __init__(self, program: bytes) -> None:
        self._program = program
        self.frame = b""
        self.sent: list[bytes] = []

    def setsockopt(self, *_: Any) -> None:
        """Take no notice of time limits."""

    def recv_into(self, buffer: bytearray) -> int:
        """Give the frame once, as far as the filter lets it through and the buffer has room."""
        frame, self.frame = self.frame, b""
        seen, ancillary = as_the_kernel_sees_it(frame)
        length = min(bpf.run(self._program, seen, ancillary), len(seen), len(buffer))
        if not length:
            raise BlockingIOError
        buffer[:length] = seen[:length]
        return length

    def send(self, frame: bytearray) -> None:
        """Keep it."""
        self.sent.append(bytes(frame))


def as_the_kernel_sees_it(frame: bytes) -> tuple[bytes, dict[int, int]]:
    """Take a VLAN tag out, and say what the kernel knows then."""
    ancillary = {}
    if frame[12:14] == b"\x81\x00" and len(frame) >= 18:
        if int.from_bytes(frame[14:16], "big") & 0xFFF:
            # Whether this host has an interface for the VLAN or not makes one or the other of these.
            ancillary = {bpf.VLAN_TAG_PRESENT: 1} if frame[15] & 1 else {bpf.PACKET_TYPE: OTHER_HOST}
        frame = frame[:12] + frame[16:]
    if frame and not frame[0] & 1 and frame[:6] != MAC:
        ancillary[bpf.PACKET_TYPE] = OTHER_HOST
    return frame, ancillary


def untagged(frame: bytes) -> bytes | None:
    """Oracle: the frame without a priority tag; None if it is no frame for the untagged LAN."""
    if len(frame) < 14:
        return None
    if frame[12:14] != b"\x81\x00":
        return frame
    if len(frame) < 18 or struct.unpack("!H", frame[14:16])[0] % 4096:
        return None
    return frame[:12] + frame[16:]


def arp_oracle(wire_frame: bytes) -> bytes | None:
    """Give the only right answer to an ARP frame, by RFC 826; who asks is what the ARP packet says."""
    frame = untagged(wire_frame)
    if frame is None or len(frame) < 14 + 28:
        return None
    destination, ethertype = frame[:6], frame[12:14]
    packet: tuple[Any, ...] = struct.unpack("!HHBBH6s4s6s4s", frame[14:42])
    if ethertype != b"\x08\x06" or packet[:5] != (1, 0x800, 6, 4, 1) or destination not in (BROADCAST, MAC):
        return None
    sender_mac: bytes = packet[5]
    sender_ip: bytes = packet[6]
    target: bytes = packet[8]
    if target not in OURS4:
        return None
    answer = struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 2, MAC, target, sender_mac, sender_ip)
    return sender_mac + MAC + b"\x08\x06" + answer + bytes(18)


def internet_checksum(data: bytes) -> int:
    """Sum up as RFC 1071 tells it, word by word."""
    padded = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    """RFC 8200 section 8.1."""
    return source + destination + struct.pack("!II", length, 58)


def ndp_oracle(wire_frame: bytes) -> bytes | None:
    """Give the only right answer to an IPv6 frame, by RFC 4861 sections 7.1.1 and 7.2.4."""
    frame = untagged(wire_frame)
    if frame is None or frame[12:14] != b"\x86\xdd" or len(frame) < 54:
        return None
    if frame[:6] != MAC and not frame[0] & 1:
        return None
    version, length, next_header, hop_limit, source, destination = struct.unpack("!B3xHBB16s16s", frame[14:54])
    message = frame[54 : 54 + length]
    if version >> 4 != 6 or next_header != 58 or hop_limit != 255 or len(message) != length or length < 24:
        return None
    if message[:2] != b"\x87\0" or internet_checksum(pseudo_header(source, destination, length) + message):
        return None
    target, options, asker = message[8:24], message[24:], None
    while options:
        size = options[1] * 8 if len(options) > 1 else 0
        if not size or size > len(options):
            return None
        if options[0] == 1 and size == 8:
            asker = options[2:8]
        options = options[size:]
    if target not in OURS6 or source[0] == 0xFF:
        return None
    if source == bytes(16):
        to_all = destination[:13] == SOLICITED_NODE and asker is None
        return advertisement(b"\x33\x33\0\0\0\1", b"\xff\2" + bytes(13) + b"\1", target, 0x20) if to_all else None
    if asker is None and destination[0] != 0xFF:
        asker = frame[6:12]
    return None if asker is None or asker[0] & 1 else advertisement(asker, source, target, 0x40)


def advertisement(mac: bytes, destination: bytes, target: bytes, flags: int) -> bytes:
    """Build an advertisement of ours."""
    message = bytes([136, 0, 0, 0, flags, 0, 0, 0]) + target + b"\2\1" + MAC
    checksum = internet_checksum(pseudo_header(LINK_LOCAL, destination, len(message)) + message)
    header = struct.pack("!IHBB", 6 << 28, len(message), 58, 255) + LINK_LOCAL + destination
    return mac + MAC + b"\x86\xdd" + header + message[:2] + checksum.to_bytes(2, "big") + message[4:]


class Fuzzer:
    """Makes frames of both families by a seed: right ones, and ones with one or several things wrong."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def arp(self) -> bytes:
        """Make an ARP frame, or what claims to be one."""
        chance = self._chance
        sender_mac = chance.choice([ASKER_MAC, ASKER_MAC, BROADCAST, MAC, chance.randbytes(6)])
        sender_ip = chance.choice([bytes([192, 168, 1, 9]), bytes(4), b"\xff" * 4, bytes([224, 0, 0, 1]), *OURS4])
        target = chance.choice([*OURS4, chance.randbytes(4), bytes([192, 168, 1, chance.randrange(256)])])
        destination = chance.choice([BROADCAST, BROADCAST, MAC, OTHER_MAC, b"\1\0\x5e\0\0\1"])
        operation = chance.choice([1, 1, 1, 1, 2, 3, 0, 0x101])
        packet = struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, operation, sender_mac, sender_ip, bytes(6), target)
        return self._spoiled(destination + ASKER_MAC + b"\x08\x06" + packet + bytes(18), 22)

    def ndp(self) -> bytes:
        """Make a neighbour solicitation, or what claims to be one."""
        chance = self._chance
        target = chance.choice([*OURS6 * 3, chance.randbytes(16), OURS6[0][:15] + chance.randbytes(1)])
        group = SOLICITED_NODE + target[13:]
        to_group = (b"\x33\x33" + group[12:], group)
        mac, destination = chance.choice(
            [to_group] * 5 + [(MAC, target), (MAC, target), (MAC, group), (OTHER_MAC, target)]
        )
        source = chance.choice([LINK_LOCAL[:15] + b"\x09"] * 6 + [bytes(16), bytes(16), b"\xff\2" + bytes(13) + b"\1"])
        options = b"".join(self._option() for _ in range(chance.choice([0, 1, 1, 1, 1, 2, 5])))
        kind, code = chance.choice([(135, 0)] * 12 + [(136, 0), (135, 1), (133, 0)])
        message = bytes([kind, code, 0, 0]) + bytes(4) + target + options
        checksum = internet_checksum(pseudo_header(source, destination, len(message)) + message)
        if not chance.randrange(10):
            checksum = chance.randrange(0x10000)
        message = message[:2] + checksum.to_bytes(2, "big") + message[4:]
        next_header, hop_limit = chance.choice([(58, 255)] * 20 + [(58, 254), (58, 0), (0, 255), (60, 255), (6, 255)])
        if next_header in (0, 60):  # hop-by-hop or destination options stand before the message
            message = bytes([58, 0, 1, 4, 0, 0, 0, 0]) + message
        length = len(message) if chance.randrange(10) else max(0, len(message) + chance.randint(-30, 30))
        version = 6 if chance.randrange(20) else chance.randrange(16)
        header = struct.pack("!IHBB", version << 28, length, next_header, hop_limit) + source + destination
        return self._spoiled(mac + ASKER_MAC + b"\x86\xdd" + header + message, 54)

    def _option(self) -> bytes:
        chance = self._chance
        kind = chance.choice([1, 1, 1, 2, 14, chance.randrange(256)])
        size = chance.choice([1] * 12 + [2, 0, 200])
        content = chance.choice([ASKER_MAC] * 6 + [b"\x33\x33\0\0\0\1"])
        return bytes([kind, size]) + content.ljust(8 * min(size, 3) - 2, b"\0")

    def _spoiled(self, frame: bytes, header: int) -> bytes:
        """Damage a frame in one of the ways that do not know what is in it, or leave it as it is."""
        chance = self._chance
        match chance.randrange(8):
            case 0:
                return frame[: chance.randrange(len(frame) + 1)]
            case 1:
                at = chance.randrange(header)
                return frame[:at] + chance.randbytes(1) + frame[at + 1 :]
            case 2:
                tag = chance.choice([0, 0x2000, 7, 8, 0xFFF, 0x6001])
                return frame[:12] + b"\x81\0" + tag.to_bytes(2, "big") + frame[12:]
            case 3:
                return frame + chance.randbytes(chance.randrange(60))
            case _:
                return frame

    def frames(self, make: Callable[[], bytes]) -> Iterator[bytes]:
        """Make this test's share of all frames."""
        for _ in range(FRAMES // 2):
            yield make()


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> list[Wire]:
    """Let ports open sockets of ours, and keep them here."""
    opened: list[Wire] = []

    def packet_socket(_index: int, _ethertype: int, program: bytes) -> Wire:
        opened.append(Wire(program))
        return opened[-1]

    monkeypatch.setattr(ports, "packet_socket", packet_socket)
    return opened


def check(port: Port, wire: Wire, oracle: Callable[[bytes], bytes | None], frames: Iterator[bytes]) -> tuple[int, int]:
    """Let the port have every frame; gives how many were to be answered and how many not."""
    answered = silent = 0
    for frame in frames:
        wire.frame = frame
        wire.sent.clear()
        with pytest.raises(BlockingIOError):  # there is never a second frame
            port._answer()
        expected = oracle(frame)
        assert wire.sent == ([] if expected is None else [expected]), frame.hex()
        answered, silent = answered + (expected is not None), silent + (expected is None)
    return answered, silent


def test_arp_frames_are_answered_as_rfc_826_says_and_no_others(wire: list[Wire]) -> None:
    table: Table = {address: [0, 0, 0] for address in OURS4}
    port = ARPPort(1, MAC, table, packet_filter.near(OURS4))
    fuzzer = Fuzzer(826)
    answered, silent = check(port, wire[0], arp_oracle, fuzzer.frames(fuzzer.arp))

    assert min(answered, silent) > FRAMES // 40
    assert sum(counts[1] for counts in table.values()) == answered


def test_solicitations_are_answered_as_rfc_4861_says_and_no_others(wire: list[Wire]) -> None:
    table: Table = {address: [0, 0, 0] for address in OURS6}
    port = NDPPort(1, MAC, LINK_LOCAL, table, packet_filter.near(OURS6))
    fuzzer = Fuzzer(4861)
    answered, silent = check(port, wire[0], ndp_oracle, fuzzer.frames(fuzzer.ndp))

    assert min(answered, silent) > FRAMES // 40
    assert sum(counts[1] for counts in table.values()) == answered
