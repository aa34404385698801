"""NDP: as fast with ten thousand addresses as with one? `python -m tests.bench.ndp [--quick]`, see flat.py.

Twice: `ndp_flat` asks in the multicast group of the address, as a host does that does not know its MAC, and
`ndp_probe_flat` the answering host alone, as one does that makes sure. Our part is the same. In the first the kernel
searches the list of the groups that it joined for us, all ten thousand for each question: a third of a millisecond,
which over a veth the asker waits for. Without the joins there would be no list, but no MLD reports either, and
a switch that snoops would forward nothing: only a responder that spoke MLD itself could do without.
"""

from __future__ import annotations

import sys

from tests.bench import flat
from tests.lab import sandbox

if __name__ == "__main__":
    sandbox.enter()
    flat.run("ndp", "ndp_flat", "ndp_bare_loop", sys.argv[1:])
    flat.run("nud", "ndp_probe_flat", "ndp_probe_bare_loop", sys.argv[1:])
