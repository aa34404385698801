"""Nodes into typed values, strictly: unknown keys, repeated keys and wrong types are refused, each by its place.

Follows go-yaml 2 in strict mode, which MetalLB up to 0.12 read its ConfigMap with. Merge keys take effect in
the order written: one behind an explicit key overwrites that key, against the YAML merge specification.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from metalpy.config.document import Alias, List, Mapping, Scalar
from metalpy.config.findings import Findings, shown, shown_scalar, step
from metalpy.config.hints import Section, intended_key, unknown_key
from metalpy.config.scalars import MERGE, NULLS, Resolved, is_unset, read_text, reads_differently, resolve
from metalpy.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metalpy.config.document import Document, Node

UINT32 = 2**32 - 1
UINT16 = 2**16 - 1
INT64 = 2**63 - 1

_SPARE_VISITS = 500_000
_VISITS_PER_NODE = 4


@dataclass(slots=True)
class Fields:
    """The known keys of one mapping, by name, with the nodes of their values.

    `at` is where the mapping stands; `merged` holds the values that a later one of the same key covered.
    """

    at: Node
    path: str
    values: dict[str, Node] = field(default_factory=dict)
    merged: dict[str, list[Node]] = field(default_factory=dict)

    def get(self, key: str) -> Node | None:
        """Give the value of a key, None where it is absent."""
        return self.values.get(key)

    def place(self, key: str) -> Node:
        """Give the node to blame for a key: its value, or the mapping where the key is absent."""
        return self.values.get(key, self.at)

    def path_of(self, key: str) -> str:
        """Give the path of a key."""
        return f"{self.path}.{key}" if self.path else key


class Place(NamedTuple):
    """Where a value stands."""

    node: Node
    path: str


class Decoder:
    """Reads the nodes of one document and collects what is wrong with them.

    A reader gives None where the node is absent, null or wrong; what is wrong is in `findings` by then.
    Raises `ConfigError` from any reader where aliases blow the document up beyond reason.
    """

    def __init__(self, document: Document, findings: Findings) -> None:
        self.findings = findings
        self._visits_left = _SPARE_VISITS + _VISITS_PER_NODE * document.node_count

    def error(self, fields: Fields, key: str, text: str, *, value: str = "") -> None:
        """Note what is wrong with one key of a mapping, present or not."""
        self.findings.error(fields.place(key), fields.path_of(key), text, value=value)

    def warn(self, fields: Fields, key: str, text: str, *, value: str = "") -> None:
        """Note what is doubtful about one key of a mapping."""
        self.findings.warn(fields.place(key), fields.path_of(key), text, value=value)

    # --- collections -----------------------------------------------------------------------------------

    def fields(self, node: Node, path: str, section: Section) -> Fields | None:
        """Read a mapping with known keys; null has none set. None where it is no mapping."""
        target = self._target(node, path)
        if isinstance(target, Mapping):
            values = target.known_values(section.keys)
            if values is None:
                return self._odd_fields(target, path, section)
            self._visits_left -= len(values)
            return Fields(target, path, values)
        if target is None:
            return None
        if _is_null(target):
            return Fields(target, path)
        self._wrong_kind(target, path, f"must be a mapping ({section.name})")
        return None

    def _odd_fields(self, target: Mapping, path: str, section: Section) -> Fields:
        """Read a mapping with merges, or with keys that are unknown, repeated or no plain text."""
        fields = Fields(target, path)
        for key_node, written, value in self._entries(target, path, shared_keys=False):
            key: str | None = written
            if written not in section.keys:
                self.findings.error(key_node, step(path, written), unknown_key(section, written))
                # Reading the value all the same shows what is wrong with it too, and nothing seems missing.
                key = intended_key(section, written)
                if key in fields.values:
                    continue
            if key is None:
                continue
            if key in fields.values:
                fields.merged.setdefault(key, []).append(fields.values[key])
            fields.values[key] = value
        return fields

    def items(self, fields: Fields, key: str, of: str) -> list[Node] | None:
        """Read a list field; absent and null are empty. `of` names the entries. None where it is no list."""
        node = fields.values.get(key)
        if node is None:
            return []
        target = self._target(node, fields.path_of(key))
        if isinstance(target, List):
            return target.items
        if _is_null(target):
            return []
        if target is not None:
            self._wrong_kind(target, fields.path_of(key), f"must be a list of {of}, each behind a dash")
        return None

    def is_null_field(self, fields: Fields, key: str) -> bool:
        """Tell whether a field is absent or null."""
        node = fields.get(key)
        return node is None or _is_null(node.target if isinstance(node, Alias) else node)

    def text_pairs(self, fields: Fields, key: str) -> list[tuple[Place, str, str | None]]:
        """Read a field that maps text to text: place, key and value of each entry, None for a wrong value.

        A mapping that a merge brought is kept beside the one written here, and no key may be in both.
        """
        path = fields.path_of(key)
        pairs: dict[str, tuple[Place, str, str | None]] = {}
        for node in self._written_mappings(fields, key):
            target = self._target(node, path)
            if target is None or _is_null(target):
                pairs.clear()
                continue
            if not isinstance(target, Mapping):
                self._wrong_kind(target, path, "must be a mapping of names to texts")
                continue
            for key_node, name, value_node in self._entries(target, path, shared_keys=True):
                value = self.text(value_node, step(path, name))
                if name in pairs:
                    self.findings.error(key_node, step(path, name), "is set twice: remove one")
                pairs[name] = (Place(value_node, step(path, name)), name, value)
        return list(pairs.values())

    def _written_mappings(self, fields: Fields, key: str) -> list[Node]:
        last = fields.get(key)
        return [] if last is None else [*fields.merged.get(key, ()), last]

    # --- scalars ---------------------------------------------------------------------------------------

    def text(self, node: Node | None, path: str, *, secret: bool = False) -> str | None:
        """Read text: the source text of any scalar, empty for null. A secret's value enters no message."""
        if node is None:
            return None
        text = self._usual_text(node)
        if text is not None:
            return text
        target = self._target(node, path, secret=secret)
        if target is None:
            return None
        if not isinstance(target, Scalar):
            self._wrong_kind(target, path, "must be text")
            return None
        try:
            return read_text(target)
        except ValueError as error:
            self.findings.error(target, path, str(error), value="" if secret else shown(target.text))
            return None

    def text_field(self, fields: Fields, key: str, *, secret: bool = False) -> str | None:
        """Read a field of text; absent is empty, None where it is no text."""
        node = fields.values.get(key)
        if node is None:
            return ""
        text = self._usual_text(node)
        return self.text(node, fields.path_of(key), secret=secret) if text is None else text

    def _usual_text(self, node: Node) -> str | None:
        """Give the text of a scalar that is surely text; None where it takes a closer look."""
        if isinstance(node, Scalar) and not node.tag and node.text not in NULLS and (node.line or not node.plain):
            self._visits_left -= 1
            return node.text
        return None

    def flag(self, fields: Fields, key: str, *, default: bool) -> bool:
        """Read a flag; absent and null are the default."""
        node = fields.values.get(key)
        if node is None:
            return default
        path = fields.path_of(key)
        target = self._target(node, path)
        if target is None:
            return default
        if not isinstance(target, Scalar):
            self._wrong_kind(target, path, "must be true or false")
            return default
        if is_unset(target):
            return default
        value = self._resolved(target)
        if value is None:
            return self._odd_null(target, path, "false")
        if not isinstance(value, bool):
            remedy = ": remove the quotes" if not target.plain and not target.tag else ""
            self.findings.error(target, path, f"must be true or false{remedy}", value=shown_scalar(target))
            return default
        return value

    def number(
        self, fields: Fields, key: str, low: int, high: int, *, wanted: str = "", asn: bool = False
    ) -> int | None:
        """Read a whole number from `low` to `high`. None where it is absent, null or wrong.

        `wanted` are the words for the bounds; `asn` tells that a fraction may be meant as an AS in asdot notation.
        """
        node = fields.values.get(key)
        if node is None:
            return None
        wanted = wanted or f"from {low} to {high}"
        path = fields.path_of(key)
        target = self._target(node, path)
        if target is None:
            return None
        if not isinstance(target, Scalar):
            self._wrong_kind(target, path, f"must be a number {wanted}")
            return None
        if is_unset(target):
            return None
        value = self._resolved(target)
        if value is None:
            self._odd_null(target, path, "0")
            value = 0
        whole, wrong = _whole(target, value, asn=asn)
        if whole is not None and not low <= whole <= high:
            wrong = "must be"
        if whole is None or wrong:
            text = wrong.replace(
                "must be", f"must be {wanted}" if whole is not None else f"must be a whole number {wanted}", 1
            )
            self.findings.error(target, path, text, value=shown_scalar(target))
            return None
        self._warn_of_odd_number(target, path, value, whole)
        return whole

    def _resolved(self, target: Scalar) -> Resolved:
        try:
            return resolve(target)
        except ValueError:
            return target.text  # text is neither flag nor number: the caller refuses it with its own words

    def _warn_of_odd_number(self, target: Scalar, path: str, value: float | str, whole: int) -> None:
        is_integer = isinstance(value, int)
        if reads_differently(target.text, whole):
            kind = "octal" if is_integer else "decimal, as it is not octal"
            decimal = int(target.text.replace("_", ""))
            note = f"the leading zero makes this {kind}: write {whole}"
            note += f", or {decimal} if that was meant" if decimal != whole else ""
            self.findings.warn(target, path, note, value=target.text)
        elif not is_integer:
            note = f"a number with a point or exponent is read as {whole}: write that"
            self.findings.warn(target, path, note, value=shown_scalar(target))

    def _odd_null(self, target: Scalar, path: str, meaning: str) -> bool:
        note = f"means {meaning} in this spelling, as it did in MetalLB: write that, or remove the line"
        self.findings.warn(target, path, note, value=shown_scalar(target))
        return False

    # --- aliases, keys and merges ----------------------------------------------------------------------

    def _target(self, node: Node, path: str, *, secret: bool = False) -> Node | None:
        self._visits_left -= 1
        if self._visits_left < 0:
            text = "aliases make this document too large: write the values out"
            raise ConfigError(
                [*self.findings.errors, Problem(node.line, node.column, path, "", text)], self.findings.warnings
            )
        if not isinstance(node, Alias):
            return node
        if node.target is None:
            name = "" if secret else shown(node.name)
            self.findings.error(
                node, path, "is an alias of no anchor before it: quote text that starts with *", value=name
            )
        return node.target

    def _entries(self, mapping: Mapping, path: str, *, shared_keys: bool) -> Iterator[tuple[Node, str, Node]]:
        """Give key node, key and value in the order in which they take effect, merges included.

        A key twice in one mapping is refused; with `shared_keys` also one in a mapping and in what it merges.
        """
        seen_by_all: set[str] = set()
        waiting = [mapping]
        running: list[tuple[Mapping, Iterator[tuple[int, tuple[Node, Node]]], set[str]]] = []
        floor: list[int] = []
        active: set[int] = set()
        while waiting or running:
            if waiting and (not running or len(waiting) > floor[-1]):
                entered = waiting.pop()
                if id(entered) in active:
                    self.findings.error(entered, path, "contains itself through an alias")
                    continue
                active.add(id(entered))
                seen = seen_by_all if shared_keys else set[str]()
                running.append((entered, enumerate(entered.pairs), seen))
                floor.append(len(waiting))
            current, pairs, seen = running[-1]
            for index, (key_node, value) in pairs:
                if _is_merge(key_node):
                    self._warn_of_late_merge(current, index, key_node, path)
                    waiting += self._merged(value, path)
                    break
                key = self._key(key_node, path)
                if key is None:
                    continue
                if key in seen:
                    self.findings.error(key_node, step(path, key), "is set twice in one mapping: remove one")
                    continue
                seen.add(key)
                yield key_node, key, value
            else:
                running.pop()
                floor.pop()
                active.discard(id(current))

    def _key(self, node: Node, path: str) -> str | None:
        if isinstance(node, Scalar) and node.plain and node.text not in NULLS:
            self._visits_left -= 1
            return node.text
        target = self._target(node, path)
        if target is not None and not isinstance(target, Scalar):
            self.findings.error(target, path, "must have plain text as keys")
            return None
        return None if target is None else self.text(target, path)

    def _merged(self, value: Node, path: str) -> list[Mapping]:
        """Give the mappings that a merge key names; the last of them takes effect first."""
        target = self._target(value, path)
        if target is None:
            return []
        parts = [self._target(item, path) for item in target.items] if isinstance(target, List) else [target]
        mappings = [part for part in parts if isinstance(part, Mapping)]
        for part in parts:
            if part is not None and not isinstance(part, Mapping):
                self.findings.error(part, step(path, "<<"), "must be a mapping or a list of mappings to merge")
        return mappings

    def _warn_of_late_merge(self, mapping: Mapping, index: int, key: Node, path: str) -> None:
        if not all(_is_merge(earlier) for earlier, _ in mapping.pairs[:index]):
            text = "overwrites the keys before it, as it did in MetalLB: put it first in its mapping"
            self.findings.warn(key, step(path, "<<"), text)

    def _wrong_kind(self, node: Node, path: str, must: str) -> None:
        found = {List: "a list", Mapping: "a mapping"}.get(type(node), "a single value")
        value = "" if path.endswith(".password") or not isinstance(node, Scalar) else shown(node.text)
        self.findings.error(node, path, f"{must}, not {found}", value=value)


