"""Which stretches of addresses run into each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metalpy.model import AddressRange


@dataclass(frozen=True, slots=True)
class Span:
    """A contiguous stretch of addresses of one IP version, both ends included, as numbers."""

    version: int
    first: int
    last: int


def span_of(addresses: AddressRange) -> Span | None:
    """Give the stretch that one entry of a pool covers; its prefixes are adjacent. None for no addresses."""
    if not addresses.prefixes:
        return None
    first, last = addresses.prefixes[0], addresses.prefixes[-1]
    # Not the broadcast address, which a network would keep for good.
    size = 1 << (last.max_prefixlen - last.prefixlen)
    return Span(first.version, int(first.network_address), int(last.network_address) + size - 1)


def overlaps(spans: Sequence[Span]) -> Iterator[tuple[int, int]]:
    """Give pairs of indices, later and earlier, of spans that share addresses.

    Every span that shares an address with another takes part in a pair, though not every pair is given: one
    pass over the sorted spans finds, for each, the one that reaches furthest among those that start before it.
    """
    order = sorted(range(len(spans)), key=lambda i: (spans[i].version, spans[i].first, i))
    reaching = -1
    for index in order:
        span = spans[index]
        before = spans[reaching] if reaching >= 0 else None
        if before is None or before.version != span.version:
            reaching = index
            continue
        if span.first <= before.last:
            yield max(index, reaching), min(index, reaching)
        if span.last > before.last:
            reaching = index
