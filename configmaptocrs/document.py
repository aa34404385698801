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

_ADDRESS = r"[0-9a-fA-F]+[.:][0-9a-fA-F.:]*"
_SURELY_PLAIN = re.compile(
    rf"(?![nyNYtfTFoO~])[A-Za-z/](?:[A-Za-z0-9_./-]*[A-Za-z0-9])?|{_ADDRESS}(?:/[0-9]+|-{_ADDRESS}(?<!:))"
)
"""Words, CIDRs and ranges: nearly all texts. For each of the others PyYAML is asked, which takes an emitter."""
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
_FITS_BLOCK = (
    "[\x21-\x7e\xa0-\u2027\u202a-\ud7ff][\x20-\x7e\xa0-\u2027\u202a-\ud7ff]*\n[\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff]*"
)
_NEEDS_ESCAPES = "[^\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]"
"""These two are compiled when they are needed, which is hardly ever: that takes long, as their classes are large."""


def to_text(objects: Iterable[dict[str, Any]]) -> str:
    """Write objects, each followed by a document separator, below a comment."""
    return "".join(texts_of(objects))


def texts_of(objects: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Give the same text in pieces, one an object."""
    yield f"{HEADER}\n"
    for one in objects:
        lines: list[str] = []
        _add_mapping(lines, one, "")
        lines.append("---\n")
        yield "\n".join(lines)


def mapping_to_text(mapping: dict[str, Any]) -> str:
    """Write one mapping."""
    lines: list[str] = []
    _add_mapping(lines, mapping, "")
    return "".join(f"{line}\n" for line in lines) or "{}\n"


def _add_mapping(lines: list[str], mapping: dict[str, Any], indent: str) -> None:
    for key in sorted(mapping):
        head, value = indent + _head(key), mapping[key]
        if isinstance(value, dict) and value:
            lines.append(head)
            _add_mapping(lines, value, indent + "  ")
        elif isinstance(value, list) and value:
            lines.append(head)
            for item in value:
                _add_item(lines, item, indent)
        else:
            _add_placed(lines, head, value, indent + "  ")


def _add_item(lines: list[str], item: Any, indent: str) -> None:
    if isinstance(item, dict) and item:
        first = len(lines)
        _add_mapping(lines, item, indent + "  ")
        lines[first] = f"{indent}- {lines[first].removeprefix(indent + '  ')}"
    else:
        _add_placed(lines, f"{indent}-", item, indent + "  ")


def _add_placed(lines: list[str], head: str, value: Any, indent: str) -> None:
    """Write a scalar or an empty collection behind what is before it; a block of lines is below."""
    if not isinstance(value, str):
        lines.append(f"{head} {json.dumps(value)}")  # numbers, true, false, null, [] and {} are alike in JSON
    elif "\n" in value and re.fullmatch(_FITS_BLOCK, value):
        _add_block(lines, head, value, indent)
    else:
        lines.append(f"{head} {_text(value)}")


def _add_block(lines: list[str], head: str, text: str, indent: str) -> None:
    body = text.rstrip("\n")
    trailing = len(text) - len(body)
    chomping = "-" if not trailing else "" if trailing == 1 and body else "+"
    lines.append(f"{head} |{chomping}")
    written = text.removesuffix("\n").split("\n")
    lines.extend(indent + line if line else "" for line in written)


@functools.lru_cache(maxsize=1024)  # keys are few
def _head(key: str) -> str:
    return f"{_text(key)}:"


def _text(text: str) -> str:
    return text if _SURELY_PLAIN.fullmatch(text) else _doubtful_text(text)


@functools.lru_cache(maxsize=4096)
def _doubtful_text(text: str) -> str:
    if text in _WORDS or _LOOKS_ODD.fullmatch(text) or _needs_escapes(text):
        return _dumped(text, '"')
    return _dumped(text, None)


def _needs_escapes(text: str) -> bool:
    return not (text.isascii() and text.isprintable()) and re.search(_NEEDS_ESCAPES, text) is not None


def _dumped(text: str, style: str | None) -> str:
    """Let PyYAML write one text, in the style given or the plainest that is safe."""
    plain = style is None
    events = [
        yaml.StreamStartEvent(),
        yaml.DocumentStartEvent(),
        yaml.MappingStartEvent(None, None, implicit=True, flow_style=False),
        yaml.ScalarEvent(None, None, (True, True), "k"),
        yaml.ScalarEvent(None, None, (plain, True), text, style=style),
        yaml.MappingEndEvent(),
        yaml.DocumentEndEvent(),
        yaml.StreamEndEvent(),
    ]
    written: str = yaml.emit(events, Dumper=_DUMPER, width=2**30, allow_unicode=True)
    return written.removeprefix("k: ").removesuffix("\n")
