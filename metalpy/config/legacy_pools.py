"""The `address-pools` of the legacy configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalpy.config.advertisement_values import AdvertisementForm, AdvertisementValues
from metalpy.config.findings import shown
from metalpy.config.hints import ADVERTISEMENT, POOL
from metalpy.config.pool_addresses import AddressReader
from metalpy.config.whole_numbers import INT64, UINT32
from metalpy.model import BGPAdvertisement, Community, L2Advertisement, Pool, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metalpy.config.decoding import Decoder, Fields
    from metalpy.config.pool_addresses import Entry

_PROTOCOLS = {str(protocol): protocol for protocol in Protocol}
_OLD_PROTOCOLS = {"arp": Protocol.LAYER2, "ndp": Protocol.LAYER2}
_SHORT_PROTOCOLS = {"l2": Protocol.LAYER2, "layer-2": Protocol.LAYER2, "l3": Protocol.BGP}
LEGACY_FORM = AdvertisementForm(
    length_keys={4: "aggregation-length", 6: "aggregation-length-v6"},
    least={4: -INT64, 6: -INT64},  # a negative length of a family that the pool lacks was taken
    has_large=False,
    unknown_alias="is no alias under `bgp-communities`, and not A:B: define it there (no name is built in)",
)


_LAYER2, _BGP = (L2Advertisement(),), (BGPAdvertisement(),)
"""Most pools say no more than their protocol."""


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
        self._addresses = AddressReader(decoder)
        self._values = AdvertisementValues(decoder, LEGACY_FORM, aliases)
        self._names: dict[str, str] = {}
        self._folded: dict[str, str] = {}

    def read(self, top: Fields) -> tuple[Pool, ...]:
        """Give the pools, in the order written. They are complete only where no error was found."""
        pools = []
        for index, node in enumerate(self._decoder.items(top, "address-pools", "address pools") or []):
            fields = self._decoder.fields(node, f"address-pools[{index}]", POOL)
            if fields is not None:
                pools.append(self._pool(fields))
        self._addresses.refuse_overlaps()
        return tuple(pools)

    def _pool(self, fields: Fields) -> Pool:
        name = self._name(fields)
        protocol = self._protocol(fields)
        entries = self._addresses.read(fields, name)
        avoid_buggy_ips = self._decoder.flag(fields, "avoid-buggy-ips", default=False)
        advertisements = self._advertisements(fields, protocol, entries)
        if avoid_buggy_ips:
            self._addresses.warn_if_all_buggy(fields, entries)
        return Pool(
            name=name,
            addresses=tuple(entry.addresses for entry in entries),
            auto_assign=self._decoder.flag(fields, "auto-assign", default=True),
            avoid_buggy_ips=avoid_buggy_ips,
            layer2=_LAYER2 if protocol is Protocol.LAYER2 else (),
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
        if text in _PROTOCOLS:
            return _PROTOCOLS[text]
        squashed = text.strip().lower()
        wrong = "must be layer2 or bgp" if text else "is missing: write layer2 or bgp"
        if squashed in _OLD_PROTOCOLS:
            wrong += f": `{squashed}` became `{_OLD_PROTOCOLS[squashed]}` in MetalLB 0.6"
        elif squashed in _SHORT_PROTOCOLS or squashed in _PROTOCOLS:
            wrong += f": did you mean `{_SHORT_PROTOCOLS.get(squashed, squashed)}`?"
        self._decoder.error(fields, "protocol", wrong, value=shown(text) if text else "")
        return None

    # --- advertisements --------------------------------------------------------------------------------

    def _advertisements(
        self, fields: Fields, protocol: Protocol | None, entries: Sequence[Entry]
    ) -> tuple[BGPAdvertisement, ...]:
        key = "bgp-advertisements"
        nodes = self._decoder.items(fields, key, "BGP advertisements")
        if not nodes:
            return _BGP
        if protocol is Protocol.LAYER2:
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
        return tuple(advertisement for _, advertisement in by_meaning.values()) or _BGP

    def _advertisement(self, fields: Fields, entries: Sequence[Entry]) -> tuple[_Written, BGPAdvertisement]:
        length, length_in_force = self._values.aggregation_length(fields, entries, 4)
        length_v6, length_v6_in_force = self._values.aggregation_length(fields, entries, 6)
        localpref = self._decoder.number(fields, "localpref", 0, UINT32)
        texts, communities = self._values.communities(fields, "communities")
        return _Written((length, length_v6), localpref, texts), BGPAdvertisement(
            aggregation_length=length_in_force,
            aggregation_length_v6=length_v6_in_force,
            localpref=localpref or 0,
            communities=tuple(found for found in communities if isinstance(found, Community)),
        )


def _lengths(advertisement: BGPAdvertisement) -> tuple[int, int]:
    return advertisement.aggregation_length, advertisement.aggregation_length_v6
