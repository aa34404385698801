"""What the vectors leave open about pools."""

from __future__ import annotations

import pytest

from metalpy.config.legacy import parse_legacy
from metalpy.errors import ConfigError
from metalpy.model import BGPAdvertisement


def _bgp(addresses: str, advertisements: str) -> str:
    return (
        f"address-pools: [{{name: a, protocol: bgp, addresses: [{addresses}], bgp-advertisements: [{advertisements}]}}]"
    )


def test_a_negative_length_is_refused_where_it_counts() -> None:
    with pytest.raises(ConfigError, match="shorter than the /24"):
        parse_legacy(_bgp("198.18.4.0/24", "{aggregation-length: -1}"))


@pytest.mark.parametrize("other", ["{communities: []}", "{aggregation-length: 32}", "{aggregation-length-v6: 128}"])
def test_advertisements_that_differ_as_written_only_are_taken_once(other: str) -> None:
    parsed = parse_legacy(_bgp("198.18.4.0/24", f"{{}}, {other}"))

    assert parsed.config.pools[0].bgp == (BGPAdvertisement(),)
    assert "means the same" in parsed.warnings[0].text


def test_the_same_communities_in_another_order_are_announced_once() -> None:
    parsed = parse_legacy(_bgp("198.18.4.0/24", '{communities: ["1:1", "1:2"]}, {communities: ["1:2", "1:1"]}'))

    assert len(parsed.config.pools[0].bgp) == 1


@pytest.mark.parametrize("advertisements", ["~, ~", "{}, ~", "{communities: ['1:1']}, {communities: ['1:1']}"])
def test_advertisements_equal_as_written_are_refused(advertisements: str) -> None:
    with pytest.raises(ConfigError, match="is equal to"):
        parse_legacy(_bgp("198.18.4.0/24", advertisements))


def test_an_alias_wins_over_a_literal_of_its_spelling() -> None:
    parsed = parse_legacy('bgp-communities: {"1:1": "2:2"}\n' + _bgp("198.18.4.0/24", '{communities: ["1:1"]}'))

    assert [str(c) for c in parsed.config.pools[0].bgp[0].communities] == ["2:2"]


def test_an_aggregate_that_fills_its_range_does_not_warn() -> None:
    assert parse_legacy(_bgp("198.18.4.0-198.18.5.127", "{aggregation-length: 25}")).warnings == ()


def test_every_overlapping_entry_is_told() -> None:
    text = (
        "address-pools:\n"
        "- {name: a, protocol: layer2, addresses: [10.0.0.0/8]}\n"
        "- {name: b, protocol: layer2, addresses: [10.1.0.0/24]}\n"
        "- {name: c, protocol: layer2, addresses: [10.2.0.0/24, 11.0.0.0/24]}\n"
    )

    with pytest.raises(ConfigError) as refused:
        parse_legacy(text)

    found = [problem.path for problem in refused.value.problems]
    assert found == ["address-pools[1].addresses[0]", "address-pools[2].addresses[0]"]


def test_buggy_addresses_leave_the_rest_of_a_range() -> None:
    text = "address-pools: [{name: a, protocol: layer2, avoid-buggy-ips: yes, addresses: [198.18.4.254-198.18.4.255]}]"

    assert parse_legacy(text).warnings == ()
