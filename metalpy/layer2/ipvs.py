"""A node whose kernel answers ARP for every Service: kube-proxy in IPVS mode without `strictARP`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable

log = structlog.get_logger()

INTERFACE = "kube-ipvs0"
"""Where kube-proxy puts the addresses of all Services, on every node."""
_ARP_IGNORE = Path("/proc/sys/net/ipv4/conf/all/arp_ignore")
_ANSWERS_FOR_EVERYTHING = "0"


def warn(names: Iterable[str], setting: Path = _ARP_IGNORE) -> bool:
    """Log a warning if, by the names of its interfaces, this is such a node; tells whether it is.

    By default Linux answers on every interface for the addresses of all of them (`ip-sysctl`, arp_ignore): each node
    would say that each address is its own.
    """
    try:
        is_so = INTERFACE in names and setting.read_text(encoding="ascii").strip() == _ANSWERS_FOR_EVERYTHING
    except OSError:  # no /proc, or none that we may read: nothing can be said
        return False
    if is_so:
        log.warning(
            "kube-proxy is in IPVS mode without strictARP, so every node answers ARP for every Service; set "
            "ipvs.strictARP: true in its configuration",
            event_name="strictARPMissing",
            interface=INTERFACE,
        )
    return is_so
