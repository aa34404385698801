"""A storm of ARP requests: `python -m tests.bench.storm_sender INTERFACE RATE SECONDS`.

Asks over one interface for addresses that nobody announces, so many a second as evenly as one process can, and writes
`[SENT, SECONDS]`.
"""

from __future__ import annotations

import json
import random
import sys
import time

from tests.bench.flat_asker import address, mac_of, opened, request

FRAMES = 4096
AT_ONCE = 32
"""Frames between two looks at the clock."""
FIRST_FOREIGN, LAST_FOREIGN = 16_384, 65_535
"""Numbers of addresses that no benchmark announces."""
_SOL_PACKET = 263
_PACKET_QDISC_BYPASS = 20


def main(interface: str, rate: int, seconds: float) -> None:
    """Send."""
    mac, chance = mac_of(interface), random.Random(1)
    numbers = (chance.randint(FIRST_FOREIGN, LAST_FOREIGN) for _ in range(FRAMES))
    requests = [request("arp", mac, address("arp", number).packed) for number in numbers]
    groups = [requests[start : start + AT_ONCE] for start in range(0, FRAMES, AT_ONCE)]
    with opened("arp", interface, 1) as wire:
        wire.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        send, now, sent = wire.send, time.perf_counter, 0
        begin = current = now()
        while current - begin < seconds:
            for group in groups:
                while (current := now()) - begin < sent / rate:
                    pass  # a sleep is too coarse
                for frame in group:
                    send(frame)
                sent += AT_ONCE
                if current - begin >= seconds:
                    break
        print(json.dumps([sent, now() - begin]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
