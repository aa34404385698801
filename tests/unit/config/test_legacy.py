"""The configuration as a whole: places, hints, everything at once, and secrets that stay secret."""

from __future__ import annotations

import time

import pytest

from metalpy.config.legacy import parse_legacy
from metalpy.errors import ConfigError

EXAMPLE_SLIPS = """\
peers:
- my-asn: 64512
  peer-asn: 64512
  peer-address: 10.96.0.100
  ebgp-multihop: true
  bfdProfile: example
bfd-profiles:
- name: other
  receive-interval: 180
address-pools: []
"""

MANY_ERRORS = """\
peers:
- my-asn: "64600"
  peer-asn: 0
  hold-time: 2s
  node-selector: []
bgp-communities:
  bad: 70000:1
address-pools:
- name: a
  protocol: ndp
  addresses:
  - 198.18.4.0/24
  - 198.18.4.9-14
- name: a
  protocol: bgp
  addresses: [198.18.4.128/25]
  bgp-advertisements:
  - aggregation-length: 24
    communities: [bad, worse]
bfd-profiles:
- receive-interval: 9
"""


def _refused(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        parse_legacy(text)
    return refused.value


def test_the_three_slips_of_the_example_are_told_at_once() -> None:
    lines = [problem.describe() for problem in _refused(EXAMPLE_SLIPS).problems]

    assert len(lines) == 3
    assert lines[0].startswith("config:5:18: peers[0].ebgp-multihop: true: must not be set here")
    assert "iBGP; remove the line" in lines[0]
    assert lines[1] == "config:6:3: peers[0].bfdProfile: unknown key: did you mean `bfd-profile`?"
    assert lines[2].startswith('config:6:15: peers[0].bfd-profile: "example": is no BFD profile')


def test_every_error_is_told_with_its_place_in_the_order_of_the_text() -> None:
    found = [(p.line, p.column, p.path) for p in _refused(MANY_ERRORS).problems]

    pool, second = "address-pools[0]", "address-pools[1]"
    assert found == [
        (2, 3, "peers[0].peer-address"),
        (2, 11, "peers[0].my-asn"),
        (3, 13, "peers[0].peer-asn"),
        (4, 14, "peers[0].hold-time"),
        (5, 3, "peers[0].node-selector"),
        (7, 8, "bgp-communities.bad"),
        (10, 13, f"{pool}.protocol"),
        (13, 5, f"{pool}.addresses[1]"),
        (14, 9, f"{second}.name"),
        (16, 15, f"{second}.addresses[0]"),
        (18, 25, f"{second}.bgp-advertisements[0].aggregation-length"),
        (19, 24, f"{second}.bgp-advertisements[0].communities[1]"),
        (21, 3, "bfd-profiles[0].name"),
        (21, 21, "bfd-profiles[0].receive-interval"),
    ]


def test_an_error_prints_as_one_line() -> None:
    text = "peers:\n- {my-asn: 1, peer-asn: 2, peer-address: 10.0.0.1, hold-time: 2999ms}\n"

    expected = 'peers[0].hold-time: "2999ms": must be 0 or at least 3s (got 2s after dropping fractions)'
    assert str(_refused(text)) == f"config:2:63: {expected}"


def test_warnings_come_with_a_refusal_too() -> None:
    refused = _refused("address-pools: [{name: a, protocol: l2, addresses: [198.18.4.1/24]}]")

    assert [warning.text for warning in refused.warnings] == ["host bits are cleared: write 198.18.4.0/24"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("addresspools: []", "`address-pools`"),
        ("bgp_communities: {}", "`bgp-communities`"),
        ("adress-pools: []", "`address-pools`"),
        ("kind: ConfigMap", "Kubernetes object"),
        ("configInline: {}", "Helm value"),
        ("addresses: []", "belongs to an address pool"),
        ("peers: [{myASN: 1}]", "`my-asn`"),
        ("peers: [{my-as: 1}]", "`my-asn`"),
        ("peers: [{asn: 1}]", "`my-asn`"),
        ("peers: [{peerAddress: x}]", "`peer-address`"),
        ("peers: [{node-selectors: [{matchLabels: {}}]}]", "`match-labels`"),
        ("address-pools: [{address: x}]", "`addresses`"),
        ("address-pools: [{advertisements: []}]", "`bgp-advertisements`"),
        ("address-pools: [{autoAssign: no}]", "`auto-assign`"),
        ("address-pools: [{bgp-advertisements: [{local_pref: 5}]}]", "`localpref`"),
        ("address-pools: [{bgp-advertisements: [{local-pref: 5}]}]", "`localpref`"),
        ("bfd-profiles: [{receiveInterval: 300}]", "`receive-interval`"),
        ("bfd-profiles: [{colour: red}]", "a BFD profile has name,"),
    ],
)
def test_an_unknown_key_gets_a_hint(text: str, hint: str) -> None:
    assert any(hint in problem.text for problem in _refused(text).problems)


def test_a_misspelt_profile_is_recognised() -> None:
    text = "peers: [{my-asn: 1, peer-asn: 2, peer-address: 10.0.0.1, bfd-profile: fsat}]\nbfd-profiles: [{name: fast}]"

    assert 'did you mean "fast"?' in str(_refused(text))


_PEER = "my-asn: 64600, peer-asn: 64601, peer-address: 10.9.0.1"


@pytest.mark.parametrize(
    "text",
    [
        f"peers: [{{{_PEER}, password: [s3cret]}}]",
        f"peers: [{{{_PEER}, password: {{s3cret: x}}}}]",
        f"peers: [{{{_PEER}, password: *s3cret}}]",
        f"peers: [{{{_PEER}, password: !!int s3cret}}]",
        f"peers: [{{{_PEER}, password: s3cret, password: s3cret}}]",
        f"peers: [{{{_PEER}, passwort: s3cret}}]",
        f"peers: [{{{_PEER}, Password: [s3cret]}}]",
        f"peers: [{{{_PEER}, password:s3cret}}]",
        f"peers: [{{{_PEER}, 'password: s3cret': x}}]",
        "peers: |\n  - my-asn: 1\n    password: s3cret\n",
        f"peers: [{{{_PEER}, password: s3cret, hold-time: 2s}}]",
        f"peers: [{{{_PEER}, password: s3cret}}, {{{_PEER}, password: s3cret}}]",
        f"peers: [{{{_PEER}, password: 's3cret}}]",
        f"peers: [{{{_PEER}, password: !s3cret!x}}]",
        "peers:\n- password: s3cret\n my-asn: 1\n",
    ],
)
def test_a_password_never_enters_a_message(text: str) -> None:
    refused = _refused(text)

    assert "s3cret" not in str(refused)
    assert all("s3cret" not in warning.describe() for warning in refused.warnings)


def test_a_password_that_tcp_cannot_carry_warns_without_showing_it() -> None:
    parsed = parse_legacy(f"peers: [{{{_PEER}, password: {'x' * 81}}}]")

    (warning,) = parsed.warnings
    assert warning.path == "peers[0].password"
    assert "x" * 10 not in warning.describe()
    assert "x" * 10 not in repr(parsed)


def test_ten_thousand_pools_are_read_in_seconds() -> None:
    pools = (f"- {{name: p{i}, protocol: layer2, addresses: [10.{i >> 8}.{i & 255}.0/24]}}\n" for i in range(10_000))
    text = "address-pools:\n" + "".join(pools)

    started_s = time.process_time()
    parsed = parse_legacy(text)

    assert len(parsed.config.pools) == 10_000
    assert time.process_time() - started_s < 10
