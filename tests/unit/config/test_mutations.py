"""Damaged documents: whatever the text, the outcome is a configuration or a `ConfigError`."""

from __future__ import annotations

import os
import random
import re
from typing import TYPE_CHECKING

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from metalpy.config import document
from metalpy.config.legacy import parse_legacy
from metalpy.config.manifest import text_of_file
from metalpy.errors import ConfigError
from tests.unit.config import vectors

if TYPE_CHECKING:
    import pytest

DOCUMENTS = int(os.environ.get("FUZZ_DOCUMENTS", "10000"))
"""How many mutated documents are tried; `make fuzz` tries more."""

TEXTS = [vector.text for vector in vectors.ALL]
PIECES = (
    *("<<: ", "&a ", "*a ", "~", "NULL", "!!str ", "!!binary ", "!!int ", "! ", "'", '"', "\n", "  ", "- ", ": ", "? "),
    *("[", "]", "{", "}", ", ", "#", "---\n", "...", "|", ">", "\t", "\r\n", "%", "@", "`", "\\", "\\x", "\\ud800"),
    *("0", "-", "_", "0x", "1e2", ".5", ".inf", "9" * 50, "9" * 5000, "yes", "::", "/", "ns", "µ"),
    *("é", "\u2028", "\u0085", "\ufeff", "\0", "\x1b", "\ud800", "\U0001f600", "٣"),
)


def _splice(text: str, chance: random.Random) -> str:
    other = chance.choice(TEXTS)
    start, at = chance.randrange(len(other) + 1), chance.randrange(len(text) + 1)
    return text[:at] + other[start : start + chance.randrange(60)] + text[at:]


def _insert(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(PIECES) + text[at + chance.randrange(3) :]


def _delete(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + text[at + chance.randrange(1, 12) :]


def _flip(text: str, chance: random.Random) -> str:
    if not text:
        return text
    at = chance.randrange(len(text))
    return text[:at] + chr(ord(text[at]) ^ 1 << chance.randrange(8)) + text[at + 1 :]


def _repeat_line(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at = chance.randrange(len(lines))
    return "".join([*lines[: at + 1], *lines[at : at + 1], *lines[at + 1 :]])


def _swap_scalars(text: str, chance: random.Random) -> str:
    words = sorted(set(re.findall(r"[\w.:/-]+", text)))
    if len(words) < 2:
        return text
    one, other = chance.sample(words, 2)
    return text.replace(one, "\1").replace(other, one).replace("\1", other)


def _nest(text: str, chance: random.Random) -> str:
    at, depth = chance.randrange(len(text) + 1), chance.choice([3, 30, 300])
    return text[:at] + chance.choice(["[", "{a: ", "- ", "{<<: "]) * depth + text[at:]


MUTATIONS = (_splice, _insert, _insert, _delete, _flip, _repeat_line, _swap_scalars, _nest)


def _mutated(chance: random.Random) -> str:
    text = chance.choice(TEXTS)
    for _ in range(chance.randint(1, 4)):
        text = chance.choice(MUTATIONS)(text, chance)
    return text


def _is_taken(text: str) -> bool:
    try:
        parse_legacy(text)
    except ConfigError as refused:
        _assert_readable(refused)
        return False
    return True


def _assert_readable(refused: ConfigError) -> None:
    """Every problem has a place and prints as one line of encodable text."""
    assert refused.problems
    for problem in (*refused.problems, *refused.warnings):
        assert min(problem.line, problem.column) >= 1
        line = problem.describe()
        assert line.encode().splitlines() == [line.encode()]


def test_ten_thousand_damaged_documents_end_as_config_or_config_error() -> None:
    chance = random.Random(4271)

    taken = sum(_is_taken(_mutated(chance)) for _ in range(DOCUMENTS))

    assert 100 < taken < 5_000


def test_damaged_documents_do_no_harm_without_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "_LOADER", yaml.BaseLoader)
    chance = random.Random(1997)

    taken = sum(_is_taken(_mutated(chance)) for _ in range(700))

    assert taken < 700


@given(st.text(max_size=300))
@settings(derandomize=True, max_examples=500, deadline=None)
def test_any_text_ends_as_config_or_config_error(text: str) -> None:
    _is_taken(text)


@given(st.recursive(st.sampled_from(PIECES), lambda inner: st.lists(inner, max_size=5).map("".join), max_leaves=40))
@settings(derandomize=True, max_examples=500, deadline=None)
def test_any_heap_of_yaml_pieces_ends_as_config_or_config_error(text: str) -> None:
    _is_taken(text)


def test_any_file_ends_as_text_or_config_error() -> None:
    chance = random.Random(826)
    manifest = "kind: ConfigMap\nmetadata: {name: config}\ndata:\n  config: |\n    peers: []\n"

    for _ in range(1_000):
        text = manifest
        for _ in range(chance.randint(1, 4)):
            text = chance.choice(MUTATIONS)(text, chance)
        try:
            text_of_file(text)
        except ConfigError as refused:
            _assert_readable(refused)
