"""A storm of ARP requests for addresses of others: `python -m tests.bench.storm [--quick]`.

A hundred thousand requests a second go to one speaker after the other, for addresses that none of them announces, while
each announces one address, and then ten thousand. *Ours* is the share of one core that all processes of our speaker
take, reply process included; *peer* what MetalLB's of the version in the line's name takes; *limit* what is allowed.
Lines named `sent` tell how strong the storm was that hit ours: below its limit the others mean less. `--quick`
leaves the peers and the API server out: the announcer alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.bench import flat
from tests.bench.report import line
from tests.bench.speaker_site import LEGACY, NEWER, OURS, SpeakerSite, cpu_s
from tests.lab import sandbox
from tests.lab.lan import Lan

if TYPE_CHECKING:
    from tests.lab.lan import Host

MANY = 10_000
RATE = 100_000
MOST_SHARE = 0.05
"""Of one core."""


def storm(client: Host, cable: str, victim: Host, seconds: float) -> tuple[float, float]:
    """Let one host be stormed; gives the requests a second, and the share of a core that its processes took."""
    words = [sys.executable, "-m", "tests.bench.storm_sender", cable, str(RATE), str(seconds)]
    before, begin = cpu_s(victim), time.monotonic()
    sender = client.popen(words, stdout=subprocess.PIPE, text=True)
    output, _ = sender.communicate()
    # Whatever it took the sender to start and end counts for the victim's processes, but not as time of the storm.
    sent, took_s = json.loads(output)
    whole_s = time.monotonic() - begin
    share = (cpu_s(victim) - before) / took_s
    if whole_s > took_s + seconds:
        raise RuntimeError(f"the sender needed {whole_s:.1f} s for a storm of {took_s:.1f} s")
    return sent / took_s, share


def report(many: int, rate: float, share: float, peers: dict[str, float]) -> None:
    """Print how strong the storm was and what it cost."""
    requests = round(rate)
    print(line(f"storm.{many}.sent", "requests/s", requests, rate, limit=RATE), flush=True)
    for peer, theirs in peers.items() or ((None, None),):
        title = f"storm.{many}.{peer}.cpu" if peer else f"storm.{many}.cpu"
        figures = line(title, "cores", requests, share, peer=theirs, limit=MOST_SHARE, smaller_is_better=True)
        print(figures, flush=True)


def full(seconds: float) -> None:
    """Measure whole speakers, with one Service and with many."""
    for many in (1, MANY):
        with SpeakerSite((OURS, NEWER, LEGACY)) as site:
            site.grow(many)
            site.start()
            site.freeze()
            stormed = {
                name: storm(site.client, site.interface(name), site.hosts[name], seconds) for name in site.speakers
            }
            rate, share = stormed.pop(OURS)
            report(many, rate, share, {name: theirs for name, (_, theirs) in stormed.items()})


def quick(seconds: float) -> None:
    """Measure the announcer alone."""
    with Lan() as lan:
        client = lan.host("client")
        for many in (1, MANY):
            node, cable = lan.host(f"node{many}"), f"to{many}"
            lan.cable(node, client, cable)
            flat.start_announcer(node, "arp", cable, many)
            report(many, *storm(client, cable, node, seconds), {})


if __name__ == "__main__":
    sandbox.enter()
    if "--quick" in sys.argv[1:]:
        quick(3)
    else:
        full(10)
