"""Merges, aliases, repeated keys and odd types, seen through a whole configuration."""

from __future__ import annotations

import pytest

from metalpy.config.legacy import ParsedConfig, parse_legacy
from metalpy.errors import ConfigError

BASE = "protocol: layer2, addresses: [198.18.4.0/24]"


def _problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        parse_legacy(text)
    return [problem.describe() for problem in refused.value.problems]


def _names(parsed: ParsedConfig) -> list[str]:
    return [pool.name for pool in parsed.config.pools]


def test_a_merge_before_a_key_gives_way_to_it() -> None:
    parsed = parse_legacy(f"address-pools: [{{<<: {{name: merged, {BASE}}}, name: own}}]")

    assert _names(parsed) == ["own"]
    assert parsed.warnings == ()


def test_a_merge_behind_a_key_overwrites_it_with_a_warning() -> None:
    parsed = parse_legacy(f"address-pools: [{{name: own, <<: {{name: merged, {BASE}}}}}]")

    assert _names(parsed) == ["merged"]
    (warning,) = parsed.warnings
    assert warning.path == "address-pools[0].<<"
    assert (warning.line, warning.column) == (1, 29)


def test_of_a_list_of_merges_the_first_wins() -> None:
    parsed = parse_legacy(f"address-pools: [{{<<: [{{name: first}}, {{name: second, {BASE}}}]}}]")

    assert _names(parsed) == ["first"]


def test_a_quoted_merge_key_is_an_unknown_key() -> None:
    assert any("unknown key" in text for text in _problems(f'address-pools: [{{"<<": {{}}, name: a, {BASE}}}]'))


def test_labels_of_a_merged_mapping_join_those_written() -> None:
    peer = "my-asn: 1, peer-asn: 2, peer-address: 10.0.0.1"
    selectors = "[&s {match-labels: {a: b}}, {<<: *s, match-labels: {c: d}}]"

    parsed = parse_legacy(f"peers: [{{{peer}, node-selectors: {selectors}}}]")

    assert parsed.config.peers[0].node_selectors[1].match_labels == (("a", "b"), ("c", "d"))


def test_a_label_in_a_merged_mapping_and_in_the_written_one_is_refused() -> None:
    peer = "my-asn: 1, peer-asn: 2, peer-address: 10.0.0.1"
    selectors = "[&s {match-labels: {a: b}}, {<<: *s, match-labels: {a: d}}]"

    (problem,) = _problems(f"peers: [{{{peer}, node-selectors: {selectors}}}]")

    assert "match-labels.a: is set twice" in problem


def test_a_merge_of_something_else_is_refused() -> None:
    assert any("to merge" in text for text in _problems("address-pools: [{<<: 5, name: a}]"))


def test_a_mapping_that_merges_itself_is_refused() -> None:
    assert any("contains itself" in text for text in _problems("address-pools: [&x {<<: *x}]"))


def test_a_list_that_holds_itself_is_refused() -> None:
    assert any("must be a mapping" in text for text in _problems("address-pools: &x [*x]"))


def test_a_long_chain_of_merges_is_read() -> None:
    pools = [f"&a0 {{name: a0, {BASE}}}"]
    pools += [f"&a{i} {{<<: *a{i - 1}, name: a{i}, addresses: [198.19.{i}.0/24]}}" for i in range(1, 250)]

    parsed = parse_legacy(f"address-pools: [{', '.join(pools)}]")

    assert len(parsed.config.pools) == 250


def test_an_alias_bomb_of_merges_is_refused() -> None:
    levels = ["&l0 {name: x}"]
    levels += [f"&l{i} {{<<: [{', '.join([f'*l{i - 1}'] * 9)}]}}" for i in range(1, 12)]

    assert any("too large" in text for text in _problems(f"address-pools: [{', '.join(levels)}]"))


def test_an_alias_bomb_of_lists_is_refused() -> None:
    values = "&v [x, " + ", ".join("x" for _ in range(200)) + "]"
    expressions = f"&e [&x {{key: a, operator: In, values: {values}}}, {', '.join(['*x'] * 200)}]"
    selectors = f"&s [&n {{match-expressions: {expressions}}}, {', '.join(['*n'] * 200)}]"

    assert any("too large" in text for text in _problems(f"peers: [{{node-selectors: {selectors}}}]"))


@pytest.mark.parametrize(
    "text",
    ["bgp-communities: {a: ~, a: ~}", f"address-pools: [{{name: ~, name: ~, {BASE}}}]", 'peers: []\n"peers": []'],
)
def test_a_repeated_key_is_refused_at_every_depth(text: str) -> None:
    assert any("is set twice" in problem for problem in _problems(text))


@pytest.mark.parametrize("null", ["", "~", "null"])
def test_null_is_the_default_everywhere(null: str) -> None:
    parsed = parse_legacy(
        f"peers: {null}\nbgp-communities: {null}\nbfd-profiles: {null}\n"
        f"address-pools:\n- name: a\n  protocol: layer2\n  addresses: [198.18.4.0/24]\n"
        f"  auto-assign: {null}\n  avoid-buggy-ips: {null}\n  bgp-advertisements: {null}\n"
    )

    (pool,) = parsed.config.pools
    assert (pool.auto_assign, pool.avoid_buggy_ips) == (True, False)
    assert parsed.warnings == ()


def test_capital_null_sets_an_optional_flag_to_false_with_a_warning() -> None:
    parsed = parse_legacy(f"address-pools: [{{name: a, {BASE}, auto-assign: NULL}}]")

    assert parsed.config.pools[0].auto_assign is False
    assert "means false in this spelling" in parsed.warnings[0].text


@pytest.mark.parametrize("key", ["[a]", "{a: b}"])
def test_a_collection_as_key_is_refused(key: str) -> None:
    assert any("as keys" in text for text in _problems(f"? {key}\n: b"))


@pytest.mark.parametrize("text", ["\ufeffpeers: []", "peers: []\r\naddress-pools: []\r\n", "%YAML 1.1\n---\npeers: []"])
def test_bom_crlf_and_directive_are_read(text: str) -> None:
    assert parse_legacy(text).warnings == ()
