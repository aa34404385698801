"""Texts in written objects: every one is read back as it was, and in quotes only where it must be."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from configmaptocrs.document import mapping_to_text

_PIECES = st.sampled_from([*"0123456789abcdefnyoxNYT", *".:/-_~ ", "::", "10.9.0.", "/24", "2001:db8:", "\n", "é", "#"])


def _written(text: str) -> str:
    return mapping_to_text({"k": text}).removeprefix("k: ").removesuffix("\n")


@pytest.mark.parametrize(
    "text", ["10.9.0.0/24", "10.9.0.1-10.9.0.9", "2001:db8::/64", "2001:db8::1-2001:db8::ff", "::/0", "pool-7", "a/b.c"]
)
def test_addresses_and_names_are_written_without_quotes(text: str) -> None:
    assert _written(text) == text


@pytest.mark.parametrize("text", ["12:30", "1:2:3", "10.9", "1e3", "2020-01-02", "0x1f", "10.9.0.1-::", "no", "~", ""])
def test_what_yaml_takes_for_something_else_is_in_quotes(text: str) -> None:
    assert _written(text) == f'"{text}"' or _written(text) == f"'{text}'"


@given(st.lists(_PIECES, max_size=6).map("".join))
@settings(derandomize=True, max_examples=2000, deadline=None)
def test_any_text_is_read_back_as_it_was(text: str) -> None:
    assert yaml.load(mapping_to_text({"k": text}), Loader=yaml.CSafeLoader) == {"k": text}
