"""The speaker as a program: its cluster, its network, and how it leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from metalpy.daemon.bgp_program import bgp_announcing
from metalpy.daemon.layer2_announcing import Layer2Announcing
from metalpy.daemon.speaker import Speaker
from metalpy.layer2.announcer import Announcer, Timing
from metalpy.layer2.interfaces import Choice
from metalpy.membership.sources import ClusterMembers, StaticMembers
from metalpy.observe.metrics import FailoverMetrics, Layer2Metrics, SpeakerMetrics

if TYPE_CHECKING:
    from metalpy.cluster.credentials import Reading
    from metalpy.daemon.programs import Observed
    from metalpy.daemon.settings import ClusterSettings, SpeakerSettings

LINGER_S = 5.0
"""How long addresses are answered for after a planned end, unless somebody else takes them over before."""


async def run_speaker(
    settings: ClusterSettings, speaker: SpeakerSettings, reading: Reading | None, seen: Observed
) -> None:
    """Announce until cancelled; `reading`: the API server's credentials, which were begun."""
    counters = Layer2Metrics(seen.registry)

    async def count() -> None:
        counts = await network.counts()
        counters.show(
            {
                str(address): (each.requests_received, each.responses_sent, each.gratuitous_sent)
                for address, each in counts.items()
            },
            {str(address): many for address, many in network.conflict_counts.items()},
        )

    announcer = Announcer(
        Choice(speaker.interfaces, speaker.excluded_interfaces),
        timing=Timing(repeat_s=speaker.garp_interval_s),
        asks_first=speaker.probe_before_announce,
    )
    preparing = asyncio.create_task(bgp_announcing(speaker, seen))  # while the reply process starts
    async with announcer as network, settings.open(seen.api, node=speaker.node, reading=reading) as cluster:
        seen.page.asks(count)
        layer2 = Layer2Announcing(
            network, node=speaker.node, rules=speaker.layer2, metrics=FailoverMetrics(seen.registry)
        )
        bgp = await preparing
        daemon = Speaker(
            cluster,
            (layer2, bgp) if bgp else (layer2,),
            StaticMembers(speaker.members) if speaker.members else ClusterMembers(speaker.node),
            node=speaker.node,
            client=seen.client,
            metrics=SpeakerMetrics(seen.registry, speaker.node),
            lb_class=settings.lb_class,
        )
        seen.readiness.waits_for("speaker: caches synced", lambda: daemon.synced)
        try:
            await daemon.run()
        finally:
            # A speaker that is being replaced must not leave a gap: its successor ends this, or another owner.
            await network.retire(layer2.addresses, LINGER_S)
