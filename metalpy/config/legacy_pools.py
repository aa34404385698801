"""The `address-pools` of the legacy configuration."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalpy.config.decoding import INT64, UINT32
from metalpy.config.findings import shown
from metalpy.config.hints import ADVERTISEMENT, POOL
from metalpy.config.overlap import Span, overlaps, span_of
from metalpy.config.values import parse_addresses, parse_community
from metalpy.model import AddressRange, BGPAdvertisement, Community, L2Advertisement, Pool, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metalpy.config.decoding import Decoder, Fields
    from metalpy.config.document import Node
    from metalpy.model import IPNetwork

_OLD_PROTOCOLS = {"arp": Protocol.LAYER2, "ndp": Protocol.LAYER2}
_SHORT_PROTOCOLS = {"l2": Protocol.LAYER2, "layer-2": Protocol.LAYER2, "l3": Protocol.BGP}
_LENGTH_KEYS = {4: ("aggregation-length", 32), 6: ("aggregation-length-v6", 128)}
_LAST_OCTET = 255


@dataclass(frozen=True, slots=True)
class _Entry:
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


@dataclass(frozen=True, slots=True)
class _Written:
    """An advertisement as written: None where nothing was. Two that are equal here are refused."""

    lengths: tuple[int | None, int | None]
    localpref: int | None
    communities: tuple[str, ...] | None


class PoolReader:
    """Reads the pools of one document. `aliases` are its communities by name, None for a wrong one."""

    def __init__(self, decoder: Decoder, aliases: Mapping[str, Community | None]) -> None:
        self._decoder = decoder
        self._findings = decoder.findings
        self._aliases = aliases
        self._entries: list[_Entry] = []
        self._names: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        self._parsed: dict[str, tuple[AddressRange, Span | None, list[str]]] = {}

    def read(self, top: Fields) -> tuple[Pool, ...]:
        """Give the pools, in the order written. They are complete only where no error was found."""
        pools = []
        for index, node in enumerate(self._decoder.items(top, "address-pools", "address pools") or []):
            fields = self._decoder.fields(node, f"address-pools[{index}]", POOL)
            if fields is not None:
                pools.append(self._pool(fields))
        self._refuse_overlaps()
        return tuple(pools)

    def _pool(self, fields: Fields) -> Pool:
        name = self._name(fields)
        protocol = self._protocol(fields)
        entries = self._addresses(fields, name)
        avoid_buggy_ips = self._decoder.flag(fields, "avoid-buggy-ips", default=False)
        advertisements = self._advertisements(fields, protocol, entries)
        prefixes = [prefix for entry in entries for prefix in entry.addresses.prefixes]
        if avoid_buggy_ips and prefixes and all(_is_all_buggy(prefix) for prefix in prefixes):
            text = "leave no address to hand out, as avoid-buggy-ips excludes those that end in .0 or .255"
            self._decoder.warn(fields, "addresses", text)
        return Pool(
            name=name,
            addresses=tuple(entry.addresses for entry in entries),
            auto_assign=self._decoder.flag(fields, "auto-assign", default=True),
            avoid_buggy_ips=avoid_buggy_ips,
            layer2=(L2Advertisement(),) if protocol is Protocol.LAYER2 else (),
            bgp=advertisements if protocol is Protocol.BGP else (),
        )

    def _name(self, fields: Fields) -> str:
        name = self._decoder.text_field(fields, "name")
        if name is None:
            return ""
        if not name:
            self._decoder.error(fields, "name", "is missing: a pool needs a name")
            return ""
        earlier = self._names.setdefault(name, fields.path)
        if earlier != fields.path:
            text = f"is also the name of {earlier}: names must differ"
            self._decoder.error(fields, "name", text, value=shown(name))
            return name
        similar = self._folded.setdefault(name.casefold(), name)
        if similar != name:
            text = f"differs from pool {shown(similar)} in case only: Services must spell it exactly"
            self._decoder.warn(fields, "name", text, value=shown(name))
        return name

    def _protocol(self, fields: Fields) -> Protocol | None:
        text = self._decoder.text_field(fields, "protocol")
        if text is None:
            return None
        if text in set(Protocol):
            return Protocol(text)
        squashed = text.strip().lower()
        wrong = "must be layer2 or bgp" if text else "is missing: write layer2 or bgp"
        if squashed in _OLD_PROTOCOLS:
            wrong += f": `{squashed}` became `{_OLD_PROTOCOLS[squashed]}` in MetalLB 0.6"
        elif squashed in _SHORT_PROTOCOLS or squashed in set(Protocol):
            wrong += f": did you mean `{_SHORT_PROTOCOLS.get(squashed, squashed)}`?"
        self._decoder.error(fields, "protocol", wrong, value=shown(text) if text else "")
        return None

    # --- addresses -------------------------------------------------------------------------------------

    def _addresses(self, fields: Fields, pool: str) -> list[_Entry]:
        nodes = self._decoder.items(fields, "addresses", "CIDRs and ranges")
        if nodes is None:
            return []
        if not nodes:
            self._decoder.error(fields, "addresses", "is missing or empty: a pool needs a CIDR or a range")
        entries = []
        for index, node in enumerate(nodes):
            path = f"{fields.path_of('addresses')}[{index}]"
            text = self._decoder.text(node, path)
            entry = None if text is None else self._entry(node, path, pool, text)
            if entry is not None:
                entries.append(entry)
        self._entries += entries
        return entries

    def _entry(self, node: Node, path: str, pool: str, text: str) -> _Entry | None:
        try:
            addresses, span, notes = self._parse(text)
        except ValueError as error:
            self._findings.error(node, path, str(error), value=shown(text))
            return None
        for note in notes:
            self._findings.warn(node, path, note, value=shown(text))
        return _Entry(node, path, pool, addresses, span)

    def _parse(self, text: str) -> tuple[AddressRange, Span | None, list[str]]:
        """Read an entry once, however many aliases repeat it."""
        known = self._parsed.get(text)
        if known is None:
            notes: list[str] = []
            addresses = parse_addresses(text, notes)
            known = self._parsed[text] = addresses, span_of(addresses), notes
        return known

    def _refuse_overlaps(self) -> None:
        entries = [entry for entry in self._entries if entry.span is not None]
        for later, earlier in overlaps([entry.span for entry in entries if entry.span is not None]):
            entry, other = entries[later], entries[earlier]
            of = "of this pool" if entry.pool == other.pool else f"of pool {shown(other.pool)}"
            text = f"overlaps {other.path} ({shown(other.addresses.text)}) {of}: an address may be in one place only"
            self._findings.error(entry.node, entry.path, text, value=shown(entry.addresses.text))

    # --- advertisements --------------------------------------------------------------------------------

    def _advertisements(
        self, fields: Fields, protocol: Protocol | None, entries: Sequence[_Entry]
    ) -> tuple[BGPAdvertisement, ...]:
        key = "bgp-advertisements"
        nodes = self._decoder.items(fields, key, "BGP advertisements") or []
        if nodes and protocol is Protocol.LAYER2:
            self._decoder.error(fields, key, "must not be in a pool with protocol layer2: remove it")
            return ()
        as_written: dict[_Written, str] = {}
        by_meaning: dict[object, tuple[str, BGPAdvertisement]] = {}
        for index, node in enumerate(nodes):
            path = f"{fields.path_of(key)}[{index}]"
            advertisement_fields = self._decoder.fields(node, path, ADVERTISEMENT)
            if advertisement_fields is None:
                continue
            written, advertisement = self._advertisement(advertisement_fields, entries)
            same_text = as_written.setdefault(written, path)
            if same_text != path:
                text = f"is equal to {same_text}: remove one (MetalLB 0.11 and older took both)"
                self._findings.error(advertisement_fields.at, path, text)
                continue
            values = frozenset(community.value for community in advertisement.communities)
            meaning = (*_lengths(advertisement), advertisement.localpref, values)
            same, _ = by_meaning.setdefault(meaning, (path, advertisement))
            if same != path:
                text = f"means the same as {same}, and is announced once: remove one"
                self._findings.warn(advertisement_fields.at, path, text)
        return tuple(advertisement for _, advertisement in by_meaning.values()) or (BGPAdvertisement(),)

    def _advertisement(self, fields: Fields, entries: Sequence[_Entry]) -> tuple[_Written, BGPAdvertisement]:
        length, length_in_force = self._aggregation_length(fields, entries, 4)
        length_v6, length_v6_in_force = self._aggregation_length(fields, entries, 6)
        localpref = self._decoder.number(fields, "localpref", 0, UINT32)
        texts, communities = self._communities(fields)
        return _Written((length, length_v6), localpref, texts), BGPAdvertisement(
            aggregation_length=length_in_force,
            aggregation_length_v6=length_v6_in_force,
            localpref=localpref or 0,
            communities=communities,
        )

    def _aggregation_length(self, fields: Fields, entries: Sequence[_Entry], version: int) -> tuple[int | None, int]:
        """Give the length as written and the one in force for one IP version."""
        key, most = _LENGTH_KEYS[version]
        written = self._decoder.number(fields, key, -INT64, most, wanted=f"from 0 to {most}")
        if written is None:
            return None, most
        value = str(written)
        tightest = max(entries, key=lambda entry: entry.shortest(version), default=None)
        exists = any(entry.is_of(version) for entry in entries)
        if exists and tightest is not None and written < tightest.shortest(version):
            least = tightest.shortest(version)
            text = (
                f"is shorter than the /{least} of {tightest.path} ({shown(tightest.addresses.text)}): "
                f"write a length from {least} to {most}"
            )
            self._decoder.error(fields, key, text, value=value)
        elif written < 0:
            text = f"has no effect, as the pool has no IPv{version} addresses: remove the line"
            self._decoder.warn(fields, key, text, value=value)
            return written, most
        else:
            self._warn_of_wide_aggregate(fields, key, written, entries)
        return written, written

    def _warn_of_wide_aggregate(self, fields: Fields, key: str, length: int, entries: Sequence[_Entry]) -> None:
        """Warn where aggregates of a range's smaller blocks take in addresses outside the range."""
        version = next(version for version, (name, _) in _LENGTH_KEYS.items() if name == key)
        for entry in entries:
            outside = _outside(entry, length) if entry.is_of(version) else None
            if outside is not None:
                text = (
                    f"makes {outside} a route, which takes in addresses outside "
                    f"{entry.path} ({shown(entry.addresses.text)})"
                )
                self._decoder.warn(fields, key, text, value=str(length))
                return

    def _communities(self, fields: Fields) -> tuple[tuple[str, ...] | None, tuple[Community, ...]]:
        """Give the texts as written, None where there is no list, and the communities without repetition."""
        key = "communities"
        target = self._decoder.items(fields, key, "communities")
        is_written = target is not None and not self._decoder.is_null_field(fields, key)
        texts: dict[str, str] = {}
        communities: dict[int, Community] = {}
        for index, node in enumerate(target or []):
            path = f"{fields.path_of(key)}[{index}]"
            text = self._decoder.text(node, path)
            if text is None:
                continue
            earlier = texts.setdefault(text, path)
            if earlier != path:
                wrong = "is in this list twice: remove one (MetalLB 0.11 and older took both)"
                self._findings.error(node, path, wrong, value=shown(text))
                continue
            community = self._community(node, path, text)
            if community is not None and communities.setdefault(community.value, community) is not community:
                note = f"means the same as {shown(communities[community.value].text)} before it: remove one"
                self._findings.warn(node, path, note, value=shown(text))
        return tuple(texts) if is_written else None, tuple(communities.values())

    def _community(self, node: Node, path: str, text: str) -> Community | None:
        if text in self._aliases:
            alias = self._aliases[text]
            return None if alias is None else Community(alias.value, text)
        try:
            return Community(parse_community(text), text)
        except ValueError as error:
            wrong = str(error)
            if ":" not in text:
                wrong = "is no alias under `bgp-communities`, and not A:B: define it there (no name is built in)"
            self._findings.error(node, path, wrong, value=shown(text))
            return None


def _lengths(advertisement: BGPAdvertisement) -> tuple[int, int]:
    return advertisement.aggregation_length, advertisement.aggregation_length_v6


def _outside(entry: _Entry, length: int) -> IPNetwork | None:
    """Give an aggregate of one of the entry's blocks that reaches beyond the entry, if there is one."""
    for prefix in (entry.addresses.prefixes[0], entry.addresses.prefixes[-1]):
        if prefix.prefixlen > length and entry.span is not None:
            aggregate: IPNetwork = prefix.supernet(new_prefix=length)
            first, last = int(aggregate.network_address), int(aggregate.broadcast_address)
            if first < entry.span.first or last > entry.span.last:
                return aggregate
    return None


def _is_all_buggy(prefix: IPNetwork) -> bool:
    """Tell whether every address of the prefix is IPv4 and ends in .0 or .255."""
    if not isinstance(prefix, ipaddress.IPv4Network) or prefix.prefixlen < ipaddress.IPV4LENGTH:
        return False
    return int(prefix.network_address) & _LAST_OCTET in {0, _LAST_OCTET}
