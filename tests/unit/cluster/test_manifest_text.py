from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from metalpy.cluster import manifest_text
from metalpy.cluster.manifest_text import Located, documents_of
from metalpy.errors import ManifestError
from tests.unit.cluster.dumps import SERVICE_DUMP, SLICE_DUMP

# YAML has no pairs of surrogates, which JSON writes for what lies beyond 16 bits.
TEXTS = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]))
# Nor keys of more than 1,024 characters, as they stand there: an escaped one takes six.
KEYS = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=150)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e6, 1e6).map(lambda each: round(each, 3)) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


def one(text: str, *, is_json: bool = False) -> Any:
    (document,) = documents_of(text, is_json=is_json)
    return document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12:30", "12:30"),
        ("2022-03-01", "2022-03-01"),
        ("2022-03-01T09:12:44Z", "2022-03-01T09:12:44Z"),
        ("017", 15),
        ("0x1F", 31),
        ("1_000", 1000),
        ("-7", -7),
        ("08", "08"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("10.0.0.1", "10.0.0.1"),
        ("yes", True),
        ("Off", False),
        ("'yes'", "yes"),
        ('"80"', "80"),
        ("~", None),
        ("null", None),
        ("None", "None"),
        ("fd00::1", "fd00::1"),
        ("!!str 80", "80"),
        ("!!int '80'", 80),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_scalar_means_what_it_means_to_kubernetes(text: str, value: object) -> None:
    assert one(f"a: {text}\n") == {"a": value}


def test_documents_come_one_by_one_and_empty_ones_are_none() -> None:
    assert list(documents_of("a: 1\n---\n---\n- b\n")) == [{"a": 1}, None, ["b"]]
    assert list(documents_of("# nothing but a comment\n")) == []


def test_mappings_know_their_line() -> None:
    document = one("# first\na:\n  b:\n    c: 1\n")

    assert isinstance(document, Located)
    assert (document.line, document["a"].line, document["a"]["b"].line) == (2, 3, 4)


def test_anchors_and_merge_keys_are_followed() -> None:
    text = "base: &base {x: 1, y: 2}\na:\n  <<: *base\n  y: 3\nb:\n  <<: [{y: 4}, *base]\nc: *base\n"

    document = one(text)

    assert document["a"] == {"x": 1, "y": 3}
    assert document["b"] == {"x": 1, "y": 4}
    assert document["c"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", '4:3: the key "c" is there twice'),
        ("a: [1,\n", "2:1: did not find expected node content"),
        ("a:\n\tb: 2\n", "2:1: found character that cannot start any token"),
        ("a: *x\n", "1:4: the alias *x has no anchor before it"),
        ("a: &x [*x]\n", "1:8: the alias *x has no anchor before it"),
        ("? [a]\n: b\n", "1:3: a key must be a text"),
        ("? &k {a: 1}\n: b\n", "1:3: a key must be a text"),
        ("a: !!python/object:os.system x\n", "the tag tag:yaml.org,2002:python/object:os.system"),
        ("a: !mine {}\n", "1:4: the tag !mine is not supported"),
        ("a: !!int x\n", '1:4: "x" is no int'),
        ("a: .nan\n", "1:4: .nan is no number that JSON knows"),
        ("<<: 1\n", "1:5: << takes a mapping or a list of mappings"),
        ("a: \x00\n", "control characters are not allowed"),
        ("[" * 10_000, "nested deeper than 100"),
        ("- " * 10_000, "nested deeper than 100"),
    ],
)
def test_bad_yaml_is_refused_in_one_line_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        list(documents_of(text))

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,\n "a": 2}', '2:2: the key "a" is there twice'),
        ("{", "1:2: Expecting property name enclosed in double quotes"),
        ('{"a": NaN}', "1:1: NaN is no number that JSON knows"),
        ('{"a": 1} {}', "1:10: Extra data"),
        ("9" * 10_000, "1:1: Exceeds the limit"),
    ],
)
def test_bad_json_is_refused_in_one_line_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        one(text, is_json=True)

    assert str(caught.value).startswith(message)


def test_aliases_that_multiply_are_refused() -> None:
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 30)]

    with pytest.raises(ManifestError, match="aliases stand for more than 1000000 values"):
        one("\n".join(["l0: &l0 [x, x]", *levels]))


def test_too_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_text, "MAX_NODES", 100)

    with pytest.raises(ManifestError, match="more than 100 values in one file"):
        list(documents_of("\n---\n".join(["[a, b]"] * 40)))


@settings(derandomize=True, deadline=None)
@given(JSON_VALUES)
def test_json_read_as_yaml_is_the_same_value(value: object) -> None:
    text = json.dumps({"value": value})

    assert one(text) == one(text, is_json=True) == json.loads(text)


@settings(derandomize=True, deadline=None)
@given(st.text())
def test_no_text_raises_anything_but_a_manifest_error(text: str) -> None:
    for is_json in (False, True):
        with contextlib.suppress(ManifestError):
            list(documents_of(text, is_json=is_json))


def test_yaml_is_read_alike_without_the_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = list(documents_of(f"{SERVICE_DUMP}---\n{SLICE_DUMP}"))

    monkeypatch.setattr(manifest_text, "_LOADER", yaml.SafeLoader)

    assert list(documents_of(f"{SERVICE_DUMP}---\n{SLICE_DUMP}")) == fast
    with pytest.raises(ManifestError, match=r"4:1: the key .a. is there twice"):
        list(documents_of("a: 1\nb: 2\nc: 3\na: 4\n"))
    with pytest.raises(ManifestError, match="special characters are not allowed"):
        list(documents_of("a: \x00"))
