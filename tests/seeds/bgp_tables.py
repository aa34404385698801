"""What routers have from one of their neighbours, with every attribute that came."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from tests.lab.routers import Bird, Frr

if TYPE_CHECKING:
    from collections.abc import Mapping

_FRR_NAMES = {"noExport": "65535:65281", "noAdvertise": "65535:65282"}
_FRR_OTHERS = (
    *("metric", "atomicAggregate", "aggregatorAs", "aggregatorId", "originatorId", "clusterList"),
    *("extendedCommunity", "largeCommunity", "labelIndex", "remoteSid"),
)
"""Where FRR shows attributes beside the usual ones; `metric` is MULTI_EXIT_DISC."""


@dataclass(frozen=True)
class Path:
    """A route as one neighbour sent it: ASNs of the path, texts of communities as they stand there."""

    is_own_next_hop: bool
    """Whether the next hop is the neighbour itself."""
    origin: str
    as_path: tuple[int, ...]
    local_pref: int | None
    communities: tuple[str, ...]
    others: tuple[tuple[str, str], ...] = field(default=())
    """Every other attribute."""


Table = dict[str, Path]


@singledispatch
def table_from(router: Any, neighbour: str) -> Table:
    """Give the IPv4 routes that a router has from a neighbour."""
    raise NotImplementedError(f"{router} of {neighbour}")


@table_from.register
def _(router: Frr, neighbour: str) -> Table:
    summary = router.json(f"show bgp ipv4 unicast neighbors {neighbour} routes json")
    table = {}
    for prefix in summary.get("routes", {}):
        for path in router.json(f"show bgp ipv4 unicast {prefix} json").get("paths", ()):
            if path["peer"].get("peerId") == neighbour and "removed" not in path:
                table[prefix] = _frr_path(path, neighbour)
    return table


def _frr_path(path: Mapping[str, Any], neighbour: str) -> Path:
    return Path(
        is_own_next_hop=[hop["ip"] for hop in path["nexthops"]] == [neighbour],
        origin=path["origin"].lower(),
        as_path=tuple(number for segment in path["aspath"].get("segments", ()) for number in segment["list"]),
        local_pref=path.get("locPrf"),
        communities=tuple(_FRR_NAMES.get(text, text) for text in path.get("community", {}).get("list", ())),
        others=tuple((name, str(path[name])) for name in _FRR_OTHERS if name in path),
    )


@table_from.register
def _(router: Bird, neighbour: str) -> Table:
    number = [each.address for each in router.neighbors].index(neighbour)
    text = router.birdc("show", "route", "all", "table", "master4", "protocol", f"n{number}")
    entries = re.split(r"(?m)^(?=\S+/\d+ )", text)[1:]
    return {entry.split()[0]: _bird_path(entry, neighbour) for entry in entries}


def _bird_path(entry: str, neighbour: str) -> Path:
    attributes = dict(re.findall(r"(?m)^\s+BGP\.([\w.]+): ?(.*)$", entry))
    pairs = re.findall(r"\((\d+),(\d+)\)", attributes.pop("community", ""))
    preference = attributes.pop("local_pref", None)
    return Path(
        is_own_next_hop=attributes.pop("next_hop").split() == [neighbour],
        origin=attributes.pop("origin").lower(),
        as_path=tuple(map(int, attributes.pop("as_path").split())),
        local_pref=None if preference is None else int(preference),
        communities=tuple(f"{high}:{low}" for high, low in pairs),
        others=tuple(sorted(attributes.items())),
    )
