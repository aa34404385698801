"""What the vectors leave open about peers."""

from __future__ import annotations

import pytest

from metalpy.config.legacy import parse_legacy
from metalpy.errors import ConfigError

PEER = "my-asn: 64600, peer-asn: 64601, peer-address: 10.9.0.1"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("", "node-selectors: [{}]"),
        ("", "keepalive-time: 30s"),
        ("", "hold-time: 90s, peer-port: 179"),
        ("router-id: 1.1.1.1", 'router-id: "01.1.1.1"'),
        ("node-selectors: [{match-labels: {a: b, c: d}}]", "node-selectors: [{match-labels: {c: d, a: b}}]"),
        ("hold-time: 70000s", "hold-time: 70000s"),
    ],
)
def test_peers_equal_after_defaults_are_refused(first: str, second: str) -> None:
    with pytest.raises(ConfigError, match="same peer"):
        parse_legacy(f"peers: [{{{PEER}, {first}}}, {{{PEER}, {second}}}]")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("", "password: x"),
        ("", "hold-time: 91s"),
        ("hold-time: 70000s", "hold-time: 70001s"),
        ("node-selectors: [{match-labels: {a: b}}]", "node-selectors: [{match-labels: {a: c}}]"),
        (
            "node-selectors: [{match-expressions: [{key: a, operator: In, values: [x, y]}]}]",
            "node-selectors: [{match-expressions: [{key: a, operator: In, values: [y, x]}]}]",
        ),
    ],
)
def test_peers_that_differ_as_written_are_both_taken(first: str, second: str) -> None:
    parsed = parse_legacy(f"peers: [{{{PEER}, {first}}}, {{{PEER}, {second}}}]")

    assert len(parsed.config.peers) == 2


def test_a_keepalive_above_the_wire_is_cut_with_its_hold_time() -> None:
    (peer,) = parse_legacy(f"peers: [{{{PEER}, hold-time: 70000s, keepalive-time: 69000s}}]").config.peers

    assert (peer.hold_time_s, peer.keepalive_time_ns) == (65535, 65535 * 10**9)


def test_a_keepalive_cut_to_zero_warns() -> None:
    parsed = parse_legacy(f"peers: [{{{PEER}, keepalive-time: 900ms}}]")

    assert parsed.config.peers[0].keepalive_time_ns == 0
    assert "sends no keepalives" in parsed.warnings[0].text


def test_expression_values_are_sorted_and_unique() -> None:
    selector = "{match-expressions: [{key: rack, operator: NotIn, values: [r2, r1, r2]}]}"

    (peer,) = parse_legacy(f"peers: [{{{PEER}, node-selectors: [{selector}]}}]").config.peers

    assert peer.node_selectors[0].match_expressions[0].values == ("r1", "r2")
    assert "same peer" not in repr(peer)


@pytest.mark.parametrize("operator", ["Gt", "Lt", "in", "''", "~"])
def test_other_operators_are_refused(operator: str) -> None:
    selector = f"{{match-expressions: [{{key: rack, operator: {operator}, values: [a]}}]}}"

    with pytest.raises(ConfigError, match="operator"):
        parse_legacy(f"peers: [{{{PEER}, node-selectors: [{selector}]}}]")
