"""The values that a BGP advertisement is made of, under whatever keys a format has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalpy.config.findings import shown
from metalpy.config.values import LARGE_PREFIX, parse_community, parse_large_community
from metalpy.model import Community, LargeCommunity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metalpy.config.decoding import Decoder, Fields
    from metalpy.config.document import Node
    from metalpy.config.pool_addresses import Entry

AnyCommunity = Community | LargeCommunity
MOST_BITS = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True)
class AdvertisementForm:
    """What a format calls the lengths, the least it takes for them, and whether it has large communities."""

    length_keys: Mapping[int, str]
    least: Mapping[int, int]
    has_large: bool
    unknown_alias: str


class AdvertisementValues:
    """Reads single fields of advertisements. `aliases` are the communities by name, None for a wrong one."""

    def __init__(
        self, decoder: Decoder, form: AdvertisementForm, aliases: Mapping[str, Community | LargeCommunity | None]
    ) -> None:
        self._decoder = decoder
        self._findings = decoder.findings
        self._form = form
        self._aliases = aliases

    def aggregation_length(self, fields: Fields, entries: Sequence[Entry], version: int) -> tuple[int | None, int]:
        """Give the length as written and the one in force for the entries' addresses of one IP version."""
        key, most = self._form.length_keys[version], MOST_BITS[version]
        if key not in fields.values:
            return None, most
        least = self._form.least[version]
        written = self._decoder.number(fields, key, least, most, wanted=f"from {max(least, 0)} to {most}")
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
            self._warn_of_wide_aggregate(fields, version, written, entries)
        return written, written

    def _warn_of_wide_aggregate(self, fields: Fields, version: int, length: int, entries: Sequence[Entry]) -> None:
        """Warn where aggregates of a range's smaller blocks take in addresses outside the range."""
        for entry in entries:
            outside = entry.outside(length) if entry.is_of(version) else None
            if outside is not None:
                text = (
                    f"makes {outside} a route, which takes in addresses outside "
                    f"{entry.path} ({shown(entry.addresses.text)})"
                )
                self._decoder.warn(fields, self._form.length_keys[version], text, value=str(length))
                return

    def communities(self, fields: Fields, key: str) -> tuple[tuple[str, ...] | None, tuple[AnyCommunity, ...]]:
        """Give the texts as written, None where there is no list, and the communities without repetition."""
        if key not in fields.values:
            return None, ()
        target = self._decoder.items(fields, key, "communities")
        is_written = target is not None and not self._decoder.is_null_field(fields, key)
        texts: dict[str, str] = {}
        communities: dict[AnyCommunity, AnyCommunity] = {}
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
            if community is not None and communities.setdefault(community, community) is not community:
                note = f"means the same as {shown(communities[community].text)} before it: remove one"
                self._findings.warn(node, path, note, value=shown(text))
        return tuple(texts) if is_written else None, tuple(communities.values())

    def _community(self, node: Node, path: str, text: str) -> AnyCommunity | None:
        if text in self._aliases:
            return named(self._aliases[text], text)
        try:
            return parse_any(text, has_large=self._form.has_large)
        except ValueError as error:
            wrong = str(error)
            if ":" not in text:
                wrong = self._form.unknown_alias
            self._findings.error(node, path, wrong, value=shown(text))
            return None


def named(community: AnyCommunity | None, text: str) -> AnyCommunity | None:
    """Give a community under the name that it was written by."""
    if isinstance(community, LargeCommunity):
        numbers = community.global_administrator, community.local_data_1, community.local_data_2
        return LargeCommunity(*numbers, text=text)
    return None if community is None else Community(community.value, text)


def parse_any(text: str, *, has_large: bool) -> AnyCommunity:
    """Read a community, a large one too where the format has them. Raises `ValueError`."""
    if has_large and text.startswith(LARGE_PREFIX):
        return LargeCommunity(*parse_large_community(text), text=text)
    return Community(parse_community(text), text)
