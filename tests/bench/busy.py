"""How long answers take while the cluster is busy: `python -m tests.bench.busy [--quick]`.

Ten thousand Services get addresses of this node, are changed and deleted, on an API server, while a client goes on
asking for one address, over one cable of our speaker and over another of a host whose kernel answers, in turn. *Ours*
is the time within which 99 of 100 answers came meanwhile (or 50), *limit* that of the same host with nothing going
on, before and after. The kernel's lines say what the machine does to anybody. The API server, which is elsewhere in
real life, and whoever writes to its etcd get the processors only when nobody else wants them. The line `load` says
how many Services a second were made, changed and deleted.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

from metalpy.model import SHARING_ANNOTATION
from tests.bench.answers import Answers
from tests.bench.etcd_services import Change, creation, deletion, service, write
from tests.bench.processors import yield_processors
from tests.bench.report import line
from tests.bench.speaker_site import KERNEL, OURS, SpeakerSite
from tests.lab import sandbox

ROUND_S = 0.2
PAUSE_S = 0.4
"""Between two rounds of asking, which alone take half of the processors: the cluster is to get on meanwhile."""
Figures = dict[str, Answers]


def ask(site: SpeakerSite, figures: Figures) -> None:
    """Ask both once."""
    for name in (OURS, KERNEL):
        figures.setdefault(name, Answers()).add(site.asker.ask(site.interface(name), 1, 1, ROUND_S))


def rest(site: SpeakerSite, rounds: int, figures: Figures) -> None:
    """Ask while nothing happens."""
    for _ in range(rounds):
        ask(site, figures)


def change(number: int) -> list[Change]:
    """Give what changes a Service so that a speaker has to think about it anew."""
    return [service(number, **{SHARING_ANNOTATION: "changed"})]


async def storm_of_changes(site: SpeakerSite, many: int, figures: Figures) -> float:
    """Ask while Services are created, changed and deleted, each until all is digested; gives the seconds for all."""
    is_over, begin = False, time.monotonic()

    async def go_on_asking() -> None:
        while not is_over:
            await asyncio.to_thread(ask, site, figures)
            await asyncio.sleep(PAUSE_S)

    asking = asyncio.create_task(go_on_asking())
    numbers = range(1, many + 1)
    updates = site.updates()
    for kind, changes in ((creation, 2), (change, 1), (deletion, 2)):  # a Service, and its endpoints
        await write(site.api, (kind(number) for number in numbers))
        updates += changes * many
        await asyncio.to_thread(site.digest, updates)
    took_s = time.monotonic() - begin
    is_over = True
    await asking
    return took_s


def measure(many: int, rounds: int) -> None:
    """Measure and print."""
    at_rest: Figures = {}
    busy: Figures = {}
    with SpeakerSite((OURS,)) as site:
        site.grow(1)
        site.start()
        site.settle()
        yield_processors(site.api.etcd.pid, site.api.api_server.pid, os.getpid())
        rest(site, rounds, at_rest)
        took_s = asyncio.run(storm_of_changes(site, many, busy))
        site.settle()
        rest(site, rounds, at_rest)
    print(line(f"busy.{many}.load", "Services/s", many, many / took_s), flush=True)
    for name in (OURS, KERNEL):
        for share in (50, 99):
            ours_us, limit_us = (each[name].quantile_us(share / 100) for each in (busy, at_rest))
            title, answers = f"busy.{many}.{name}.p{share}", busy[name].count
            print(line(title, "µs", answers, ours_us, limit=limit_us, smaller_is_better=True), flush=True)


if __name__ == "__main__":
    sandbox.enter()
    measure(*((50, 4) if "--quick" in sys.argv[1:] else (10_000, 50)))
