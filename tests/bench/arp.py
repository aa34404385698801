"""ARP answers of whole speakers: `python -m tests.bench.arp [--quick]`.

The asker's cables to metalpy, to MetalLB's speakers 0.15.2 and 0.11.0 and to a host whose kernel answers by itself are
alike; short rounds go round all of them, so that whatever else the machine does hits all alike. With one address and
with ten thousand, each a Service on an API server: `rate` is answers a second with one request on its way at a time,
`rate16` with sixteen, `p50` and `p99` how long the former take. *Peer* is the one in the line's name, *limit* the
kernel's. `--quick` leaves the peers and the API server out: the announcer alone, against the kernel. A line `repeated`
comes only where requests got no answer within a second, and were repeated.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.bench import flat
from tests.bench.answers import Answers, Asker
from tests.bench.lan_cluster import POOL
from tests.bench.report import line
from tests.bench.speaker_site import KERNEL, LEGACY, NEWER, OURS, SpeakerSite
from tests.lab import sandbox
from tests.lab.lan import Lan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MANY = 10_000
LOOKS = {1: 1000, 16: 0}
"""How many requests are on their way at a time, and how often the asker looks for an answer before it sleeps. Its own
waking would count as the answerer's time, where a single request is waited for."""
Figures = dict[tuple[str, int], Answers]
"""By contestant and by how many requests were on their way at a time."""


def measure(asker: Asker, cables: Mapping[str, str], many: int, rounds: int, seconds: float) -> Figures:
    """Ask everybody in turn, over the cables of those names."""
    figures = {(name, outstanding): Answers() for name in cables for outstanding in LOOKS}
    for _ in range(rounds):
        for (name, outstanding), answers in figures.items():
            answers.add(asker.ask(cables[name], many, outstanding, seconds, LOOKS[outstanding]))
    return figures


def report(many: int, figures: Figures, peers: Sequence[str]) -> None:
    """Print our figures beside each peer's and the kernel's."""
    for peer in peers or (None,):
        title = f"arp.{many}.{peer}" if peer else f"arp.{many}"
        for outstanding in LOOKS:
            ours, limit = figures[OURS, outstanding], figures[KERNEL, outstanding].rate
            theirs = figures[peer, outstanding].rate if peer else None
            suffix = "" if outstanding == 1 else f"{outstanding}"
            print(line(f"{title}.rate{suffix}", "answers/s", ours.count, ours.rate, peer=theirs, limit=limit))
        for quantile in (50, 99):
            taken = {name: each.quantile_us(quantile / 100) for (name, many_), each in figures.items() if many_ == 1}
            ours_us, theirs, limit = taken[OURS], taken[peer] if peer else None, taken[KERNEL]
            answers = figures[OURS, 1].count
            title_ = f"{title}.p{quantile}"
            print(line(title_, "µs", answers, ours_us, peer=theirs, limit=limit, smaller_is_better=True), flush=True)
    for (name, outstanding), each in figures.items():
        if each.repeated:
            title = f"arp.{many}.{name}.repeated{outstanding}"
            print(line(title, "requests", each.count, each.repeated), flush=True)


def full() -> None:
    """Measure whole speakers, with one Service and with many."""
    peers = (NEWER, LEGACY)
    for many in (1, MANY):
        with SpeakerSite((OURS, *peers)) as site:
            site.grow(many)
            site.start()
            site.freeze()
            cables = {name: site.interface(name) for name in site.hosts}
            report(many, measure(site.asker, cables, many, 40, 0.1), peers)


def quick() -> None:
    """Measure the announcer alone beside the kernel."""
    with Lan() as lan:
        client = lan.host("client")
        asker = Asker(client)
        hosts = {name: lan.host(name) for name in (OURS, f"{OURS}-many", KERNEL)}
        cables = {name: f"to-{name[-11:]}" for name in hosts}
        for name, host in hosts.items():
            lan.cable(host, client, cables[name])
        hosts[KERNEL].run(["ip", "route", "replace", "local", POOL, "dev", "lo"])
        for name, many in ((OURS, 1), (f"{OURS}-many", MANY)):
            flat.start_announcer(hosts[name], "arp", cables[name], many)
            asker.wait(cables[name], many, 10)
            pair = {OURS: cables[name], KERNEL: cables[KERNEL]}
            report(many, measure(asker, pair, many, 10, 0.05), ())


if __name__ == "__main__":
    sandbox.enter()
    (quick if "--quick" in sys.argv[1:] else full)()
