"""Aliases, keys and merges of a document: what go-yaml 2 in strict mode makes of them, each error by its place.

Merge keys take effect in the order written: one behind an explicit key overwrites that key, against the YAML merge
specification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalpy.config.document import Alias, List, Mapping, Scalar
from metalpy.config.findings import Findings, shown, step
from metalpy.config.scalars import MERGE, NULLS, read_text
from metalpy.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metalpy.config.document import Document, Node

_SPARE_VISITS = 500_000
_VISITS_PER_NODE = 4


class Structure:
    """Finds what is behind aliases, keys and merges, and collects what is wrong with them in `findings`.

    Raises `ConfigError` from any method where aliases blow the document up beyond reason.
    """

    def __init__(self, document: Document, findings: Findings) -> None:
        self.findings = findings
        self._visits_left = _SPARE_VISITS + _VISITS_PER_NODE * document.node_count

    def text(self, node: Node | None, path: str, *, secret: bool = False) -> str | None:
        """Read text: the source text of any scalar, empty for null. A secret's value enters no message."""
        if node is None:
            return None
        text = self._usual_text(node)
        if text is not None:
            return text
        target = self._target(node, path, secret=secret)
        if target is None:
            return None
        if not isinstance(target, Scalar):
            self._wrong_kind(target, path, "must be text")
            return None
        try:
            return read_text(target)
        except ValueError as error:
            self.findings.error(target, path, str(error), value="" if secret else shown(target.text))
            return None

    def _usual_text(self, node: Node) -> str | None:
        """Give the text of a scalar that is surely text; None where it takes a closer look."""
        if isinstance(node, Scalar) and not node.tag and node.text not in NULLS and (node.line or not node.plain):
            self._visits_left -= 1
            return node.text
        return None

    def _target(self, node: Node, path: str, *, secret: bool = False) -> Node | None:
        self._visits_left -= 1
        if self._visits_left < 0:
            text = "aliases make this document too large: write the values out"
            raise ConfigError(
                [*self.findings.errors, Problem(node.line, node.column, path, "", text)], self.findings.warnings
            )
        if not isinstance(node, Alias):
            return node
        if node.target is None:
            name = "" if secret else shown(node.name)
            self.findings.error(
                node, path, "is an alias of no anchor before it: quote text that starts with *", value=name
            )
        return node.target

    def _entries(self, mapping: Mapping, path: str, *, shared_keys: bool) -> Iterator[tuple[Node, str, Node]]:
        """Give key node, key and value in the order in which they take effect, merges included.

        A key twice in one mapping is refused; with `shared_keys` also one in a mapping and in what it merges.
        """
        seen_by_all: set[str] = set()
        waiting = [mapping]
        running: list[tuple[Mapping, Iterator[tuple[int, tuple[Node, Node]]], set[str]]] = []
        floor: list[int] = []
        active: set[int] = set()
        while waiting or running:
            if waiting and (not running or len(waiting) > floor[-1]):
                entered = waiting.pop()
                if id(entered) in active:
                    self.findings.error(entered, path, "contains itself through an alias")
                    continue
                active.add(id(entered))
                seen = seen_by_all if shared_keys else set[str]()
                running.append((entered, enumerate(entered.pairs), seen))
                floor.append(len(waiting))
            current, pairs, seen = running[-1]
            for index, (key_node, value) in pairs:
                if _is_merge(key_node):
                    self._warn_of_late_merge(current, index, key_node, path)
                    waiting += self._merged(value, path)
                    break
                key = self._key(key_node, path)
                if key is None:
                    continue
                if key in seen:
                    self.findings.error(key_node, step(path, key), "is set twice in one mapping: remove one")
                    continue
                seen.add(key)
                yield key_node, key, value
            else:
                running.pop()
                floor.pop()
                active.discard(id(current))

    def _key(self, node: Node, path: str) -> str | None:
        if isinstance(node, Scalar) and node.plain and node.text not in NULLS:
            self._visits_left -= 1
            return node.text
        target = self._target(node, path)
        if target is not None and not isinstance(target, Scalar):
            self.findings.error(target, path, "must have plain text as keys")
            return None
        return None if target is None else self.text(target, path)

    def _merged(self, value: Node, path: str) -> list[Mapping]:
        """Give the mappings that a merge key names; the last of them takes effect first."""
        target = self._target(value, path)
        if target is None:
            return []
        parts = [self._target(item, path) for item in target.items] if isinstance(target, List) else [target]
        mappings = [part for part in parts if isinstance(part, Mapping)]
        for part in parts:
            if part is not None and not isinstance(part, Mapping):
                self.findings.error(part, step(path, "<<"), "must be a mapping or a list of mappings to merge")
        return mappings

    def _warn_of_late_merge(self, mapping: Mapping, index: int, key: Node, path: str) -> None:
        if not all(_is_merge(earlier) for earlier, _ in mapping.pairs[:index]):
            text = "overwrites the keys before it, as it did in MetalLB: put it first in its mapping"
            self.findings.warn(key, step(path, "<<"), text)

    def _wrong_kind(self, node: Node, path: str, must: str) -> None:
        found = {List: "a list", Mapping: "a mapping"}.get(type(node), "a single value")
        value = "" if path.endswith(".password") or not isinstance(node, Scalar) else shown(node.text)
        self.findings.error(node, path, f"{must}, not {found}", value=value)


def _is_merge(node: Node) -> bool:
    return isinstance(node, Scalar) and node.text == "<<" and (node.plain or node.tag == MERGE)
