"""BGP's part of the speaker's program: which gobgpd, and what is seen of its sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from metalpy.bgp.addresses import local_addresses
from metalpy.bgp.daemon import RemoteGobgpd
from metalpy.bgp.embedded import EmbeddedGobgpd
from metalpy.bgp.router import Router
from metalpy.daemon.bgp_announcing import BGPAnnouncing
from metalpy.errors import RouterError
from metalpy.observe.metrics import BGPMetrics

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from metalpy.bgp.daemon import Daemon
    from metalpy.daemon.programs import Observed
    from metalpy.daemon.settings import BGPSettings, SpeakerSettings

_log = structlog.get_logger()


async def bgp_announcing(speaker: SpeakerSettings, seen: Observed) -> BGPAnnouncing | None:
    """Make what announces by BGP; None, and a word of it, where there is no gobgpd."""
    if not speaker.bgp.is_offered:
        _log.info("no gobgpd here: pools of protocol bgp are not announced", op="startup")
        return None
    daemon = _daemon(speaker.bgp)
    announcing = BGPAnnouncing(
        lambda: Router(daemon, restart_s=speaker.bgp.restart_s),
        node=speaker.node,
        address=await _address(),
        ignore_exclude_label=speaker.layer2.ignore_exclude_label,
        parting=speaker.bgp.parting,
        ends_for_good=lambda: seen.is_asked_to_end,
    )
    metrics = BGPMetrics(seen.registry)

    async def count() -> None:
        if announcing.router:
            metrics.show(await announcing.router.counts())

    seen.page.asks(count)
    return announcing


async def _address() -> IPv4Address | None:
    try:
        return (await local_addresses()).first_ipv4()
    except RouterError as error:
        _log.warning("router ID is made of the node's name", op="startup", error=str(error))
        return None


def _daemon(settings: BGPSettings) -> Daemon:
    if settings.gobgpd and settings.directory:
        embedded = EmbeddedGobgpd(settings.gobgpd, settings.directory)
        embedded.ask()
        return embedded
    return RemoteGobgpd(settings.target, lease=settings.lease)
