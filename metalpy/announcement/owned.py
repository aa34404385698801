"""Which addresses a pool hands out, in one form for all spellings of it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metalpy.model import IPAddress, Pool

Run = tuple[int, int]
_OCTETS = 256
_BUGGY = frozenset({0, 255})


@dataclass(frozen=True, slots=True)
class Owned:
    """Runs of addresses, both ends included, that do not touch each other.

    With `gapped`, the IPv4 ones are without those that end in .0 or .255. Two pools hand out the same addresses
    exactly if these values are equal.
    """

    ipv4: tuple[Run, ...]
    ipv6: tuple[Run, ...]
    gapped: bool

    def without(self, other: Owned) -> Iterator[str]:
        """Name the stretches that this one has and the other has not, apart from what `gapped` leaves out."""
        for version, ours, theirs in ((4, self.ipv4, other.ipv4), (6, self.ipv6, other.ipv6)):
            for first, last in _difference(ours, theirs):
                yield _shown(version, first, last)


def owned_by(pool: Pool) -> Owned:
    """Give what a pool owns."""
    runs: dict[int, list[Run]] = {4: [], 6: []}
    for prefix in pool.prefixes:
        runs[prefix.version].append((int(prefix.network_address), int(prefix.broadcast_address)))
    ipv4 = _merged(runs[4])
    # Where no buggy address is owned, leaving them out changes nothing.
    gapped = pool.avoid_buggy_ips or not any(_has_buggy(run) for run in ipv4)
    if gapped:
        ipv4 = _merged_over_gaps(run for run in map(_trimmed, ipv4) if run[0] <= run[1])
    return Owned(tuple(ipv4), tuple(_merged(runs[6])), gapped)


def _merged(runs: Iterable[Run]) -> list[Run]:
    merged: list[Run] = []
    for first, last in sorted(runs):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _merged_over_gaps(runs: Iterable[Run]) -> list[Run]:
    merged: list[Run] = []
    for first, last in runs:
        if merged and all(
            number % _OCTETS in _BUGGY for number in range(merged[-1][1] + 1, min(first, merged[-1][1] + 4))
        ):
            merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return merged


def _has_buggy(run: Run) -> bool:
    first, last = run
    return first % _OCTETS in _BUGGY or last % _OCTETS in _BUGGY or first // _OCTETS != last // _OCTETS


def _trimmed(run: Run) -> Run:
    first, last = run
    while first <= last and first % _OCTETS in _BUGGY:
        first += 1
    while last >= first and last % _OCTETS in _BUGGY:
        last -= 1
    return first, last


def _difference(ours: tuple[Run, ...], theirs: tuple[Run, ...]) -> Iterator[Run]:
    for first, last in ours:
        start = first
        for other_first, other_last in theirs:
            if other_last < start or other_first > last:
                continue
            if other_first > start:
                yield start, other_first - 1
            start = max(start, other_last + 1)
        if start <= last:
            yield start, last


def _shown(version: int, first: int, last: int) -> str:
    kind: type[IPAddress] = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address  # noqa: PLR2004
    return str(kind(first)) if first == last else f"{kind(first)}-{kind(last)}"
