"""Objects as YAML text, laid out and quoted as the official converter does.

Keys are in alphabetical order, lists at their key's column. A text is in double quotes where YAML 1.1 would take
it for something else, base-60 numbers included, so that it stays text for every reader.
"""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HEADER = "# Written by metalpy's configmaptocrs."
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_SURELY_PLAIN = re.compile(r"(?![nyNYtfTFoO~])[A-Za-z/](?:[A-Za-z0-9_./-]*[A-Za-z0-9])?")
_WORDS = frozenset(
    spelling
    for word in ("y", "yes", "n", "no", "true", "false", "on", "off", "null", "~", "")
    for spelling in (word, word.capitalize(), word.upper())
)
_LOOKS_ODD = re.compile(
    r"""[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)
    |[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?
    |[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?
    |[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)
    |[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?""",
    re.VERBOSE,
)
_FITS_BLOCK = re.compile(
    "[\x21-\x7e\xa0-\u2027\u202a-\ud7ff][\x20-\x7e\xa0-\u2027\u202a-\ud7ff]*\n[\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff]*"
)
_NEEDS_ESCAPES = re.compile("[^\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]")


def to_text(objects: Iterable[dict[str, Any]]) -> str:
    """Write objects, each followed by a document separator, below a comment."""
    return "".join(texts_of(objects))


def texts_of(objects: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Give the same text in pieces, one an object."""
    yield f"{HEADER}\n"
    for one in objects:
        yield "".join(f"{line}\n" for line in (*_mapping(one, ""), "---"))


def mapping_to_text(mapping: dict[str, Any]) -> str:
    """Write one mapping."""
    return "".join(f"{line}\n" for line in _mapping(mapping, "")) or "{}\n"


def _mapping(mapping: dict[str, Any], indent: str) -> Iterator[str]:
    for key in sorted(mapping):
        head, value = f"{indent}{_scalar(key)}:", mapping[key]
        if isinstance(value, dict) and value:
            yield head
            yield from _mapping(value, indent + "  ")
        elif isinstance(value, list) and value:
            yield head
            for item in value:
                yield from _item(item, indent)
        else:
            yield from _placed(head, value, indent + "  ")


def _item(item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, dict) and item:
        first, *rest = _mapping(item, indent + "  ")
        yield f"{indent}- {first.removeprefix(indent + '  ')}"
        yield from rest
    else:
        yield from _placed(f"{indent}-", item, indent + "  ")


def _placed(head: str, value: Any, indent: str) -> Iterator[str]:
    """Write a scalar or an empty collection behind what is before it; a block of lines is below."""
    if isinstance(value, str) and _FITS_BLOCK.fullmatch(value):
        yield from _block(head, value, indent)
    else:
        yield f"{head} {_scalar(value)}"


def _block(head: str, text: str, indent: str) -> Iterator[str]:
    body = text.rstrip("\n")
    trailing = len(text) - len(body)
    chomping = "-" if not trailing else "" if trailing == 1 and body else "+"
    yield f"{head} |{chomping}"
    lines = text.split("\n")
    for line in lines if not text.endswith("\n") else lines[:-1]:
        yield indent + line if line else ""


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    return json.dumps(value)  # numbers, true, false, null, [] and {} are alike in JSON


@functools.lru_cache(maxsize=4096)
def _text(text: str) -> str:
    if _SURELY_PLAIN.fullmatch(text):
        return text
    if text in _WORDS or _LOOKS_ODD.fullmatch(text) or _NEEDS_ESCAPES.search(text):
        return _dumped(text, '"')
    return _dumped(text, None)


def _dumped(text: str, style: str | None) -> str:
    """Let PyYAML write one text, in the style given or the plainest that is safe."""
    node = yaml.ScalarNode("tag:yaml.org,2002:str", text, style=style)
    plain = style is None
    events = [
        yaml.StreamStartEvent(),
        yaml.DocumentStartEvent(),
        yaml.MappingStartEvent(None, None, implicit=True, flow_style=False),
        yaml.ScalarEvent(None, None, (True, True), "k"),
        yaml.ScalarEvent(None, None, (plain, True), node.value, style=style),
        yaml.MappingEndEvent(),
        yaml.DocumentEndEvent(),
        yaml.StreamEndEvent(),
    ]
    written: str = yaml.emit(events, Dumper=_DUMPER, width=2**30, allow_unicode=True)
    return written.removeprefix("k: ").removesuffix("\n")
