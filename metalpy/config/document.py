"""YAML text into nodes that know where they stand, and nothing more.

The nodes are composed from libyaml's events rather than by PyYAML's composer: that one guesses what a scalar
means before anybody knows the field it is for, keeps the last of two equal keys without a word, refuses an
anchor that is defined twice, and recurses as deep as the text is nested. Here a scalar stays source text, an
alias stays an alias (so that a decoder can count what it expands), and depth is bounded.

Only the first document of a text is read, as MetalLB up to 0.12 did: what follows it is not even scanned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from yaml import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from metalpy.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MAX_DEPTH = 100
"""Deepest nesting that is read; a configuration needs seven levels."""

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters outside YAML's printable set (YAML 1.1, section 5.1)."""


@dataclass(slots=True, eq=False)
class Scalar:
    """A scalar as written. `plain` is true where its type may be guessed: no quotes and no tag."""

    line: int
    column: int
    text: str
    plain: bool = True
    tag: str = ""


@dataclass(slots=True, eq=False)
class List:
    """A sequence."""

    line: int
    column: int
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Mapping:
    """A mapping: all keys with their values in the order written, repeated ones included."""

    line: int
    column: int
    pairs: list[tuple[Node, Node]] = field(default_factory=list)

    def known_values(self, keys: Collection[str]) -> dict[str, Node] | None:
        """Give the values by their keys if all of these are among `keys`, once, and without a tag; else None."""
        values: dict[str, Node] = {}
        for key, value in self.pairs:
            if not isinstance(key, Scalar) or key.tag or key.text not in keys or key.text in values:
                return None
            values[key.text] = value
        return values


@dataclass(slots=True, eq=False)
class Alias:
    """A reference to an anchor; `target` is None where no such anchor stands before it."""

    line: int
    column: int
    name: str
    target: Node | None


Node = Scalar | List | Mapping | Alias


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document. `node_count` counts its nodes, aliases unexpanded.

    `unread_line` is the first line (from 1) with text behind the document, 0 where there is none, or where what
    follows is read as well.
    """

    root: Node | None
    node_count: int
    unread_line: int = 0


def compose(text: str) -> Document:
    """Read the first document of a text.

    Raises `ConfigError` with one problem where the text is not YAML; its message repeats nothing of the
    text, which may hold passwords.
    """
    text = text.removeprefix("\ufeff")
    for root, count, mark in _documents(text):
        return Document(root, count, _first_text_line(text, mark.index, mark.line) if mark else 0)
    return Document(None, 0)


def compose_all(text: str) -> Iterator[Document]:
    """Read the documents of a text one after the other; raises like `compose`, when it gets that far."""
    for root, count, _ in _documents(text.removeprefix("\ufeff")):
        yield Document(root, count)


def _documents(text: str) -> Iterator[tuple[Node | None, int, Any]]:
    """Give each document's root, the count of its nodes, and the mark of its end."""
    _refuse_surrogates(text)
    try:
        loader = _LOADER(text)
        try:
            events = iter(loader.get_event, None)
            texts: dict[str, str] = {}
            for event in events:
                if isinstance(event, DocumentStartEvent):
                    yield _composed(events, texts)
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        raise _unreadable(text) from error
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(text, error) from None  # the chained text of pure PyYAML quotes the source
    except (yaml.YAMLError, ValueError, OverflowError):
        # Pure PyYAML lets a few escapes such as "\UFFFFFFFF" end as a plain ValueError.
        raise _refused(1, 1, "not valid YAML") from None


