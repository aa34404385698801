"""The index of a pool's free addresses, held against slow and obvious models."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metalpy.allocation.pools import AddressBook, FreeRuns, PoolSpace
from metalpy.model import AddressRange, Family, IPAddress, IPNetwork, L2Advertisement, Pool
from tests.unit.allocation.services import address_range, addresses, pool, usable

V4, V6 = Family.IPV4, Family.IPV6

thorough = settings(max_examples=100, derandomize=True, deadline=None, database=None)

NETWORKS: list[IPNetwork] = [
    network
    for text in ("10.0.0.0/22", "10.9.254.0/23", "fc00::/118")
    for network in ipaddress.ip_network(text).subnets(new_prefix=26 if "." in text else 122)
]


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    """Draw a pool of disjoint small prefixes and ranges of both families, in any order."""
    entries = []
    for network in draw(st.lists(st.sampled_from(NETWORKS), unique=True, min_size=1, max_size=5)):
        first, last = sorted(draw(st.tuples(st.integers(0, 63), st.integers(0, 63))))
        whole = draw(st.booleans())
        text = str(network) if whole else f"{network[first]}-{network[last]}"
        entries.append(address_range(text))
    return Pool("p", tuple(entries), avoid_buggy_ips=draw(st.booleans()), layer2=(L2Advertisement(),))


@thorough
@given(pools())
def test_position_and_address_are_a_bijection_in_the_order_written(drawn: Pool) -> None:
    for family, space in PoolSpace(drawn).families.items():
        expected = usable(drawn, family)

        assert [space.address(position) for position in range(space.capacity)] == expected
        assert [space.position(address) for address in expected] == list(range(len(expected)))


@thorough
@given(pools())
def test_pool_contains_its_usable_addresses_and_no_others(drawn: Pool) -> None:
    space = PoolSpace(drawn)
    expected = {*usable(drawn, V4), *usable(drawn, V6)}
    around: set[IPAddress] = {address for network in NETWORKS for address in network}

    assert {address for address in around if space.contains(address)} == expected


@thorough
@given(pools())
def test_order_tells_the_prefix_of_an_address(drawn: Pool) -> None:
    space = PoolSpace(drawn)
    for address in [*usable(drawn, V4), *usable(drawn, V6)]:
        assert address in drawn.prefixes[space.order(address)]


@thorough
@given(st.integers(0, 40), st.lists(st.integers(0, 39), max_size=120))
def test_free_runs_agree_with_a_set(capacity: int, touched: list[int]) -> None:
    runs, free = FreeRuns(capacity), set(range(capacity))
    for position in (position for position in touched if position < capacity):
        if position in free:
            runs.take(position)
        else:
            runs.release(position)
        free ^= {position}

        assert runs.first() == min(free, default=None)
    while free:
        position = min(free)
        assert runs.first() == position
        runs.take(position)
        free.discard(position)
    assert runs.first() is None


def test_neighbouring_free_positions_are_one_run() -> None:
    runs = FreeRuns(1000)
    for position in range(1000):
        runs.take(position)
    for position in [*range(0, 1000, 2), *range(1, 1000, 2)]:
        runs.release(position)

    assert dict(runs._start_by_end) == {1000: 0}


@pytest.mark.parametrize(
    ("ranges", "capacity"),
    [
        pytest.param(["10.0.0.5-10.0.1.0"], 250, id="range-over-an-octet"),
        pytest.param(["10.0.0.0/24"], 254, id="24"),
        pytest.param(["10.0.0.0/16"], 256 * 254, id="16"),
        pytest.param(["10.0.0.0/25"], 127, id="25-low"),
        pytest.param(["10.0.0.128/25"], 127, id="25-high"),
        pytest.param(["10.0.0.64/26"], 64, id="26-middle"),
        pytest.param(["10.0.0.0/31"], 1, id="31-low"),
        pytest.param(["10.0.0.254/31"], 1, id="31-high"),
        pytest.param(["10.0.0.0/32"], 0, id="32-zero"),
        pytest.param(["10.0.0.255/32"], 0, id="32-255"),
        pytest.param(["10.0.0.255-10.0.1.0"], 0, id="both-left-out"),
        pytest.param(["10.0.0.7/32"], 1, id="32"),
        pytest.param(["0.0.0.0/0"], 2**24 * 254, id="everything"),
        pytest.param(["fc00::/120"], 256, id="ipv6-has-no-buggy-addresses"),
    ],
)
def test_capacity_with_avoid_buggy_ips_counts_exactly_and_is_never_negative(ranges: list[str], capacity: int) -> None:
    assert PoolSpace(pool("p", *ranges, avoid_buggy_ips=True)).capacity == capacity


@pytest.mark.parametrize(
    ("ranges", "capacity"),
    [
        pytest.param(["10.0.0.0/32"], 1, id="32"),
        pytest.param(["10.0.0.0/31"], 2, id="31"),
        pytest.param(["10.0.0.5-10.0.1.0"], 252, id="range"),
        pytest.param(["0.0.0.0/0"], 2**32, id="all-ipv4"),
        pytest.param(["fc00::/64"], 2**64, id="ipv6-64"),
        pytest.param(["fc00::/67", "fc00:0:0:1::/67", "fc00:0:0:2::/67", "fc00:0:0:3::/67"], 2**63, id="four-67"),
        pytest.param(["::/0"], 2**128, id="all-ipv6"),
        pytest.param(["10.0.0.0/30", "fc00::/126"], 8, id="both-families"),
    ],
)
def test_capacity_counts_exactly_and_never_overflows(ranges: list[str], capacity: int) -> None:
    assert PoolSpace(pool("p", *ranges)).capacity == capacity


def test_range_between_families_holds_nothing() -> None:
    space = PoolSpace(Pool("p", (AddressRange((), "10.0.0.1-fc00::1"),)))

    assert space.capacity == 0
    assert not space.contains(ipaddress.ip_address("10.0.0.1"))


@pytest.mark.parametrize(
    ("text", "avoid_buggy_ips", "ends"),
    [
        pytest.param("0.0.0.0/0", False, ("0.0.0.0", "255.255.255.255"), id="all-ipv4"),
        pytest.param("0.0.0.0/0", True, ("0.0.0.1", "255.255.255.254"), id="all-ipv4-avoid-buggy"),
        pytest.param("fc00:1::/64", False, ("fc00:1::", "fc00:1::ffff:ffff:ffff:ffff"), id="ipv6-64"),
        pytest.param("::/0", False, ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), id="all-ipv6"),
    ],
)
def test_ends_of_a_huge_pool_are_its_first_and_last_positions(
    text: str, avoid_buggy_ips: bool, ends: tuple[str, str]
) -> None:
    drawn = pool("p", text, avoid_buggy_ips=avoid_buggy_ips)
    space = PoolSpace(drawn).families[Family.of(drawn.prefixes[0])]
    expected = addresses(*ends)

    assert (space.address(0), space.address(space.capacity - 1)) == expected
    assert (space.position(expected[0]), space.position(expected[1])) == (0, space.capacity - 1)


def test_book_finds_the_one_pool_of_a_pair() -> None:
    dual, other = PoolSpace(pool("dual", "10.0.0.0/30", "fc00::/126")), PoolSpace(pool("other", "10.0.0.4/30"))
    book = AddressBook([other, dual])

    assert book.common_pool(addresses("10.0.0.3", "fc00::3")) is dual
    assert book.common_pool(addresses("10.0.0.4", "fc00::3")) is None
    assert book.common_pool(addresses("10.0.0.8")) is None
    assert book.common_pool(addresses("9.255.255.255")) is None
    assert book.common_pool(()) is None


def test_book_knows_no_pool_for_an_address_that_avoid_buggy_ips_leaves_out() -> None:
    book = AddressBook([PoolSpace(pool("p", "10.0.0.0/23", avoid_buggy_ips=True))])

    assert [book.pool_of(address) is not None for address in addresses("10.0.0.255", "10.0.1.0", "10.0.1.1")] == [
        False,
        False,
        True,
    ]
