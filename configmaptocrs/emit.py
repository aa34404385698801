"""The legacy configuration's fields, one by one, as custom resources.

What was written is written again in the text it had, and what was left out stays out, so that the objects are
those of the official converter wherever that is right. Whether the configuration is good is not looked at here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from configmaptocrs.durations import go_duration
from configmaptocrs.objects import Object, resource
from metalpy.config.bfd_values import LEGACY_FORM, RESOURCE_FORM
from metalpy.config.hints import ADVERTISEMENT, EXPRESSION, PEER, POOL, PROFILE, SELECTOR, TOP
from metalpy.config.peer_values import whole_seconds
from metalpy.config.resource_objects import BGP_ADVERTISEMENT, COMMUNITY, L2_ADVERTISEMENT
from metalpy.config.resource_objects import PEER as PEER_KIND
from metalpy.config.resource_objects import POOL as POOL_KIND
from metalpy.config.resource_objects import PROFILE as PROFILE_KIND
from metalpy.config.values import parse_duration
from metalpy.config.whole_numbers import UINT16, UINT32
from metalpy.model import DEFAULT_HOLD_TIME_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from metalpy.config.decoding import Fields, Place
    from metalpy.config.document import Node
    from metalpy.config.hints import Section

COMMUNITIES_NAME = "communities"
_NUMBERS = {
    LEGACY_FORM.receive: RESOURCE_FORM.receive,
    LEGACY_FORM.transmit: RESOURCE_FORM.transmit,
    LEGACY_FORM.multiplier: RESOURCE_FORM.multiplier,
    LEGACY_FORM.echo_interval: RESOURCE_FORM.echo_interval,
    LEGACY_FORM.minimum_ttl: RESOURCE_FORM.minimum_ttl,
}


class Reader(Protocol):
    """Reads typed values from nodes: `Decoder` by the daemon's rules, or somebody else's rules."""

    def fields(self, node: Node, path: str, section: Section) -> Fields | None:
        """Read a mapping with known keys."""

    def items(self, fields: Fields, key: str, of: str) -> list[Node] | None:
        """Read a list."""

    def is_null_field(self, fields: Fields, key: str) -> bool:
        """Tell whether a field is absent or null."""

    def text_pairs(self, fields: Fields, key: str) -> list[tuple[Place, str, str | None]]:
        """Read a mapping of texts."""

    def text(self, node: Node | None, path: str) -> str | None:
        """Read a text."""

    def text_field(self, fields: Fields, key: str) -> str | None:
        """Read a field of text."""

    def flag(self, fields: Fields, key: str, *, default: bool) -> bool:
        """Read a truth."""

    def number(self, fields: Fields, key: str, low: int, high: int) -> int | None:
        """Read a number."""


@dataclass(frozen=True, slots=True)
class Naming:
    """What pools and BFD profiles are called."""

    pools: Mapping[str, str]
    profiles: Mapping[str, str]


def names_written(reader: Reader, root: Node) -> tuple[list[str], list[str]]:
    """Give the names of pools and of BFD profiles, in the order written."""
    top = reader.fields(root, "", TOP)
    found: list[list[str]] = [[], []]
    for names, key, section in ((found[0], "address-pools", POOL), (found[1], "bfd-profiles", PROFILE)):
        for node in (reader.items(top, key, "") or []) if top else []:
            fields = reader.fields(node, key, section)
            names.append((reader.text_field(fields, "name") or "") if fields else "")
    return found[0], found[1]


class Emitter:
    """Writes custom resources of one namespace. With `once`, what stands in a selector twice is written once."""

    def __init__(self, reader: Reader, naming: Naming, namespace: str, *, once: bool = True) -> None:
        self._reader = reader
        self._naming = naming
        self._namespace = namespace
        self._once = once
        self._counts = {BGP_ADVERTISEMENT: 0, L2_ADVERTISEMENT: 0}

    def emit(self, root: Node) -> list[Object]:
        """Give the objects, in no particular order of kinds."""
        top = self._reader.fields(root, "", TOP)
        if top is None:
            return []
        objects = [
            self._object(PEER_KIND, f"peer{index}", self._peer(fields))
            for index, fields in enumerate(self._each(top, "peers", PEER), start=1)
        ]
        for fields in self._each(top, "address-pools", POOL):
            objects += self._pool(fields)
        objects += [self._profile(fields) for fields in self._each(top, "bfd-profiles", PROFILE)]
        aliases = {name: value or "" for _, name, value in self._reader.text_pairs(top, "bgp-communities")}
        if aliases:
            entries = [{"name": name, "value": aliases[name]} for name in sorted(aliases, key=str.encode)]
            objects.append(self._object(COMMUNITY, COMMUNITIES_NAME, {"communities": entries}))
        return objects

    def _each(self, fields: Fields, key: str, section: Section) -> Iterator[Fields]:
        for node in self._reader.items(fields, key, "") or []:
            inner = self._reader.fields(node, key, section)
            if inner is not None:
                yield inner

    def _object(self, kind: str, name: str, spec: dict[str, Any]) -> Object:
        return resource(kind, self._namespace, name, spec)

    # --- peers -----------------------------------------------------------------------------------------

    def _peer(self, fields: Fields) -> dict[str, Any]:
        reader = self._reader
        hold = reader.text_field(fields, "hold-time")
        keepalive = reader.text_field(fields, "keepalive-time")
        profile = reader.text_field(fields, "bfd-profile") or ""
        selectors = [self._selector(inner) for inner in self._each(fields, "node-selectors", SELECTOR)]
        spec: dict[str, Any] = {
            "myASN": reader.number(fields, "my-asn", 0, UINT32) or 0,
            "peerASN": reader.number(fields, "peer-asn", 0, UINT32) or 0,
            "peerAddress": reader.text_field(fields, "peer-address") or "",
            "holdTime": go_duration(whole_seconds(parse_duration(hold)) if hold else DEFAULT_HOLD_TIME_S),
            "passwordSecret": {},
        }
        optional = {
            "sourceAddress": reader.text_field(fields, "source-address"),
            "routerID": reader.text_field(fields, "router-id"),
            "peerPort": reader.number(fields, "peer-port", 0, UINT16),
            "keepaliveTime": go_duration(whole_seconds(parse_duration(keepalive))) if keepalive else "",
            "nodeSelectors": self._without_repeats(selectors, _meaning),
            "password": reader.text_field(fields, "password"),
            "bfdProfile": self._naming.profiles.get(profile, profile),
            "ebgpMultiHop": reader.flag(fields, "ebgp-multihop", default=False),
        }
        return spec | {key: value for key, value in optional.items() if value}

    def _selector(self, fields: Fields) -> dict[str, Any]:
        selector: dict[str, Any] = {}
        labels = {name: value or "" for _, name, value in self._reader.text_pairs(fields, "match-labels")}
        if labels:
            selector["matchLabels"] = labels
        expressions = [self._expression(inner) for inner in self._each(fields, "match-expressions", EXPRESSION)]
        if expressions:
            selector["matchExpressions"] = self._without_repeats(expressions)
        return selector

    def _expression(self, fields: Fields) -> dict[str, Any]:
        nodes = self._reader.items(fields, "values", "") or []
        values = sorted((self._reader.text(node, "") or "" for node in nodes), key=str.encode)
        expression: dict[str, Any] = {
            "key": self._reader.text_field(fields, "key") or "",
            "operator": self._reader.text_field(fields, "operator") or "",
        }
        return expression | ({"values": list(self._without_repeats(values))} if values else {})

    def _without_repeats(
        self, entries: Sequence[Any], meaning: Callable[[Any], Any] = lambda entry: entry
    ) -> list[Any]:
        """Leave out what is there already: custom resources may not have it twice."""
        if not self._once:
            return list(entries)
        meanings = [meaning(entry) for entry in entries]
        return [entry for index, entry in enumerate(entries) if meanings[index] not in meanings[:index]]

    # --- pools -----------------------------------------------------------------------------------------

    def _pool(self, fields: Fields) -> Iterator[Object]:
        reader = self._reader
        written = reader.text_field(fields, "name") or ""
        name = self._naming.pools.get(written, written)
        nodes = reader.items(fields, "addresses", "") or []
        spec: dict[str, Any] = {"addresses": [reader.text(node, "") or "" for node in nodes]}
        if not reader.is_null_field(fields, "auto-assign"):
            spec["autoAssign"] = reader.flag(fields, "auto-assign", default=True)
        if reader.flag(fields, "avoid-buggy-ips", default=False):
            spec["avoidBuggyIPs"] = True
        yield self._object(POOL_KIND, name, spec)
        protocol = reader.text_field(fields, "protocol")
        if protocol == "layer2":
            yield self._advertisement(L2_ADVERTISEMENT, name, {})
        advertisements = [self._attributes(inner) for inner in self._each(fields, "bgp-advertisements", ADVERTISEMENT)]
        for attributes in advertisements or ([{}] if protocol == "bgp" else []):
            yield self._advertisement(BGP_ADVERTISEMENT, name, attributes)

    def _advertisement(self, kind: str, pool: str, attributes: dict[str, Any]) -> Object:
        self._counts[kind] += 1
        return self._object(kind, f"{kind.lower()}{self._counts[kind]}", attributes | {"ipAddressPools": [pool]})

    def _attributes(self, fields: Fields) -> dict[str, Any]:
        reader = self._reader
        attributes: dict[str, Any] = {}
        for key, name in (
            ("aggregation-length", "aggregationLength"),
            ("aggregation-length-v6", "aggregationLengthV6"),
        ):
            length = reader.number(fields, key, -UINT32, UINT32)
            if length is not None:
                attributes[name] = length
        localpref = reader.number(fields, "localpref", 0, UINT32)
        if localpref:
            attributes["localPref"] = localpref
        communities = [reader.text(node, "") or "" for node in reader.items(fields, "communities", "") or []]
        return attributes | ({"communities": communities} if communities else {})

    # --- BFD -------------------------------------------------------------------------------------------

    def _profile(self, fields: Fields) -> Object:
        written = self._reader.text_field(fields, "name") or ""
        spec: dict[str, Any] = {
            RESOURCE_FORM.echo: self._reader.flag(fields, LEGACY_FORM.echo, default=False),
            RESOURCE_FORM.passive: self._reader.flag(fields, LEGACY_FORM.passive, default=False),
        }
        for key, name in _NUMBERS.items():
            number = self._reader.number(fields, key, 0, UINT32)
            if number is not None:
                spec[name] = number
        return self._object(PROFILE_KIND, self._naming.profiles.get(written, written), spec)


def _meaning(selector: Mapping[str, Any]) -> frozenset[tuple[str, str, tuple[str, ...]]]:
    labels = {(name, "In", (value,)) for name, value in selector.get("matchLabels", {}).items()}
    expressions = selector.get("matchExpressions", ())
    return frozenset(labels.union((one["key"], one["operator"], tuple(one.get("values", ()))) for one in expressions))
