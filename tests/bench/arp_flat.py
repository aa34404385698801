"""ARP: as fast with ten thousand addresses as with one? `python -m tests.bench.arp_flat [--quick]`, see flat.py."""

from __future__ import annotations

import sys

from tests.bench import flat

if __name__ == "__main__":
    flat.run("arp", "arp_flat", "arp_bare_loop", sys.argv[1:])
