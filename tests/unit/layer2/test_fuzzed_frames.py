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
from tests.unit.layer2.rfc_oracle import (
    BROADCAST,
    LINK_LOCAL,
    MAC,
    OURS4,
    OURS6,
    SOLICITED_NODE,
    arp_oracle,
    internet_checksum,
    ndp_oracle,
    pseudo_header,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

FRAMES = int(os.environ.get("FUZZ_FRAMES", "100000"))
OTHER_MAC = bytes.fromhex("0a0000000077")
ASKER_MAC = bytes.fromhex("0a0000000009")
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


def tables(ours: Collection[bytes]) -> tuple[Table, Table]:
    """Give counters of some addresses that are answered for everywhere, and of others for one interface only."""
    counters: list[Table] = [{}, {}]
    for index, address in enumerate(ours):
        counters[index % 2][address] = [0, 0, 0]
    return counters[0], counters[1]


def test_arp_frames_are_answered_as_rfc_826_says_and_no_others(wire: list[Wire]) -> None:
    everywhere, here = tables(OURS4)
    port = ARPPort(1, MAC, everywhere, packet_filter.near(OURS4))
    port.here = here
    fuzzer = Fuzzer(826)
    answered, silent = check(port, wire[0], arp_oracle, fuzzer.frames(fuzzer.arp))

    assert min(answered, silent) > FRAMES // 40
    assert sum(counts[1] for counts in {**everywhere, **here}.values()) == answered


def test_solicitations_are_answered_as_rfc_4861_says_and_no_others(wire: list[Wire]) -> None:
    everywhere, here = tables(OURS6)
    port = NDPPort(1, MAC, LINK_LOCAL, everywhere, packet_filter.near(OURS6))
    port.here = here
    fuzzer = Fuzzer(4861)
    answered, silent = check(port, wire[0], ndp_oracle, fuzzer.frames(fuzzer.ndp))

    assert min(answered, silent) > FRAMES // 40
    assert sum(counts[1] for counts in {**everywhere, **here}.values()) == answered
