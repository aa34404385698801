"""Scalars by the type of their field, as go-yaml 2 reads them."""

from __future__ import annotations

import pytest

from metalpy.config.document import List, Scalar, compose
from metalpy.config.scalars import is_unset, read_text, resolve


def _scalar(text: str) -> Scalar:
    root = compose(f"[{text}]").root
    assert isinstance(root, List)
    (scalar,) = root.items
    assert isinstance(scalar, Scalar)
    return scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("+5", 5),
        ("-5", -5),
        ("1_000", 1000),
        ("0x1f", 31),
        ("0b11", 3),
        ("010", 8),
        ("0o10", 8),
        ("08", 8.0),
        ("1.10", 1.1),
        ("6.46e4", 64600.0),
        (".5", 0.5),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", float(2**64)),
        ("64512:1", "64512:1"),
        ("20:30", "20:30"),
        ("AS5", "AS5"),
        ("_1", "_1"),
        ("0x", "0x"),
        ("1e999", "1e999"),
        ("2001-01-01", "2001-01-01"),
        ("yes", True),
        ("Y", True),
        ("oFF", "oFF"),
        ("off", False),
        ("tRue", "tRue"),
        ("'true'", "true"),
        ("~", None),
        ("NULL", None),
        ("'~'", "~"),
        ("! ~", "~"),
        ("!!int '5'", 5),
        ("!!float 5", 5.0),
        ("!!str 5", "5"),
        ("!!bool 'y'", True),
        ("!own 5", "5"),
        ("!!binary aGk=", "hi"),
    ],
)
def test_a_scalar_resolves_by_looks_and_tag(text: str, value: object) -> None:
    resolved = resolve(_scalar(text))

    assert value == resolved
    assert type(value) is type(resolved)


@pytest.mark.parametrize("text", ["!!int abc", "!!bool 1", "!!float yes", "!!null x", "!!binary '*'", "!!binary /w=="])
def test_a_tag_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"tag|base64"):
        resolve(_scalar(text))


@pytest.mark.parametrize("text", ["yes", "012", "1.50", "2001-01-01", "0x10", "1_000", "64512:1", "!!int 012"])
def test_a_field_of_text_keeps_the_source_text(text: str) -> None:
    assert text.removeprefix("!!int ") == read_text(_scalar(text))


@pytest.mark.parametrize(("text", "unset"), [("~", True), ("null", True), ("''", False), ("Null", False), ("5", False)])
def test_only_the_usual_nulls_leave_an_optional_field_alone(text: str, *, unset: bool) -> None:
    assert unset == is_unset(_scalar(text))
