"""Nodes into typed values, strictly: unknown keys, repeated keys and wrong types are refused, each by its place.

Follows go-yaml 2 in strict mode, which MetalLB up to 0.12 read its ConfigMap with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from metalpy.config.document import Alias, List, Mapping, Scalar
from metalpy.config.findings import shown_scalar, step
from metalpy.config.hints import Section, intended_key, unknown_key
from metalpy.config.scalars import Resolved, is_unset, resolve
from metalpy.config.structure import Structure
from metalpy.config.whole_numbers import oddity, whole_number

if TYPE_CHECKING:
    from metalpy.config.document import Node


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


class Decoder(Structure):
    """Reads the nodes of one document and collects what is wrong with them.

    A reader gives None where the node is absent, null or wrong; what is wrong is in `findings` by then.
    """

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

    def text_field(self, fields: Fields, key: str, *, secret: bool = False) -> str | None:
        """Read a field of text; absent is empty, None where it is no text."""
        node = fields.values.get(key)
        if node is None:
            return ""
        text = self._usual_text(node)
        return self.text(node, fields.path_of(key), secret=secret) if text is None else text

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
        whole, wrong = whole_number(target, value, asn=asn)
        if whole is not None and not low <= whole <= high:
            wrong = "must be"
        if whole is None or wrong:
            text = wrong.replace(
                "must be", f"must be {wanted}" if whole is not None else f"must be a whole number {wanted}", 1
            )
            self.findings.error(target, path, text, value=shown_scalar(target))
            return None
        if note := oddity(target, value, whole):
            self.findings.warn(target, path, note, value=shown_scalar(target))
        return whole

    def _resolved(self, target: Scalar) -> Resolved:
        try:
            return resolve(target)
        except ValueError:
            return target.text  # text is neither flag nor number: the caller refuses it with its own words

    def _odd_null(self, target: Scalar, path: str, meaning: str) -> bool:
        note = f"means {meaning} in this spelling, as it did in MetalLB: write that, or remove the line"
        self.findings.warn(target, path, note, value=shown_scalar(target))
        return False


def _is_null(node: Node | None) -> bool:
    if not isinstance(node, Scalar):
        return False
    try:
        return resolve(node) is None
    except ValueError:
        return False
