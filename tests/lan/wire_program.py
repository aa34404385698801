"""Frames by hand, on a host of a Lan: `python -m tests.lan.wire_program COMMAND INTERFACE ...`.

    exchange INTERFACE FRAME...             send the frames (hexadecimal); the last asks what must be answered
    capture INTERFACE ipv4|ipv6 COUNT       write `ready`, then the first COUNT announcements to all that come in

Both write every ARP reply or neighbour advertisement received, a line each, `exchange` up to the answer to its last
frame: what was to be answered before has been by then. Ends with status 1 after five seconds of silence.
"""

from __future__ import annotations

import socket
import struct
import sys

ETHERTYPE_ARP = 0x0806
ETHERTYPE_IPV6 = 0x86DD
ARP_REPLY = struct.pack("!H", 2)
ADVERTISEMENT = 136
BROADCAST = b"\xff" * 6
ALL_NODES = bytes.fromhex("333300000001")
LIMIT_S = 5


def _open(interface: str, ethertype: int) -> socket.socket:
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethertype))
    wire.bind((interface, ethertype))
    wire.settimeout(LIMIT_S)
    return wire


def exchange(interface: str, *frames: str) -> None:
    """Send all, and show the answers up to the one for the last."""
    *_, last = sent = [bytes.fromhex(frame) for frame in frames]
    (ethertype,) = struct.unpack("!H", last[12:14])
    with _open(interface, ethertype) as wire:
        for frame in sent:
            wire.send(frame)
        while True:
            answer = wire.recv(2048)
            if ethertype == ETHERTYPE_ARP:
                is_answer = answer[20:22] == ARP_REPLY and answer[:6] != BROADCAST
                is_last = answer[28:32] == last[38:42]
            else:
                is_answer = answer[20] == socket.IPPROTO_ICMPV6 and answer[54] == ADVERTISEMENT
                is_last = answer[62:78] == last[62:78]
            if is_answer:
                print(answer.hex(), flush=True)
                if is_last:
                    return


def capture(interface: str, family: str, count: str) -> None:
    """Show what is sent to all."""
    with _open(interface, ETHERTYPE_ARP if family == "ipv4" else ETHERTYPE_IPV6) as wire:
        print("ready", flush=True)
        left = int(count)
        while left:
            frame = wire.recv(2048)
            if frame[:6] == BROADCAST or (frame[:6] == ALL_NODES and frame[54] == ADVERTISEMENT):
                print(frame.hex(), flush=True)
                left -= 1


if __name__ == "__main__":
    command = exchange if sys.argv[1] == "exchange" else capture
    try:
        command(*sys.argv[2:])
    except TimeoutError:
        sys.exit(f"nothing received for {LIMIT_S} s")
