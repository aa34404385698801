"""The grammars of single values."""

from __future__ import annotations

import ipaddress
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metalpy.config.values import (
    check_label_key,
    check_label_value,
    parse_addresses,
    parse_community,
    parse_duration,
    parse_ip,
)

UNITS_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("0", 0),
        ("-0", 0),
        ("+0", 0),
        ("1h2m3s", 3723 * 10**9),
        ("5s1m", 65 * 10**9),
        ("1.5h", 5400 * 10**9),
        (".5s", 5 * 10**8),
        ("5.s", 5 * 10**9),
        ("-2s", -2 * 10**9),
        ("9223372036854775807ns", 2**63 - 1),
        ("0.0000000000000000000000001s", 0),
        ("000000000000000000000000000000001s", 10**9),
    ],
)
def test_duration_is_read_to_the_nanosecond(text: str, expected_ns: int) -> None:
    assert expected_ns == parse_duration(text)


@pytest.mark.parametrize(
    "text",
    ["", "+", "45", "1d", " 1s", "1s ", "1 s", "s", ".s", "1e3s", "--1s", "1s-1s", "9223372036854775808ns", "0x1s"],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|has|is longer"):
        parse_duration(text)


def test_a_duration_of_endless_digits_is_refused_quickly() -> None:
    with pytest.raises(ValueError, match="longer"):
        parse_duration("9" * 100_000 + "s")


@given(st.lists(st.tuples(st.integers(0, 999), st.sampled_from(sorted(UNITS_NS))), min_size=1, max_size=6))
@settings(derandomize=True, max_examples=300, deadline=None)
def test_duration_parts_add_up(parts: list[tuple[int, str]]) -> None:
    text = "".join(f"{count}{unit}" for count, unit in parts)

    assert sum(count * UNITS_NS[unit] for count, unit in parts) == parse_duration(text)


@pytest.mark.parametrize(
    ("text", "address", "noted"),
    [
        ("10.0.0.1", "10.0.0.1", False),
        ("010.0.0.1", "10.0.0.1", True),
        ("2001:DB8::1", "2001:db8::1", False),
        ("00001::1", "1::1", True),
        ("::ffff:10.0.0.1", "10.0.0.1", False),
        ("2001:0db8::1", "2001:db8::1", False),
    ],
)
def test_ip_literal_is_read(text: str, address: str, *, noted: bool) -> None:
    notes: list[str] = []

    assert ipaddress.ip_address(address) == parse_ip(text, notes)
    assert noted == bool(notes)


@pytest.mark.parametrize(
    "text", ["", " 10.0.0.1", "10.0.0", "10.0.0.1/32", "fe80::1%eth0", "[::1]:179", "tor1", "1.2.3.٤"]
)
def test_what_is_no_ip_literal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be an IP address"):
        parse_ip(text, [])


_NUMBERS = st.one_of(
    st.tuples(st.just(ipaddress.IPv4Address), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    st.tuples(st.just(ipaddress.IPv6Address), st.integers(2**64, 2**128 - 1), st.integers(2**64, 2**128 - 1)),
)


@given(_NUMBERS)
@settings(derandomize=True, max_examples=500, deadline=None)
def test_range_becomes_the_smallest_ascending_set_of_prefixes(
    case: tuple[type[ipaddress.IPv4Address | ipaddress.IPv6Address], int, int],
) -> None:
    family, one, other = case
    first, last = sorted((one, other))

    prefixes = parse_addresses(f"{family(first)} - {family(last)}", []).prefixes

    assert first == int(prefixes[0].network_address)
    assert last == int(prefixes[-1].broadcast_address)
    following = list(itertools.pairwise(prefixes))
    assert all(int(a.broadcast_address) + 1 == int(b.network_address) for a, b in following)
    assert all(a.supernet() != b.supernet() for a, b in following if a.prefixlen == b.prefixlen)


@pytest.mark.parametrize(("text", "value"), [("0:0", 0), ("65535:65535", 2**32 - 1), ("01:02", 0x10002)])
def test_community_is_two_halves(text: str, value: int) -> None:
    assert value == parse_community(text)


@pytest.mark.parametrize(
    "text", ["", "1", "1:", ":1", "65536:1", "1:+1", "0x1:1", "1:1:1", "1_0:1", "٤:1", "9" * 9999 + ":1"]
)
def test_what_is_no_community_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be A:B"):
        parse_community(text)


@pytest.mark.parametrize("text", ["a", "A.b_c-1", "kubernetes.io/hostname", "a" * 63, f"{'a' * 63}.{'b' * 63}/c"])
def test_label_keys_are_taken(text: str) -> None:
    check_label_key(text)


@pytest.mark.parametrize("text", ["", "-a", "a-", "a/b/c", "/a", "a/", "A.io/x", "a" * 64, "ä", "a\n"])
def test_label_keys_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="label key"):
        check_label_key(text)


@pytest.mark.parametrize(("text", "good"), [("", True), ("a.b", True), ("a b", False), ("-", False), ("a" * 64, False)])
def test_label_values_are_checked(text: str, *, good: bool) -> None:
    if good:
        check_label_value(text)
        return
    with pytest.raises(ValueError, match="label value"):
        check_label_value(text)
