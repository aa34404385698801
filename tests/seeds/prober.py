"""Asks addresses for an echo all the time, from the host that it runs on: `python -I prober.py ADDRESS...`.

Asked for the result by the end of its input, it writes one JSON object: for each address how many echoes were asked
for, and when those that never came were, in seconds since the start. An echo is one packet each way and comes from
the kernel, so one that is missing is one that the network lost: no connection that broke, no process that was busy.
"""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import struct
import sys
import time

INTERVAL_S = 0.02
LATE_S = 2.0
"""How long the last echoes are waited for."""
_HEADER = struct.Struct("!BBHHH")
_REQUEST, _REPLY = 8, 0
_WAYLESS = {errno.ENETUNREACH, errno.EHOSTUNREACH}


def checksum(data: bytes) -> int:
    """RFC 1071, of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


class Prober:
    """Echo requests to some addresses by turns, and what came of them."""

    def __init__(self, addresses: list[str]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._socket.setblocking(False)
        self._number = os.getpid() & 0xFFFF
        self._sequence = 0
        self._start = time.monotonic()
        self.asked = dict.fromkeys(addresses, 0)
        self.missing: dict[str, dict[int, float]] = {address: {} for address in addresses}

    def ask(self) -> None:
        """Ask each address once."""
        for address, missing in self.missing.items():
            self._sequence = (self._sequence + 1) & 0xFFFF
            packet = _HEADER.pack(_REQUEST, 0, 0, self._number, self._sequence)
            packet = _HEADER.pack(_REQUEST, 0, checksum(packet), self._number, self._sequence)
            missing[self._sequence] = round(time.monotonic() - self._start, 2)
            self.asked[address] += 1
            try:
                self._socket.sendto(packet, (address, 0))
            except OSError as error:
                if error.errno not in _WAYLESS:
                    raise

    def listen(self, until_s: float, *, heeds_input: bool = True) -> bool:
        """Take echoes until a time, or until the input ends: tells whether it has."""
        while (left_s := until_s - time.monotonic()) > 0:
            ready, _, _ = select.select([self._socket, *([sys.stdin] if heeds_input else [])], [], [], left_s)
            if self._socket in ready:
                self._take()
                if not heeds_input and not any(self.missing.values()):
                    break
            if sys.stdin in ready:
                return True
        return False

    def _take(self) -> None:
        packet, (address, _) = self._socket.recvfrom(2048)
        kind, _, _, number, sequence = _HEADER.unpack_from(packet, (packet[0] & 0x0F) * 4)
        if (kind, number) == (_REPLY, self._number):
            self.missing.get(address, {}).pop(sequence, None)


def main() -> None:
    """Probe until the input ends."""
    prober = Prober(sys.argv[1:])
    turn_s = time.monotonic()
    is_over = False
    while not is_over:
        prober.ask()
        turn_s = max(turn_s + INTERVAL_S, time.monotonic())
        is_over = prober.listen(turn_s)
    prober.listen(time.monotonic() + LATE_S, heeds_input=False)
    print(
        json.dumps({ip: {"asked": asked, "lost": [*prober.missing[ip].values()]} for ip, asked in prober.asked.items()})
    )


if __name__ == "__main__":
    main()
