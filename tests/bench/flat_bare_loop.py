"""The least that Python can do: `python -m tests.bench.flat_bare_loop arp|ndp|nud INTERFACE MANY` answers until killed.

No filter, no checks, no counters, no control: what the reply process is measured against. Writes `ready` when it
answers.
"""

from __future__ import annotations

import socket
import sys

from tests.bench.flat_asker import ETHERTYPES, LINK_LOCAL, address, mac_of


def answer_arp(wire: socket.socket, mac: bytes, table: set[bytes]) -> None:
    """Answer for ever."""
    request, reply = bytearray(64), bytearray(60)
    reply[6:22] = mac + bytes.fromhex("0806 0001 0800 06 04 0002")
    reply[22:28] = mac
    while True:
        wire.recv_into(request)
        target = bytes(request[38:42])
        if target in table:
            reply[0:6] = request[22:28]
            reply[28:32] = target
            reply[32:42] = request[22:32]
            wire.send(reply)


def answer_ndp(wire: socket.socket, mac: bytes, table: set[bytes]) -> None:
    """Answer for ever."""
    request = bytearray(128)
    head = bytes(6) + mac + bytes.fromhex("86dd 60000000 0020 3a ff") + LINK_LOCAL.packed + bytes(16)
    reply = bytearray(head + bytes.fromhex("8800 0000 40000000") + bytes(16) + b"\2\1" + mac)
    rest = int.from_bytes(reply[22:], "big") + 32 + 58
    while True:
        wire.recv_into(request)
        target = bytes(request[62:78])
        if target in table and request[54] == 135:
            source = request[22:38]
            reply[0:6] = request[80:86]
            reply[38:54] = source
            reply[62:78] = target
            total = rest + int.from_bytes(source, "big") + int.from_bytes(target, "big")
            reply[56:58] = (-total % 0xFFFF).to_bytes(2, "big")
            wire.send(reply)


def main(protocol: str, interface: str, many: int) -> None:
    """Answer for ever."""
    table = {address(protocol, number).packed for number in range(many)}
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as wire:
        wire.bind((interface, ETHERTYPES[protocol]))
        if protocol != "arp":  # in place of the groups: let in whatever multicast there is
            allmulti = 2  # PACKET_MR_ALLMULTI
            request = socket.if_nametoindex(interface).to_bytes(4, sys.byteorder)
            request += allmulti.to_bytes(2, sys.byteorder) + bytes(10)
            wire.setsockopt(263, 1, request)  # SOL_PACKET, PACKET_ADD_MEMBERSHIP
        print("ready", flush=True)
        (answer_arp if protocol == "arp" else answer_ndp)(wire, mac_of(interface), table)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
