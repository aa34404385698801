"""No node holds more than its share, and what comes and goes moves as little as can be; see the module's promises."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metalpy.announcement.layer2 import ElectionOrder, election_order
from metalpy.announcement.spread import Bid, spread

if TYPE_CHECKING:
    import random

PROPERTY = settings(derandomize=True, deadline=None, max_examples=150)


def nodes(count: int) -> list[str]:
    return [f"node{number}" for number in range(1, count + 1)]


def bids(count: int, roster: list[str], *, preferred: dict[int, str] | None = None) -> list[Bid]:
    """Make bids of addresses in a row; their ages are mixed."""
    made = []
    for number in range(count):
        address = IPv4Address("192.168.1.0") + number
        created = f"2026-11-{1 + number * 7 % 28:02}"
        made.append(Bid(address, ElectionOrder(roster, address), created, (preferred or {}).get(number, "")))
    return made


clusters = st.tuples(st.integers(1, 12), st.integers(0, 60)).map(lambda size: (nodes(size[0]), size[1]))


@st.composite
def cluster_and_present(draw: st.DrawFn) -> tuple[list[str], int, set[str]]:
    """Draw a roster, a number of addresses, and those present."""
    roster, count = draw(clusters)
    return roster, count, draw(st.sets(st.sampled_from(roster), min_size=1))


@PROPERTY
@given(cluster_and_present())
def test_no_node_holds_more_than_its_share_whoever_is_present(drawn: tuple[list[str], int, set[str]]) -> None:
    roster, count, present = drawn
    held = spread(bids(count, roster), roster, present)

    assert len(held) == count
    assert set(held.values()) <= present
    assert max(Counter(held.values()).values(), default=0) <= math.ceil(count / len(present))


@PROPERTY
@given(clusters.filter(lambda drawn: len(drawn[0]) > 1), st.data())
def test_leaving_moves_only_the_leavers_addresses_and_coming_back_only_those(
    drawn: tuple[list[str], int], data: st.DataObject
) -> None:
    roster, count = drawn
    leaver = data.draw(st.sampled_from(roster))
    all_bids = bids(count, roster)
    before = spread(all_bids, roster, roster)
    after = spread(all_bids, roster, set(roster) - {leaver})

    assert {address for address in before if before[address] != after[address]} == {
        address for address, node in before.items() if node == leaver
    }


@PROPERTY
@given(cluster_and_present())
def test_address_whose_home_is_present_is_at_home_whoever_else_is_away(drawn: tuple[list[str], int, set[str]]) -> None:
    roster, count, present = drawn
    all_bids = bids(count, roster)
    home, held = spread(all_bids, roster, roster), spread(all_bids, roster, present)

    assert all(held[address] == node for address, node in home.items() if node in present)


@PROPERTY
@given(cluster_and_present(), st.randoms(use_true_random=False))
def test_order_of_hearing_does_not_matter(drawn: tuple[list[str], int, set[str]], chance: random.Random) -> None:
    roster, count, present = drawn
    all_bids = bids(count, roster)
    shuffled, other_roster = all_bids.copy(), roster.copy()
    chance.shuffle(shuffled)
    chance.shuffle(other_roster)

    assert spread(all_bids, roster, present) == spread(
        [replace(bid, order=ElectionOrder(other_roster, bid.address)) for bid in shuffled], other_roster, present
    )


@PROPERTY
@given(cluster_and_present(), st.dictionaries(st.integers(0, 59), st.integers(1, 14), max_size=20))
def test_spread_is_what_an_independent_reading_of_its_rules_gives(
    drawn: tuple[list[str], int, set[str]], wishes: dict[int, int]
) -> None:
    roster, count, present = drawn
    all_bids = bids(count, roster, preferred={number: f"node{node}" for number, node in wishes.items()})

    assert spread(all_bids, roster, present) == slowly(all_bids, roster, present)


def slowly(all_bids: list[Bid], roster: list[str], present: set[str]) -> dict[IPv4Address, str]:
    """Spread by trying levels from 0 up until everything fits, with whole orders: the rules, read naively."""

    def placed(some: list[Bid], among: list[str], fixed: dict[IPv4Address, str]) -> dict[IPv4Address, str]:
        for level in range(len(all_bids) + 1):
            result = dict(fixed)
            for bid in some:
                loads = list(result.values())
                free = [name for name in election_order(among, bid.address) if loads.count(name) < level]
                if not free:
                    break
                result[IPv4Address(bid.address)] = free[0]
            else:
                return result
        raise AssertionError("one level must do")

    aged = sorted(all_bids, key=lambda bid: (bid.created, int(bid.address)))
    wanted = {IPv4Address(bid.address): bid.preferred for bid in aged if bid.preferred in roster}
    home = placed([bid for bid in aged if bid.address not in wanted], roster, wanted)
    at_home = {address: node for address, node in home.items() if node in present}
    return placed([bid for bid in aged if bid.address not in at_home], sorted(present), at_home)


def test_new_address_moves_no_other_while_the_share_stays() -> None:
    roster = nodes(10)
    for count in range(1, 100):
        young = replace(bids(count + 1, roster)[-1], created="2027")
        before = spread(bids(count, roster), roster, roster)
        after = spread([*bids(count, roster), young], roster, roster)
        if math.ceil(count / 10) == math.ceil((count + 1) / 10):
            assert before == {address: node for address, node in after.items() if address != young.address}


def test_ten_addresses_on_ten_nodes_are_one_each() -> None:
    held = spread(bids(10, nodes(10)), nodes(10), nodes(10))

    assert sorted(held.values()) == sorted(nodes(10))


def test_preferred_node_holds_what_prefers_it_beyond_its_share_and_no_more() -> None:
    roster = nodes(3)
    held = spread(bids(9, roster, preferred=dict.fromkeys(range(5), "node2")), roster, roster)

    assert Counter(held.values()) == {"node2": 5, "node1": 2, "node3": 2}


@pytest.mark.parametrize("away", list(combinations(nodes(4), 3)))
def test_last_node_holds_everything(away: tuple[str, ...]) -> None:
    roster = nodes(4)
    (last,) = set(roster) - set(away)

    assert set(spread(bids(7, roster), roster, {last}).values()) == {last}


def test_nobody_present_holds_nothing() -> None:
    assert spread(bids(3, nodes(2)), nodes(2), ()) == {}
    assert spread(bids(3, []), [], ()) == {}
