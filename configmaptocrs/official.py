"""The official converter's result, defects included, for who has to compare with it.

It ends with status 0 whatever happens, and leaves an empty file where it failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from configmaptocrs.document import to_text
from configmaptocrs.emit import Emitter, Naming, names_written
from configmaptocrs.failure import ConversionError
from configmaptocrs.names import official_name
from configmaptocrs.objects import OFFICIAL_ORDER, in_order
from configmaptocrs.official_reading import OfficialReader
from metalpy.cluster.home import USUAL_NAMESPACE
from metalpy.config.document import Scalar, compose
from metalpy.config.nodes import text_in, text_of, value_of
from metalpy.config.resource_objects import POOL
from metalpy.config.resource_peers import Surroundings
from metalpy.config.resources import parse_resource_objects
from metalpy.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metalpy.config.document import Document

_COUNTERS = ("assignedIPv4", "assignedIPv6", "availableIPv4", "availableIPv6")


def official_result(text: str, *, only_data: bool) -> str:
    """Convert a file's text. Raises `ConversionError` where the official converter fails."""
    try:
        return _result(text, only_data=only_data)
    except ConfigError as error:
        raise ConversionError(*(problem.describe() for problem in error.problems)) from None
    except ValueError as error:  # a duration
        raise ConversionError(str(error)) from None


def _result(text: str, *, only_data: bool) -> str:
    document, namespace = (compose(text), "") if only_data else _config_map(text)
    reader = OfficialReader()
    root = document.root or Scalar(1, 1, "")
    pools, profiles = names_written(reader, root)
    naming = Naming(_named(pools), _named(profiles))
    objects = in_order(Emitter(reader, naming, namespace or USUAL_NAMESPACE, once=False).emit(root), OFFICIAL_ORDER)
    parse_resource_objects(objects, Surroundings(by_schema=False))
    return to_text([one | {"status": _status(one)} for one in objects])


def _config_map(text: str) -> tuple[Document, str]:
    root = compose(text).root
    inner = value_of(value_of(root, "data"), "config")
    if text_in(root, "kind") != "ConfigMap" or not text_of(inner):
        raise ConversionError("the first document must be a ConfigMap with a key config")
    return compose(text_of(inner)), text_in(value_of(root, "metadata"), "namespace")


def _named(names: Sequence[str]) -> Mapping[str, str]:
    found = {}
    for name in names:
        made = official_name(name)
        if made is None:
            raise ConversionError(f'"{name}" has no letter to start an object\'s name with')
        found[name] = made
    return found


def _status(one: Mapping[str, Any]) -> dict[str, int]:
    return dict.fromkeys(_COUNTERS, 0) if one["kind"] == POOL else {}
