"""The `addresses` of pools: what each entry covers, and that no address is in two of them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from metalpy.config.findings import shown
from metalpy.config.overlap import Span, overlaps, span_of
from metalpy.config.values import parse_addresses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metalpy.config.decoding import Decoder, Fields
    from metalpy.config.document import Node
    from metalpy.model import AddressRange, IPNetwork

_LAST_OCTET = 255
_REMEMBERED = 16384


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a pool's `addresses`, where it stands and what it covers."""

    node: Node
    path: str
    pool: str
    addresses: AddressRange
    span: Span | None

    def shortest(self, version: int) -> int:
        """Give the prefix length of the largest block of this IP version, 0 where there is none."""
        prefixes = self.addresses.prefixes
        return min((p.prefixlen for p in prefixes), default=0) if self.is_of(version) else 0

    def is_of(self, version: int) -> bool:
        """Tell whether the entry has addresses of this IP version."""
        return self.span is not None and self.span.version == version

    def outside(self, length: int) -> IPNetwork | None:
        """Give an aggregate of one of the entry's blocks that reaches beyond the entry, if there is one."""
        for prefix in (self.addresses.prefixes[0], self.addresses.prefixes[-1]):
            if prefix.prefixlen > length and self.span is not None:
                aggregate: IPNetwork = prefix.supernet(new_prefix=length)
                first, last = int(aggregate.network_address), int(aggregate.broadcast_address)
                if first < self.span.first or last > self.span.last:
                    return aggregate
        return None


class AddressReader:
    """Reads the addresses of all pools of one text."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._findings = decoder.findings
        self._entries: list[Entry] = []

    def read(self, fields: Fields, pool: str) -> list[Entry]:
        """Read the `addresses` of one pool."""
        nodes = self._decoder.items(fields, "addresses", "CIDRs and ranges")
        if nodes is None:
            return []
        if not nodes:
            self._decoder.error(fields, "addresses", "is missing or empty: a pool needs a CIDR or a range")
        entries = []
        list_path = fields.path_of("addresses")
        for index, node in enumerate(nodes):
            path = f"{list_path}[{index}]"
            text = self._decoder.text(node, path)
            entry = None if text is None else self._entry(node, path, pool, text)
            if entry is not None:
                entries.append(entry)
        self._entries += entries
        return entries

    def warn_if_all_buggy(self, fields: Fields, entries: Sequence[Entry]) -> None:
        """Note a pool of which leaving out .0 and .255 leaves nothing."""
        prefixes = [prefix for entry in entries for prefix in entry.addresses.prefixes]
        if prefixes and all(_is_all_buggy(prefix) for prefix in prefixes):
            text = "leave no address to hand out, as avoid-buggy-ips excludes those that end in .0 or .255"
            self._decoder.warn(fields, "addresses", text)

    def refuse_overlaps(self) -> None:
        """Note every entry, of all that were read, which shares an address with another."""
        entries = [entry for entry in self._entries if entry.span is not None]
        for later, earlier in overlaps([entry.span for entry in entries if entry.span is not None]):
            entry, other = entries[later], entries[earlier]
            of = "of this pool" if entry.pool == other.pool else f"of pool {shown(other.pool)}"
            text = f"overlaps {other.path} ({shown(other.addresses.text)}) {of}: an address may be in one place only"
            self._findings.error(entry.node, entry.path, text, value=shown(entry.addresses.text))

    def _entry(self, node: Node, path: str, pool: str, text: str) -> Entry | None:
        try:
            addresses, span, notes = _parsed(text)
        except ValueError as error:
            self._findings.error(node, path, str(error), value=shown(text))
            return None
        for note in notes:
            self._findings.warn(node, path, note, value=shown(text))
        return Entry(node, path, pool, addresses, span)


@lru_cache(maxsize=_REMEMBERED)
def _parsed(text: str) -> tuple[AddressRange, Span | None, tuple[str, ...]]:
    """Read an entry once, however many aliases repeat it, and however often the text is read."""
    notes: list[str] = []
    addresses = parse_addresses(text, notes)
    return addresses, span_of(addresses), tuple(notes)


def _is_all_buggy(prefix: IPNetwork) -> bool:
    """Tell whether every address of the prefix is IPv4 and ends in .0 or .255."""
    if not isinstance(prefix, ipaddress.IPv4Network) or prefix.prefixlen < ipaddress.IPV4LENGTH:
        return False
    return int(prefix.network_address) & _LAST_OCTET in {0, _LAST_OCTET}
