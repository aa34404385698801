"""Parts of nodes without a decoder: what an object is, before anybody knows its fields; and nodes of JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalpy.config.document import MAX_DEPTH, Alias, Document, List, Mapping, Scalar
from metalpy.config.scalars import read_text
from metalpy.errors import ConfigError, Problem

if TYPE_CHECKING:
    from metalpy.config.document import Node


def value_of(mapping: Node | None, key: str) -> Node | None:
    """Give the value of a key of a mapping, behind an alias if it is one; None where there is none."""
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


def text_of(node: Node | None) -> str:
    """Give the text of a scalar, empty for anything else."""
    try:
        return read_text(node) if isinstance(node, Scalar) else ""
    except ValueError:
        return ""


def document_of(value: object) -> Document:
    """Give the document that a decoded JSON value would have been read from; its places are line 0.

    Raises `ConfigError` for what JSON does not know, and for nesting beyond reason.
    """
    counter = [0]
    return Document(_node(value, counter, 0), counter[0])


def _node(value: object, counter: list[int], depth: int) -> Node:
    counter[0] += 1
    if isinstance(value, str):
        return Scalar(0, 0, value, plain=False)
    if depth > MAX_DEPTH:
        raise ConfigError([Problem(0, 0, "", "", f"nested more than {MAX_DEPTH} levels deep")])
    if isinstance(value, dict):
        pairs = [(_key(key), _node(inner, counter, depth + 1)) for key, inner in value.items()]
        counter[0] += len(pairs)
        return Mapping(0, 0, pairs)
    if isinstance(value, list):
        return List(0, 0, [_node(inner, counter, depth + 1) for inner in value])
    if value is None or isinstance(value, bool):
        return Scalar(0, 0, {None: "null", True: "true", False: "false"}[value])
    if isinstance(value, int | float):
        return Scalar(0, 0, str(value))
    raise ConfigError([Problem(0, 0, "", "", f"holds a {type(value).__name__}, which JSON does not know")])


def _key(key: object) -> Node:
    return Scalar(0, 0, str(key), plain=False)
