"""Frames by hand, on a host of a Lan: `python -m tests.lan.wire_program COMMAND INTERFACE ...`.

    exchange INTERFACE FRAME...     send the frames (hexadecimal); the last is a request that must be answered
    capture INTERFACE COUNT         write `ready`, then the first COUNT broadcast ARP frames that come in

Both write every ARP reply (or broadcast) received, a line each, `exchange` up to the answer to its last frame: what
was to be answered before has been by then. Ends with status 1 after five seconds of silence.
"""

from __future__ import annotations

import socket
import struct
import sys

ETHERTYPE_ARP = 0x0806
BROADCAST = b"\xff" * 6
LIMIT_S = 5


def _open(interface: str) -> socket.socket:
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_ARP))
    wire.bind((interface, ETHERTYPE_ARP))
    wire.settimeout(LIMIT_S)
    return wire


def exchange(interface: str, *frames: str) -> None:
    """Send all, and show the replies up to the one for the last."""
    *_, last = sent = [bytes.fromhex(frame) for frame in frames]
    with _open(interface) as wire:
        for frame in sent:
            wire.send(frame)
        while True:
            answer = wire.recv(2048)
            if answer[20:22] == struct.pack("!H", 2) and answer[:6] != BROADCAST:
                print(answer.hex(), flush=True)
                if answer[28:32] == last[38:42]:
                    return


def capture(interface: str, count: str) -> None:
    """Show broadcast frames."""
    with _open(interface) as wire:
        print("ready", flush=True)
        left = int(count)
        while left:
            frame = wire.recv(2048)
            if frame[:6] == BROADCAST:
                print(frame.hex(), flush=True)
                left -= 1


if __name__ == "__main__":
    command = exchange if sys.argv[1] == "exchange" else capture
    try:
        command(*sys.argv[2:])
    except TimeoutError:
        sys.exit(f"nothing received for {LIMIT_S} s")
