"""A configuration in numbers."""

from __future__ import annotations

from metalpy.config.legacy import parse_legacy
from metalpy.config.summary import summary_of


def test_summary_counts_everything() -> None:
    config = parse_legacy(
        "address-pools: [{name: a, protocol: bgp, addresses: [10.0.0.0/24, 10.1.0.1-10.1.0.6]}]\n"
        "peers: [{my-asn: 1, peer-asn: 2, peer-address: 10.9.0.1}, {my-asn: 1, peer-asn: 2, peer-address: 10.9.0.2}]\n"
        "bgp-communities: {x: '1:1'}\n"
    ).config

    summary = summary_of(config)

    assert summary.describe() == "1 pool, 262 addresses, 2 peers, 0 BFD profiles, 1 community alias"
