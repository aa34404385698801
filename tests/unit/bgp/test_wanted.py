"""The difference between what gobgpd has and what it is to have."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from metalpy.announcement.routes import Announcement
from metalpy.bgp.exports import Export
from metalpy.bgp.wanted import Refused, Wanted, grown
from metalpy.model import Community, Family
from tests.unit.bgp.values import announcement, attributes, network, peer, session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metalpy.bgp.paths import Path
    from metalpy.model import IPNetwork

THREE = peer("192.0.2.3")
ONE, TWO = peer("192.0.2.1"), peer("192.0.2.2", 64500)
PREFIXES = [network(f"10.0.0.{number}/32") for number in range(4)]

announcements = st.builds(
    Announcement,
    st.sampled_from(PREFIXES),
    st.sampled_from(
        [
            (),
            ((attributes(), frozenset({ONE})),),
            ((attributes(100), frozenset({ONE, TWO})),),
            ((attributes(None, 7), frozenset({ONE})), (attributes(0), frozenset({TWO}))),
        ]
    ),
)


def empty() -> dict[IPNetwork, Path]:
    return {}


def laid_out(wanted: Wanted) -> list[Refused]:
    refused: list[Refused] = []
    while not wanted.is_laid_out:
        refused += wanted.lay_out(1)
    return refused


def synchronise(wanted: Wanted, table: dict[IPNetwork, Path]) -> tuple[list[Path], list[Path]]:
    """Do to a table what the difference says."""
    laid_out(wanted)
    announced, withdrawn = wanted.difference(table)
    for path in withdrawn:
        del table[path.prefix]
    table.update((path.prefix, path) for path in announced)
    return announced, withdrawn


@settings(derandomize=True, deadline=None)
@given(st.lists(st.lists(announcements, max_size=6), max_size=8), st.lists(announcements, max_size=4))
def test_table_is_as_wanted_after_any_history(
    history: Sequence[Sequence[Announcement]], left: Sequence[Announcement]
) -> None:
    earlier, table = Wanted(), empty()
    earlier.announce(left)
    synchronise(earlier, table)
    wanted = Wanted()
    wanted.compare_all(table)
    for changes in history:
        wanted.announce(changes)
        synchronise(wanted, table)
    synchronise(wanted, table)

    last = {each.prefix: each for changes in history for each in changes}
    fresh, expected = Wanted(), empty()
    fresh.announce(last.values())
    synchronise(fresh, expected)
    assert table == expected
    wanted.announce(last.values())
    assert synchronise(wanted, table) == ([], [])


def test_one_change_is_one_path() -> None:
    wanted, table = Wanted(), empty()
    wanted.announce(announcement(str(prefix), (attributes(), {ONE})) for prefix in PREFIXES)
    synchronise(wanted, table)
    wanted.announce([announcement("10.0.0.1/32"), announcement("10.0.0.2/32", (attributes(None, 7), {ONE}))])
    announced, withdrawn = synchronise(wanted, table)

    assert [str(path.prefix) for path in announced] == ["10.0.0.2/32"]
    assert [str(path.prefix) for path in withdrawn] == ["10.0.0.1/32"]


def test_timers_of_a_peer_are_no_news_for_its_routes() -> None:
    wanted, table = Wanted(), empty()
    wanted.announce([announcement("10.0.0.1/32", (attributes(), {ONE}))])
    synchronise(wanted, table)
    wanted.announce([announcement("10.0.0.1/32", (attributes(), {peer("192.0.2.1", hold_time_s=30)}))])

    assert synchronise(wanted, table) == ([], [])


def test_peer_that_comes_is_no_news_for_routes_that_all_may_have() -> None:
    wanted, table = Wanted(), empty()
    wanted.keep([session(ONE)])
    wanted.announce(
        [announcement("10.0.0.1/32", (attributes(), {ONE})), announcement("10.0.0.2/32", (attributes(), {ONE}))]
    )
    synchronise(wanted, table)
    wanted.keep([session(ONE), session(TWO)])
    wanted.announce([announcement("10.0.0.1/32", (attributes(), {ONE}), (attributes(100), {TWO}))])
    announced, withdrawn = synchronise(wanted, table)

    assert withdrawn == []
    assert {str(path.prefix): path.attributes.local_pref for path in announced} == {
        "10.0.0.1/32": 100,
        "10.0.0.2/32": None,
    }
    wanted.announce([announcement("10.0.0.2/32", (attributes(), {ONE}), (attributes(100), {TWO}))])
    synchronise(wanted, table)
    wanted.keep([session(ONE), session(TWO), session(THREE)])
    wanted.announce(
        [announcement(f"10.0.0.{n}/32", (attributes(), {ONE, THREE}), (attributes(100), {TWO})) for n in (1, 2)]
    )

    assert synchronise(wanted, table) == ([], [])


def test_announcement_that_cannot_be_had_is_named_and_the_old_one_stays() -> None:
    wanted, table = Wanted(), empty()
    wanted.announce([announcement("10.0.0.1/32", (attributes(), {ONE}))])
    synchronise(wanted, table)
    wanted.announce([announcement("10.0.0.1/32", (attributes(large=(4_200_000_000, 1, 1)), {ONE}))])
    refused = laid_out(wanted)

    assert [each.what for each in refused] == ["route 10.0.0.1/32"]
    assert synchronise(wanted, table) == ([], [])


def test_one_session_for_an_address_and_one_router_id_for_all() -> None:
    wanted = Wanted()
    twin, stranger = peer("192.0.2.1", port=1790, name="twin"), peer("192.0.2.9")
    refused = wanted.keep([session(ONE), session(twin), session(stranger, IPv4Address("10.0.0.9")), session(TWO)])

    assert [each.peer for each in wanted.sessions.values()] == [ONE, TWO]
    assert [each.what for each in refused] == ["peer twin", "peer 192.0.2.9"]


def test_community_for_all_is_added_to_every_variant() -> None:
    wanted, table = Wanted(), empty()
    variants = (attributes(None, 0xFFFFFFFF), {ONE}), (attributes(0), {TWO})
    wanted.announce([announcement("10.0.0.1/32", *variants)])
    synchronise(wanted, table)
    wanted.add_community(Community(0xFFFF0000))
    (path,), _ = synchronise(wanted, table)

    assert [each.value for each in path.attributes.communities] == [0xFFFF0000]
    (rule,) = wanted._variants[path.prefix].values()
    assert [each.value for each in rule.communities] == [0xFFFF0000, 0xFFFFFFFF]


def test_pending_prefixes_count_all_variants() -> None:
    wanted = Wanted()
    wanted.keep([session(ONE), session(TWO)])
    wanted.announce([announcement("10.0.0.1/32", (attributes(0), {TWO}), (attributes(None, 7), {ONE}))])
    wanted.announce([announcement("10.0.0.2/32", (attributes(), {ONE}))])
    laid_out(wanted)

    assert (wanted.prefixes(ONE.address), wanted.prefixes(TWO.address)) == (2, 1)


def test_rules_grow_before_they_shrink_and_new_ones_win() -> None:
    kept, gone = Export((1, 5), ONE.address), Export((9, 5), ONE.address, attributes=attributes(None, 7))
    old, new = Export((1, 6), TWO.address, Family.IPV6), Export((1, 6), TWO.address, Family.IPV6, ONE.address)

    assert grown(frozenset({kept, new}), frozenset({kept, gone, old})) == {kept, gone, new}
    assert grown(frozenset({kept}), None) == {kept}
