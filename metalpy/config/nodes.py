"""Parts of nodes without a decoder: what an object is, before anybody knows its fields; and nodes of JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalpy.config.document import MAX_DEPTH, Alias, Document, List, Mapping, Scalar
from metalpy.config.scalars import read_text
from metalpy.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from metalpy.config.document import Node


def value_of(mapping: Node | None, key: str) -> Node | None:
    """Give the value of a key of a mapping, behind an alias if it is one; None where there is none."""
    if isinstance(mapping, _JsonMapping):
        return mapping.find(key)
    if not isinstance(mapping, Mapping):
        return None
    for name, value in mapping.pairs:
        is_it = name.text == key if type(name) is Scalar and not name.tag else text_of(dealiased(name)) == key
        if is_it:
            return dealiased(value)
    return None


def dealiased(node: Node | None) -> Node | None:
    """Give what an alias stands for."""
    return node.target if isinstance(node, Alias) else node


def text_in(mapping: Node | None, key: str) -> str:
    """Give the text under a key of a mapping, empty where there is none or something else."""
    return mapping.text(key) if isinstance(mapping, _JsonMapping) else text_of(value_of(mapping, key))


def text_of(node: Node | None) -> str:
    """Give the text of a scalar, empty for anything else."""
    try:
        return read_text(node) if isinstance(node, Scalar) else ""
    except ValueError:
        return ""


def objects_within(root: Node | None) -> Iterator[tuple[str, Mapping]]:
    """Give the Kubernetes objects of a document with their kinds, those in lists of objects too.

    What is in a list of one kind need not say its own, as the API server's lists do not.
    """
    target = dealiased(root)
    if not isinstance(target, Mapping):
        return
    kind = text_in(target, "kind")
    items = value_of(target, "items") if kind.endswith("List") else None
    if not isinstance(items, List):
        yield kind, target
        return
    for item in items.items:
        inner = dealiased(item)
        if isinstance(inner, Mapping):
            yield text_in(inner, "kind") or kind.removesuffix("List"), inner


def document_of(value: object) -> Document:
    """Give the document that a decoded JSON value would have been read from; its places are line 0.

    Raises `ConfigError` for what JSON does not know, and for nesting beyond reason.
    """
    return Document(_node(value), _count(value))


class _JsonMapping(Mapping):
    """A JSON object. Its parts become nodes whenever they are asked for, and go again: they would be most of all."""

    __slots__ = ("_value",)
    line = column = 0

    def __init__(self, value: dict[str, object]) -> None:
        self._value = value

    @property
    def pairs(self) -> list[tuple[Node, Node]]:  # type: ignore[override]
        """All keys with their values."""
        return [(_node(str(key)), _node(inner)) for key, inner in self._value.items()]

    def known_values(self, keys: Collection[str]) -> dict[str, Node] | None:
        """Give the values by their keys if all of these are among `keys`; else None."""
        values = {key: _node(inner) for key, inner in self._value.items() if key in keys}
        return values if len(values) == len(self._value) else None

    def find(self, key: str) -> Node | None:
        """Give the value of a key."""
        return _node(self._value[key]) if key in self._value else None

    def text(self, key: str) -> str:
        """Give the text under a key, empty where there is none or something else."""
        value = self._value.get(key)
        return value if isinstance(value, str) else ""


class _JsonList(List):
    """A JSON array, likewise."""

    __slots__ = ("_value",)
    line = column = 0

    def __init__(self, value: list[object]) -> None:
        self._value = value

    @property
    def items(self) -> list[Node]:  # type: ignore[override]
        """All that is in it."""
        return [_node(inner) for inner in self._value]


def _count(value: object, depth: int = 0) -> int:
    """Count the nodes of a JSON value, and refuse what is none."""
    if isinstance(value, str):
        return 1
    if depth > MAX_DEPTH:
        raise ConfigError([Problem(0, 0, "", "", f"nested more than {MAX_DEPTH} levels deep")])
    inners: Iterable[object]
    if isinstance(value, dict):
        count, inners = 1 + 2 * len(value), value.values()
    elif isinstance(value, list):
        count, inners = 1 + len(value), value
    elif value is None or isinstance(value, int | float):
        return 1
    else:
        raise ConfigError([Problem(0, 0, "", "", f"holds a {type(value).__name__}, which JSON does not know")])
    for inner in inners:
        if not isinstance(inner, str):  # most are, and are not worth a call
            count += _count(inner, depth + 1) - 1
    return count


def _node(value: object) -> Node:
    if isinstance(value, str):
        return Scalar(0, 0, value, plain=False)
    if isinstance(value, dict):
        return _JsonMapping(value)
    if isinstance(value, list):
        return _JsonList(value)
    if value is None or isinstance(value, bool):
        return Scalar(0, 0, {None: "null", True: "true", False: "false"}[value])
    return Scalar(0, 0, str(value))
