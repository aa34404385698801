"""A client that asks for one address after the other: `python -m tests.bench.arp_asker SECONDS`.

For every line `INTERFACE MANY` that it reads it asks for that long over that interface, one request outstanding at a
time, for the first MANY addresses from 10.0.0.0 on in random order, and writes one JSON object: `asked`, `seconds`,
`p50_us`, `p99_us`. A request that gets no answer within a second ends it.
"""

from __future__ import annotations

import functools
import json
import random
import socket
import struct
import sys
import time
from pathlib import Path

ETHERTYPE_ARP = 0x0806
FRAMES = 10_000
"""As many frames are kept whatever MANY is, so that the client itself works equally fast."""
FIRST_ADDRESS = 10 << 24


@functools.cache
def frames(interface: str, many: int) -> list[bytes]:
    """Build the requests to send over an interface."""
    text = Path(f"/sys/class/net/{interface}/address").read_text(encoding="ascii")
    mac = bytes.fromhex(text.replace(":", ""))
    head = b"\xff" * 6 + mac + bytes.fromhex("0806 0001 0800 06 04 0001") + mac + bytes([10, 255, 0, 1]) + bytes(6)
    chance = random.Random(many)
    return [
        (head + (FIRST_ADDRESS + number).to_bytes(4, "big")).ljust(60, b"\0")
        for number in chance.sample([number % many for number in range(FRAMES)], FRAMES)
    ]


def ask(interface: str, many: int, seconds: float) -> dict[str, float]:
    """Ask for that long, and return the figures."""
    requests = frames(interface, many)
    answer = bytearray(64)
    taken_ns: list[int] = []
    now = time.perf_counter_ns
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_ARP)) as wire:
        wire.bind((interface, ETHERTYPE_ARP))
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 1, 0))
        send, receive, note = wire.send, wire.recv_into, taken_ns.append
        begin = last = now()
        end = begin + int(seconds * 1e9)
        while last < end:
            for request in requests:
                send(request)
                receive(answer)
                if answer[28:32] != request[38:42]:
                    raise RuntimeError(f"asked with {request.hex()}, got {answer.hex()}")
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
    }


if __name__ == "__main__":
    for line in sys.stdin:
        name, count = line.split()
        print(json.dumps(ask(name, int(count), float(sys.argv[1]))), flush=True)