def _composed(events: Iterator[Any], texts: dict[str, str]) -> tuple[Node | None, int, Any]:
    """Build a document from the events behind its start. One loop: there are as many events as values.

    Equal texts are one, by `texts`: most of them are keys, which are there again and again.
    """
    count = 0
    top: list[Node] = []
    nodes = top  # what the innermost open collection holds so far
    outer: list[tuple[List | Mapping, list[Node]]] = []  # open collections, and what is around each
    anchors: dict[str, Node] = {}
    line = 1
    node: Node
    for event in events:
        kind = type(event)
        if kind is MappingEndEvent or kind is SequenceEndEvent:
            inner = nodes
            collection, nodes = outer.pop()
            if isinstance(collection, List):
                collection.items = inner
            else:
                collection.pairs = list(zip(inner[::2], inner[1::2], strict=True))
            continue
        if kind is DocumentEndEvent:
            return top[0] if top else None, count, event.end_mark
        mark, anchor = event.start_mark, event.anchor
        if mark and mark.line + 1 != line:  # else the number that the line's other nodes have serves again
            line = mark.line + 1
        column = mark.column + 1 if mark else 1
        count += 1
        if kind is ScalarEvent:
            text = event.value
            if not text.isascii():
                _refuse_surrogates(text, line, column)
            node = Scalar(line, column, texts.setdefault(text, text), event.implicit[0], event.tag or "")
            nodes.append(node)
        elif kind is AliasEvent:
            nodes.append(Alias(line, column, anchor or "", anchors.get(anchor)))
            continue
        else:
            node = Mapping(line, column) if kind is MappingStartEvent else List(line, column)
            nodes.append(node)
            outer.append((node, nodes))
            nodes = []
            if len(outer) > MAX_DEPTH:
                raise _refused(line, column, f"nested more than {MAX_DEPTH} levels deep")
        if anchor:
            anchors[anchor] = node
    return None, 0, None


def _first_text_line(text: str, index: int, line: int) -> int:
    """Give the number (from 1) of the first line with more than a comment or a separator, or 0."""
    for number, written in enumerate(text[index:].split("\n"), start=line + 1):
        content = written.removeprefix("---").removeprefix("...").strip()
        if content and not content.startswith("#"):
            return number
    return 0


def _refused(line: int, column: int, text: str) -> ConfigError:
    return ConfigError([Problem(line, column, "", "", text)])


def _refuse_surrogates(text: str, line: int = 0, column: int = 0) -> None:
    """Refuse text that no encoding can carry; `line` 0 means that the place is to be found in the text."""
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        if line:
            raise _refused(line, column, "half of a surrogate pair is not a character") from None
        raise _unreadable(text) from None


def _unreadable(text: str) -> ConfigError:
    found = _UNREADABLE.search(text)
    position = found.start() if found else 0
    before = text[:position]
    line, column = before.count("\n") + 1, position - before.rfind("\n")
    name = f"U+{ord(text[position]):04X}" if found else "a character"
    return _refused(line, column, f"not valid YAML: {name} is a control character; remove it")


_REMEDIES = (
    ("cannot start any token", "quote values that start with @, ` or %"),
    ("mapping values are not allowed", "quote a value that contains ': ', and check the indentation"),
    ("could not find expected ':'", "a key needs a colon and a blank behind it"),
    ("did not find expected key", "keys of one mapping need the same indentation"),
    ("did not find expected '-' indicator", "the entries of one list need the same indentation"),
    ("unexpected end of stream", "a closing quote or bracket is missing"),
    ("undefined tag handle", "quote a value that starts with !"),
    ("did not find expected alphabetic", "quote a value that starts with * or &"),
)


def _syntax_error(text: str, error: yaml.MarkedYAMLError) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    # What follows these words is taken from the source, and the source may hold a password.
    problem = re.sub(r"\b(handle|alias|anchor|name|escape character)\b.*", r"\1", str(error.problem or ""))
    context = re.sub(r"\b(handle|alias|anchor|name)\b.*", r"\1", str(error.context or ""))
    if mark and text[mark.index : mark.index + 1] == "\t":
        remedy = "a tab cannot indent; use blanks"
    else:
        remedy = next((remedy for words, remedy in _REMEDIES if words in problem), "")
    parts = [part for part in (problem, context) if part]
    return _refused(line, column, "not valid YAML: " + ", ".join(parts) + (f"; {remedy}" if remedy else ""))
