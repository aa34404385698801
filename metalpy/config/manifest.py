"""The configuration's text out of a file that holds a ConfigMap manifest, or the bare text itself."""

from __future__ import annotations

import re

from metalpy.config.configmap import CONFIG_KEY, USUAL_NAMES, config_text
from metalpy.config.document import Mapping, Scalar, compose_all
from metalpy.config.nodes import dealiased, objects_within, text_in, text_of, value_of
from metalpy.errors import ConfigError

_LOOKS_LIKE_MANIFEST = re.compile(r"""^\s*["']?kind["']?\s*:\s*["']?ConfigMap""", re.MULTILINE)


def text_of_file(text: str) -> str:
    """Give the configuration's text: the one in the ConfigMap manifest that the file holds, else the file.

    The file may hold several documents, and lists of objects. Of several ConfigMaps that have the key, the
    one with a usual name is taken, else the first. Raises `ConfigError` where there are ConfigMaps but none has
    the key, or where a manifest is not YAML.
    """
    try:
        objects = (found for document in compose_all(text) for found in objects_within(document.root))
        found = [_data_of(node) for kind, node in objects if kind == "ConfigMap"]
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


def _data_of(config_map: Mapping) -> tuple[str, dict[str, str]]:
    """Give name and data of a ConfigMap; what is no text in its data is no data."""
    metadata, data = value_of(config_map, "metadata"), value_of(config_map, "data")
    name = text_in(metadata, "name")
    texts: dict[str, str] = {}
    for key, value in data.pairs if isinstance(data, Mapping) else []:
        target = dealiased(value)
        if isinstance(target, Scalar):
            texts[text_of(dealiased(key))] = text_of(target)
    return name, texts