def _is_null(node: Node | None) -> bool:
    if not isinstance(node, Scalar):
        return False
    try:
        return resolve(node) is None
    except ValueError:
        return False


def _is_merge(node: Node) -> bool:
    return isinstance(node, Scalar) and node.text == "<<" and (node.plain or node.tag == MERGE)


def _number_remedy(target: Scalar) -> str:
    if not target.plain and not target.tag:
        return ": remove the quotes"
    if target.text[:2].upper() == "AS":
        return ": write it without AS"
    if re.fullmatch(r"[0-9.]+(ns|us|ms|s|m|h)", target.text):
        return ", without a unit"
    if "," in target.text or " " in target.text:
        return ", without separators"
    return ""


def _whole(target: Scalar, value: float | str, *, asn: bool) -> tuple[int | None, str]:
    """Give the whole number that a resolved value is, else None and why not, with `must be` for the caller."""
    if isinstance(value, bool | str):
        return None, f"must be{_number_remedy(target)}"
    if isinstance(value, int) or value.is_integer():
        return int(value), ""
    if not math.isfinite(value):
        return None, "must be"
    cut = f"must be (MetalLB cut it to {int(value)})"
    asdot = re.fullmatch(r"([0-9]{1,5})\.([0-9]{1,5})", target.text) if asn else None
    if asdot and int(asdot[1]) <= UINT16 and int(asdot[2]) <= UINT16:
        high, low = int(asdot[1]), int(asdot[2])
        cut += f": AS {target.text} in asdot notation is {high} * 65536 + {low} = {high * 65536 + low}"
    return None, cut
