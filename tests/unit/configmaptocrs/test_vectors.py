from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.configmaptocrs.vectors import VECTORS, Vector

if TYPE_CHECKING:
    from tests.unit.configmaptocrs.conftest import Converter


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)
def test_a_fragment_becomes_these_objects_or_this_error(vector: Vector, convert: Converter) -> None:
    done = convert(vector.text, "-only-data", *vector.flags)
    if isinstance(vector.expected, str):
        assert done.status == 1
        assert vector.expected in done.messages
        assert done.file is None
    else:
        assert done.status == 0, done.messages
        assert done.objects == vector.expected
        assert vector.warning in done.messages


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if not isinstance(vector.expected, str)], ids=lambda vector: vector.id
)
def test_what_was_converted_means_the_same(vector: Vector, convert: Converter) -> None:
    done = convert(vector.text, "-only-data", "-verify", *vector.flags)
    if vector.id == "21-contradicting-advertisements":
        assert done.status == 3
        assert "D-LOAD" in done.output
    elif vector.id == "5-long-and-no-hold-time":  # its target reads hold time 0 as 90 seconds
        assert done.status == 3
        assert "D-SESS peer 192.0.2.2 has another hold time" in done.output
    else:
        assert done.output.endswith("EQUIVALENT\n"), done.output
        assert done.status == 0


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if vector.official is None or vector.official], ids=lambda vector: vector.id
)
def test_compat_official_gives_what_the_official_converter_does(vector: Vector, convert: Converter) -> None:
    if "-names" in vector.flags:  # it has no such flag
        return
    done = convert(vector.text, "-only-data", "-compat", "official")
    expected = vector.expected if vector.is_same else vector.official
    assert done.status == 0
    assert done.objects == (expected or {}), done.messages
    assert (done.file == "") is (expected is None)
