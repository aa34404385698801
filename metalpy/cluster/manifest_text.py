"""YAML and JSON text to plain values, strictly and within bounds.

Values are what JSON knows: no dates, no sets, no objects of Python's. A key that stands twice in a mapping is
refused, and so is a text whose aliases or nesting would multiply into something huge. YAML is built from the
parser's events: one pass, no recursion, and a line number in each mapping.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

from metalpy.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_NODES = 5_000_000
"""Values in one file: 25,000 Services as `kubectl get` dumps them."""
MAX_ALIASED_NODES = 1_000_000
"""Values that aliases stand for, counted as if each were written out."""
MAX_DEPTH = 100

_CORE = "tag:yaml.org,2002:"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTHS = {
    spelling: truth
    for words, truth in ((("yes", "true", "on"), True), (("no", "false", "off"), False))
    for word in words
    for spelling in (word, word.capitalize(), word.upper())
}
_SPECIAL_STARTS = frozenset("+-.0123456789~nNyYtTfFoO")
# No base-60 numbers: 12:30 is a text to the parsers of Kubernetes.
_INT = re.compile(r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(([0-9][0-9_]*)\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?")
_NOT_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class Located(dict[str, Any]):
    """A mapping that knows the line it starts in, counted from 1."""

    __slots__ = ("line",)
    line: int


def documents_of(text: str, *, is_json: bool = False) -> Iterator[Any]:
    """Read the documents of a text one after the other; mappings of YAML are `Located`, empty ones None.

    Raises `ManifestError` with the text `LINE:COLUMN: what is wrong`, both counted from 1.
    """
    if is_json:
        yield _json_value(text)
        return
    try:
        yield from _yaml_documents(text)
    except yaml.MarkedYAMLError as error:
        raise _at(error.problem_mark or error.context_mark, error.problem or "cannot be read") from error
    except yaml.YAMLError as error:
        raise ManifestError(f"1:1: {' '.join(str(error).split())}") from error


def _yaml_documents(text: str) -> Iterator[Any]:
    nodes = 0
    tree: _Tree | None = None
    for event in yaml.parse(text, Loader=_LOADER):
        kind = type(event)
        if kind is yaml.DocumentStartEvent:
            tree = _Tree(nodes)
        elif tree is None:
            continue
        elif kind is yaml.DocumentEndEvent:
            yield tree.root
            nodes, tree = tree.nodes, None
        elif kind is yaml.ScalarEvent:
            tree.add_scalar(event)
        elif kind is yaml.AliasEvent:
            tree.add_alias(event)
        elif kind in (yaml.MappingStartEvent, yaml.SequenceStartEvent):
            tree.open(event)
        else:
            tree.close()


class _Nothing:
    """Marks a mapping that waits for its next key."""


_NO_KEY: Final = _Nothing()
_MERGE: Final = _Nothing()


@dataclass(slots=True)
class _Frame:
    """A collection that is being read."""

    value: Any
    event: Any
    nodes_before: int
    key: Any = _NO_KEY
    merged: list[Located] = field(default_factory=list)


class _Tree:
    """Puts the events of one document together. `nodes` counts the whole file, aliases written out."""

    def __init__(self, nodes: int) -> None:
        self.root: Any = None
        self.nodes = nodes
        self._aliased = 0
        self._open: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}

    def add_scalar(self, event: Any) -> None:
        self._count(1, event)
        frame = self._open[-1] if self._open else None
        if frame is not None and frame.key is _NO_KEY and isinstance(frame.value, Located):
            is_merge = event.value == "<<" and event.implicit[0]
            self._take_key(frame, _MERGE if is_merge else event.value, event)
            value: Any = event.value
        else:
            value = _scalar(event)
            self._put(value, event)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)

    def add_alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise _at(event.start_mark, f"the alias *{event.anchor} has no anchor before it")
        value, nodes = self._anchors[event.anchor]
        self._aliased += nodes
        if self._aliased > MAX_ALIASED_NODES:
            raise _at(event.start_mark, f"aliases stand for more than {MAX_ALIASED_NODES} values")
        self._count(nodes, event)
        frame = self._open[-1] if self._open else None
        if frame is not None and frame.key is _NO_KEY and isinstance(frame.value, Located):
            self._take_key(frame, value, event)
        else:
            self._put(value, event)

    def open(self, event: Any) -> None:
        self._count(1, event)
        if len(self._open) >= MAX_DEPTH:
            raise _at(event.start_mark, f"nested deeper than {MAX_DEPTH}")
        if event.tag not in (None, "!", f"{_CORE}map", f"{_CORE}seq"):
            raise _at(event.start_mark, f"the tag {event.tag} is not supported")
        line = event.start_mark.line + 1
        if isinstance(event, yaml.MappingStartEvent):
            value: Any = Located()
            value.line = line
        else:
            value = []
        self._open.append(_Frame(value, event, self.nodes - 1))

    def close(self) -> None:
        frame = self._open.pop()
        for mapping in frame.merged:
            for key, value in mapping.items():
                frame.value.setdefault(key, value)
        if frame.event.anchor:
            self._anchors[frame.event.anchor] = (frame.value, self.nodes - frame.nodes_before)
        self._put(frame.value, frame.event)

    def _put(self, value: Any, event: Any) -> None:
        if not self._open:
            self.root = value
            return
        frame = self._open[-1]
        if isinstance(frame.value, list):
            frame.value.append(value)
        elif frame.key is _NO_KEY:
            raise _at(event.start_mark, "a key must be a text")
        elif frame.key is _MERGE:
            frame.merged += self._mergeable(value, event)
            frame.key = _NO_KEY
        else:
            frame.value[frame.key] = value
            frame.key = _NO_KEY

    def _take_key(self, frame: _Frame, key: Any, event: Any) -> None:
        if key is not _MERGE and not isinstance(key, str):
            raise _at(event.start_mark, "a key must be a text")
        if key in frame.value:
            raise _at(event.start_mark, f"the key {json.dumps(key)} is there twice")
        frame.key = key

    def _mergeable(self, value: Any, event: Any) -> list[Located]:
        mappings = value if isinstance(value, list) else [value]
        if not all(isinstance(mapping, Located) for mapping in mappings):
            raise _at(event.start_mark, "<< takes a mapping or a list of mappings")
        return mappings

    def _count(self, nodes: int, event: Any) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise _at(event.start_mark, f"more than {MAX_NODES} values in one file")


def _scalar(event: Any) -> Any:
    text: str = event.value
    if event.implicit[0]:
        return _plain(text, event)
    tag = event.tag
    if event.implicit[1] or tag in ("!", f"{_CORE}str"):
        return text
    value = _plain(text, event)
    known = {"null": type(None), "bool": bool, "int": int, "float": float}
    wanted = known.get(tag.removeprefix(_CORE))
    if wanted is None:
        raise _at(event.start_mark, f"the tag {tag} is not supported")
    if type(value) is not wanted:
        raise _at(event.start_mark, f"{json.dumps(text)} is no {tag.removeprefix(_CORE)}")
    return value


def _plain(text: str, event: Any) -> Any:
    """Read a text without quotes as YAML 1.1 does, as far as the parsers of Kubernetes do."""
    if not text:
        return None
    if text[0] not in _SPECIAL_STARTS:
        return text
    if text in _NULLS:
        return None
    if text in _TRUTHS:
        return _TRUTHS[text]
    if _INT.fullmatch(text):
        return _integer(text, event)
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    if _NOT_JSON.fullmatch(text):
        raise _at(event.start_mark, f"{text} is no number that JSON knows")
    return text


def _integer(text: str, event: Any) -> int:
    digits = text.replace("_", "").lower()
    unsigned = digits.lstrip("+-")
    is_octal = unsigned.startswith("0") and unsigned[1:].isdigit()
    try:
        return int(digits, 8 if is_octal else 0)
    except ValueError as error:
        raise _at(event.start_mark, f"{text[:20]} is no number") from error


class _TwiceError(Exception):
    """A key stands twice in a JSON object."""


def _json_value(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ManifestError(f"{error.lineno}:{error.colno}: {error.msg}") from error
    except ValueError as error:  # a number of thousands of digits
        raise ManifestError(f"1:1: {error}") from error
    except _TwiceError as error:
        # json does not tell where; YAML, of which JSON is nearly a part, does.
        for _ in documents_of(text):
            pass
        raise ManifestError(f"1:1: the key {error} is there twice") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(json.dumps(next(name for name in names if names.count(name) > 1)))
    return value


def _refuse_constant(text: str) -> Any:
    raise ManifestError(f"1:1: {text} is no number that JSON knows")


def _at(mark: Any, what: str) -> ManifestError:
    line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
    return ManifestError(f"{line}:{column}: {what}")
