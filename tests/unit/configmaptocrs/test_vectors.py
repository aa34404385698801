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
