"""The least that Python can do to answer ARP: `python -m tests.bench.arp_bare_loop INTERFACE MANY`, until killed.

No filter, no counters, no control: what the reply process is measured against. Writes `ready` when it answers.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from tests.bench.arp_asker import ETHERTYPE_ARP, FIRST_ADDRESS


def main(interface: str, many: int) -> None:
    """Answer for ever."""
    mac = bytes.fromhex(Path(f"/sys/class/net/{interface}/address").read_text(encoding="ascii").replace(":", ""))
    table = {(FIRST_ADDRESS + number).to_bytes(4, "big") for number in range(many)}
    request, reply = bytearray(64), bytearray(60)
    reply[6:22] = mac + bytes.fromhex("0806 0001 0800 06 04 0002")
    reply[22:28] = mac
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_ARP)) as wire:
        wire.bind((interface, ETHERTYPE_ARP))
        print("ready", flush=True)
        while True:
            wire.recv_into(request)
            target = bytes(request[38:42])
            if target in table:
                reply[0:6] = request[22:28]
                reply[28:32] = target
                reply[32:42] = request[22:32]
                wire.send(reply)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
