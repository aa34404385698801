"""Every vector: metalpy's verdict, and what the text means or what its refusal says."""

from __future__ import annotations

import pytest

from metalpy.config.legacy import parse_legacy
from metalpy.errors import ConfigError
from tests.unit.config import vectors
from tests.unit.config.vectors import Accepted, Refused, Vector

_ACCEPTED = [(vector, vector.outcome) for vector in vectors.ALL if isinstance(vector.outcome, Accepted)]
_REFUSED = [(vector, vector.outcome) for vector in vectors.ALL if isinstance(vector.outcome, Refused)]


def _id(value: object) -> str:
    return value.id if isinstance(value, Vector) else "-"


@pytest.mark.parametrize(("vector", "outcome"), _ACCEPTED, ids=_id)
def test_vector_means_what_metallb_made_of_it(vector: Vector, outcome: Accepted) -> None:
    parsed = parse_legacy(vector.text)

    assert outcome.config == parsed.config
    if outcome.warning is None:
        assert parsed.warnings == ()
    else:
        (warning,) = parsed.warnings
        path, phrase = outcome.warning
        assert path == warning.path
        assert phrase in warning.text


@pytest.mark.parametrize(("vector", "outcome"), _REFUSED, ids=_id)
def test_vector_is_refused_by_path_with_its_reason(vector: Vector, outcome: Refused) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_legacy(vector.text)

    found = [problem.text for problem in refused.value.problems if problem.path == outcome.path]
    assert any(outcome.phrase in text for text in found), refused.value.problems


def test_vectors_are_complete_and_named_once() -> None:
    ids = [vector.id for vector in vectors.ALL]

    counts = {"A": 41, "L": 20, "W": 22, "R": 56, "B": 26, "F": 11, "M": 9}
    assert [f"{table}{number:02}" for table, count in counts.items() for number in range(1, count + 1)] == ids
