"""The speaker as a program: its cluster, its network, and how it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalpy.daemon.speaker import Speaker
from metalpy.layer2.announcer import Announcer
from metalpy.observe.metrics import Layer2Metrics, SpeakerMetrics

if TYPE_CHECKING:
    from metalpy.daemon.programs import Observed
    from metalpy.daemon.settings import ClusterSettings, SpeakerSettings

LINGER_S = 5.0
"""How long addresses are answered for after a planned end, unless somebody else takes them over before."""


async def run_speaker(settings: ClusterSettings, speaker: SpeakerSettings, seen: Observed) -> None:
    """Announce until cancelled."""
    metrics, layer2 = SpeakerMetrics(seen.registry, speaker.node), Layer2Metrics(seen.registry)

    async def count() -> None:
        counts = await network.counts()
        layer2.show(
            {
                str(address): (each.requests_received, each.responses_sent, each.gratuitous_sent)
                for address, each in counts.items()
            }
        )

    async with Announcer(speaker.interfaces) as network, settings.open(for_speaker=True) as cluster:
        seen.page.asks(count)
        daemon = Speaker(
            cluster,
            network,
            node=speaker.node,
            members=speaker.members,
            client=seen.client,
            metrics=metrics,
            lb_class=settings.lb_class,
            ignore_exclude_label=speaker.ignore_exclude_label,
        )
        seen.readiness.waits_for("speaker: caches synced", lambda: daemon.synced)
        try:
            await daemon.run()
        finally:
            # A speaker that is being replaced must not leave a gap: its successor ends this, or another owner.
            await network.retire(daemon.addresses, LINGER_S)
