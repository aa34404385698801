"""The configuration's text out of a file that holds a ConfigMap manifest, or the bare text itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from metalpy.config.configmap import CONFIG_KEY, config_text
from metalpy.config.document import Alias, List, Mapping, Scalar, compose_all
from metalpy.config.scalars import read_text
from metalpy.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metalpy.config.document import Node

USUAL_NAMES = ("config", "metallb-config")
_LOOKS_LIKE_MANIFEST = re.compile(r"""^\s*["']?kind["']?\s*:\s*["']?ConfigMap""", re.MULTILINE)


def text_of_file(text: str) -> str:
    """Give the configuration's text: the one in the ConfigMap manifest that the file holds, else the file.

    The file may hold several documents, and lists of objects. Of several ConfigMaps that have the key, the
    one with a usual name is taken, else the first. Raises `ConfigError` where there are ConfigMaps but none has
    the key, or where a manifest is not YAML.
    """
    try:
        found = [_data_of(config_map) for document in compose_all(text) for config_map in _config_maps(document.root)]
    except ConfigError:
        # Whether the text is good is for the configuration's parser to say, unless its words would mislead.
        if _LOOKS_LIKE_MANIFEST.search(text):
            raise
        return text
    if not found:
        return text
    having = [(name, data) for name, data in found if CONFIG_KEY in data] or found
    having.sort(key=lambda item: item[0] not in USUAL_NAMES)
    return config_text(having[0][1])


def _config_maps(node: Node | None) -> Iterator[Mapping]:
    """Give the ConfigMaps of a document, those in a list of objects too."""
    if not isinstance(node, Mapping):
        return
    kind = _text(_value(node, "kind"))
    if kind == "ConfigMap":
        yield node
    elif kind in {"List", "ConfigMapList"}:
        items = _value(node, "items")
        for item in items.items if isinstance(items, List) else []:
            target = _dealiased(item)
            if isinstance(target, Mapping) and (
                kind == "ConfigMapList" or _text(_value(target, "kind")) == "ConfigMap"
            ):
                yield target


def _data_of(config_map: Mapping) -> tuple[str, dict[str, str]]:
    """Give name and data of a ConfigMap; what is no text in its data is no data."""
    metadata, data = _value(config_map, "metadata"), _value(config_map, "data")
    name = _text(_value(metadata, "name")) if isinstance(metadata, Mapping) else ""
    texts: dict[str, str] = {}
    for key, value in data.pairs if isinstance(data, Mapping) else []:
        target = _dealiased(value)
        if isinstance(target, Scalar):
            texts[_text(_dealiased(key))] = _text(target)
    return name, texts


def _value(mapping: Mapping, key: str) -> Node | None:
    return next((_dealiased(value) for name, value in mapping.pairs if _text(name) == key), None)


def _dealiased(node: Node) -> Node | None:
    return node.target if isinstance(node, Alias) else node


def _text(node: Node | None) -> str:
    try:
        return read_text(node) if isinstance(node, Scalar) else ""
    except ValueError:
        return ""
