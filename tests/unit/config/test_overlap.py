"""The sweep against the plain comparison of every two spans."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from metalpy.config.overlap import Span, overlaps

_SPANS = st.lists(
    st.tuples(st.sampled_from([4, 6]), st.integers(0, 60), st.integers(0, 15)).map(
        lambda case: Span(case[0], case[1], case[1] + case[2])
    ),
    max_size=12,
)


def _share(one: Span, other: Span) -> bool:
    return one.version == other.version and one.first <= other.last and other.first <= one.last


@given(_SPANS)
@settings(derandomize=True, max_examples=1000, deadline=None)
def test_sweep_finds_every_span_that_shares_an_address(spans: list[Span]) -> None:
    pairs = list(overlaps(spans))

    assert all(later > earlier and _share(spans[later], spans[earlier]) for later, earlier in pairs)
    sharing = {i for i, one in enumerate(spans) if any(j != i and _share(one, other) for j, other in enumerate(spans))}
    assert sharing == {index for pair in pairs for index in pair}
