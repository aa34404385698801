"""From announcements to paths with tags."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from metalpy.bgp.paths import TAG, Numbers, lay_out
from tests.unit.bgp.values import announcement, attributes, peer

OUTSIDE1, OUTSIDE2 = peer("192.0.2.1"), peer("192.0.2.2")
INSIDE1, INSIDE2 = peer("192.0.2.3", 64500), peer("192.0.2.4", 64500)
ALL = frozenset(map(ip_address, ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5")))
NUMBERS = {OUTSIDE1.address: 11, OUTSIDE2.address: 12, INSIDE1.address: 13, INSIDE2.address: 14}


def test_path_carries_the_attributes_that_all_see_and_a_tag_for_each_peer() -> None:
    seen = attributes(None, 7)
    path, others = lay_out(
        announcement("10.0.0.0/24", (seen, {OUTSIDE1, OUTSIDE2})), ALL, NUMBERS.__getitem__, Numbers()
    )

    assert path is not None
    assert (path.attributes, set(path.tags)) == (seen, {(1, 11), (1, 12)})
    assert not others


def test_path_for_everybody_carries_one_tag_whoever_that_is() -> None:
    wanted = announcement("10.0.0.0/24", (attributes(), {OUTSIDE1, OUTSIDE2}))
    both, one, none = (
        lay_out(wanted, frozenset(each.address for each in sessions), NUMBERS.__getitem__, Numbers())
        for sessions in ((OUTSIDE1, OUTSIDE2), (OUTSIDE2,), ())
    )

    assert both == one == none
    assert both[0] is not None
    assert both[0].tags == {(1, 0)}


def test_peers_outside_our_as_never_need_a_variant_for_the_local_preference() -> None:
    variants = (attributes(None, 7), {OUTSIDE1}), (attributes(200, 7), {INSIDE1}), (attributes(50, 7), {OUTSIDE2})
    path, others = lay_out(announcement("10.0.0.0/24", *variants), ALL, NUMBERS.__getitem__, Numbers())

    assert path is not None
    assert (path.attributes, set(path.tags)) == (attributes(200, 7), {(1, 11), (1, 12), (1, 13)})
    assert not others


def test_other_attributes_are_variants_with_tags_of_their_own() -> None:
    variants = (attributes(None, 7), {OUTSIDE1}), (attributes(None, 8), {OUTSIDE2})
    path, others = lay_out(announcement("10.0.0.0/24", *variants), ALL, NUMBERS.__getitem__, lambda _: 99)

    assert path is not None
    assert (path.attributes, set(path.tags)) == (attributes(None, 7), {(1, 11), (99, 12)})
    assert others == {(99, 12): attributes(None, 8)}


@pytest.mark.parametrize("order", [1, -1])
def test_local_preference_0_is_the_path_s_own_for_no_policy_can_set_it(order: int) -> None:
    variants = [(attributes(0, 8), {INSIDE1}), (attributes(100, 7), {INSIDE2}), (attributes(None, 1), {OUTSIDE1})][
        ::order
    ]
    path, others = lay_out(announcement("10.0.0.0/24", *variants), ALL, NUMBERS.__getitem__, Numbers())

    assert path is not None
    assert path.attributes == attributes(0, 8)
    assert set(others.values()) == {attributes(100, 7), attributes(None, 1)}


def test_no_peers_and_no_variants_are_a_withdrawal() -> None:
    for each in (announcement("10.0.0.0/24"), announcement("10.0.0.0/24", (attributes(), set()))):
        assert lay_out(each, ALL, NUMBERS.__getitem__, Numbers()) == (None, {})


def test_large_communities_that_look_like_tags_are_refused() -> None:
    wrong = announcement("10.0.0.0/24", (attributes(large=(TAG, 1, 2)), {OUTSIDE1}))
    with pytest.raises(ValueError, match="4200000000 are metalpy's own"):
        lay_out(wrong, ALL, NUMBERS.__getitem__, Numbers())


def test_numbers_are_the_same_in_every_run_and_never_shared() -> None:
    first, second = Numbers(), Numbers()
    texts = [f"192.0.2.{number}" for number in range(256)]
    assert [first(text) for text in texts] == [second(text) for text in reversed(texts)][::-1]
    # Two words with one CRC-32.
    assert first("plumless") != first("buckeroo")
    assert first("plumless") == first("plumless") > 1
