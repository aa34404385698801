"""A client that asks for one address after the other: `python -m tests.bench.flat_asker arp|ndp|nud SECONDS`.

ARP requests go to everybody, ndp asks in the group of the address, nud asks the answering host alone.

For every line `INTERFACE MANY` that it reads it asks for that long over that interface, one request outstanding at a
time, for the first MANY addresses in random order, and writes one JSON object: `asked`, `seconds`, `p50_us`,
`p99_us`, `repeated`. As hosts do, it asks again after a second without an answer: a machine that stands still for as
long is no news of the announcer. All of it counts as time that the answer took. After ten seconds it gives up.
"""

from __future__ import annotations

import contextlib
import functools
import json
import random
import socket
import struct
import sys
import time
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ETHERTYPES = {"arp": 0x0806, "ndp": 0x86DD, "nud": 0x86DD}
ASKED = {"arp": slice(38, 42), "ndp": slice(62, 78), "nud": slice(62, 78)}
"""Where a request says for which address it is."""
ANSWERED = {"arp": slice(28, 32), "ndp": slice(62, 78), "nud": slice(62, 78)}
FRAMES = 10_000
"""As many frames are kept whatever MANY is, so that the client itself works equally fast."""
LINK_LOCAL = IPv6Address("fe80::a5ce:4")
PATIENCE_S = 10
"""How long an announcer may take until it answers a request."""
REPEAT_S = 1
"""A host asks again after that (RetransTimer of RFC 4861 section 10, retrans_time_ms of Linux for ARP)."""


def address(protocol: str, number: int) -> IPv4Address | IPv6Address:
    """Give the address of that number."""
    return IPv4Address("10.0.0.0") + number if protocol == "arp" else IPv6Address("fd00::1:0:0") + number


def mac_of(interface: str) -> bytes:
    """Read an interface's MAC."""
    return bytes.fromhex(Path(f"/sys/class/net/{interface}/address").read_text(encoding="ascii").replace(":", ""))


def checksum(frame: bytes) -> bytes:
    """Give the ICMPv6 checksum of a frame with one option that has zeros in its place."""
    return (-(int.from_bytes(frame[22:], "big") + 32 + 58) % 0xFFFF).to_bytes(2, "big")


def request(protocol: str, mac: bytes, target: bytes, host: bytes = b"") -> bytes:
    """Build a request; `host` is the MAC of the host to ask alone."""
    if protocol == "arp":
        head = b"\xff" * 6 + mac + bytes.fromhex("0806 0001 0800 06 04 0001") + mac + bytes([10, 255, 0, 1])
        return (head + bytes(6) + target).ljust(60, b"\0")
    group = bytes.fromhex("ff02 0000 0000 0000 0000 0001 ff") + target[13:]
    to, destination = (host, target) if host else (b"\x33\x33" + group[12:], group)
    head = to + mac + bytes.fromhex("86dd 60000000 0020 3a ff") + LINK_LOCAL.packed + destination
    frame = head + bytes([135]) + bytes(7) + target + b"\1\1" + mac
    return frame[:56] + checksum(frame) + frame[58:]


@functools.cache
def frames(protocol: str, interface: str, many: int) -> list[bytes]:
    """Build the requests to send over an interface."""
    mac, chance = mac_of(interface), random.Random(many)
    numbers = chance.sample([number % many for number in range(FRAMES)], FRAMES)
    host = answering_host("ndp", interface, many) if protocol == "nud" else b""
    return [request(protocol, mac, address(protocol, number).packed, host) for number in numbers]


@functools.cache
def answering_host(protocol: str, interface: str, many: int) -> bytes:
    """Wait until the first request is answered, and give the MAC of who does; once for each interface."""
    first, until_s = frames(protocol, interface, many)[0], time.monotonic() + PATIENCE_S
    with opened(protocol, interface, 0.1) as wire:
        while time.monotonic() < until_s:
            wire.send(first)
            with contextlib.suppress(BlockingIOError):
                answer = wire.recv(128)
                if answer[ANSWERED[protocol]] == first[ASKED[protocol]]:
                    return answer[6:12]
    raise TimeoutError(f"no answer over {interface} within {PATIENCE_S} s")


def patiently(receive: Callable[[], object], ask_again: Callable[[], None], interface: str) -> Callable[[], None]:
    """Give a way to receive that asks again whenever nothing came for `REPEAT_S`, and gives up after `PATIENCE_S`."""

    def received() -> None:
        for _ in range(PATIENCE_S // REPEAT_S):
            try:
                receive()
            except BlockingIOError:
                ask_again()
            else:
                return
        raise TimeoutError(f"nothing came over {interface} for {PATIENCE_S} s")

    return received


def opened(protocol: str, interface: str, patience_s: float) -> socket.socket:
    """Open a packet socket that gives up after a while."""
    ethertype = ETHERTYPES[protocol]
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethertype))
    wire.bind((interface, ethertype))
    limit = struct.pack("@ll", int(patience_s), int(patience_s % 1 * 1e6))
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    return wire


def ask(protocol: str, interface: str, many: int, seconds: float) -> dict[str, float]:
    """Ask for that long, and return the figures."""
    answering_host(protocol, interface, many)
    requests = frames(protocol, interface, many)
    asked, answered = ASKED[protocol], ANSWERED[protocol]
    answer = bytearray(128)
    taken_ns: list[int] = []
    repeated = 0
    now = time.perf_counter_ns
    with opened(protocol, interface, REPEAT_S) as wire:
        send, note = wire.send, taken_ns.append

        def ask_again() -> None:
            nonlocal repeated
            repeated += 1
            send(frame)

        receive = patiently(partial(wire.recv_into, answer), ask_again, interface)
        begin = last = now()
        end = begin + int(seconds * 1e9)
        while last < end:
            for frame in requests:
                send(frame)
                receive()
                while answer[answered] != frame[asked]:  # IPv6 hosts have other things to say too
                    receive()
                current = now()
                note(current - last)
                last = current
                if last >= end:
                    break
    taken_ns.sort()
    return {
        "asked": len(taken_ns),
        "seconds": (last - begin) / 1e9,
        "p50_us": taken_ns[len(taken_ns) // 2] / 1000,
        "p99_us": taken_ns[len(taken_ns) * 99 // 100] / 1000,
        "repeated": repeated,
    }


if __name__ == "__main__":
    for line in sys.stdin:
        name, count = line.split()
        print(json.dumps(ask(sys.argv[1], name, int(count), float(sys.argv[2]))), flush=True)
