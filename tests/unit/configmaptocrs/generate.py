"""Random legacy configurations that MetalLB 0.12 would have taken, as JSON, which is YAML too."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from configmaptocrs.targets import Mode

if TYPE_CHECKING:
    import random

MY_ASN = 64700
WORDS = ("lan", "Prod_Web", "7-edge", "shop/front", "42", "wan.one", "x", "Été", "on", "A_b", "a-b", "0755", "null")
LABELS = ("012", "on", "1.10", "r1", "", "null", "0x1F")
ALIASES = {"ZETA": "64700:7", "alpha": "64700:65000", "yes": "1:2", "no-export": "65535:65281"}


@dataclass(frozen=True)
class Legacy:
    """A configuration and the mode that it is for."""

    value: dict[str, Any]
    mode: Mode

    @property
    def text(self) -> str:
        return json.dumps(self.value)


def legacy(chance: random.Random) -> Legacy:
    mode = chance.choice((Mode.NATIVE, Mode.FRR))
    value: dict[str, Any] = {"bgp-communities": dict(chance.sample(sorted(ALIASES.items()), chance.randrange(5)))}
    if mode.is_frr:
        value["bfd-profiles"] = [_profile(chance, name) for name in chance.sample(WORDS, chance.randrange(3))]
    value["peers"] = [_peer(chance, index, mode, value) for index in range(chance.randrange(4))]
    names = chance.sample(WORDS, chance.randrange(1, 5))
    value["address-pools"] = [_pool(chance, index, name, mode, value) for index, name in enumerate(names)]
    return Legacy(value, mode)


def _maybe(chance: random.Random, **fields: Any) -> dict[str, Any]:
    return {key.replace("_", "-"): value for key, value in fields.items() if chance.random() < 0.4}


def _profile(chance: random.Random, name: str) -> dict[str, Any]:
    return {"name": name} | _maybe(
        chance,
        receive_interval=chance.randrange(10, 60001),
        transmit_interval=chance.randrange(10, 60001),
        detect_multiplier=chance.randrange(2, 256),
        echo_interval=chance.randrange(10, 60001),
        passive_mode=chance.random() < 0.5,
        minimum_ttl=chance.randrange(1, 255),
    )


def _peer(chance: random.Random, index: int, mode: Mode, value: dict[str, Any]) -> dict[str, Any]:
    peer_asn = chance.choice((MY_ASN, 64701, 4200000007))
    six = chance.random() < 0.3
    hold_s = chance.randrange(3, 9000)
    peer = {
        "my-asn": MY_ASN,
        "peer-asn": peer_asn,
        "peer-address": f"2001:db8::{index + 1}" if six else f"192.0.2.{index + 1}",
    } | _maybe(
        chance,
        peer_port=chance.randrange(1, 16385),
        hold_time=chance.choice((f"{hold_s}s", f"{hold_s}.9s", "1h", "0", "")),
        source_address="2001:db8::99" if six else "192.0.2.99",
        password=chance.choice(("0755", "yes", "s3cr3t", "a: b", "#x", "1e3", "multi\nline", " lead", "")),
        node_selectors=[_selector(chance) for _ in range(chance.randrange(3))],
    )
    if mode.is_frr:
        profiles = [profile["name"] for profile in value["bfd-profiles"]]
        peer |= (
            _maybe(chance, keepalive_time=chance.choice(("0", "1s", "2.5s"))) if peer.get("hold-time") != "0" else {}
        )
        peer |= _maybe(chance, bfd_profile=chance.choice(profiles)) if profiles else {}
    if peer_asn != MY_ASN:
        peer |= _maybe(chance, ebgp_multihop=chance.random() < 0.8)
    return peer


def _selector(chance: random.Random) -> dict[str, Any]:
    return _maybe(
        chance,
        match_labels={name: chance.choice(LABELS) for name in ("rack", "zone") if chance.random() < 0.5},
        match_expressions=[
            {"key": "rack", "operator": "NotIn", "values": chance.sample(LABELS, 2)},
            {"key": "spot", "operator": chance.choice(("Exists", "DoesNotExist"))},
        ],
    )


def _pool(chance: random.Random, index: int, name: str, mode: Mode, value: dict[str, Any]) -> dict[str, Any]:
    addresses = [f"10.{index}.0.0/26", f"10.{index}.1.3-10.{index}.2.7", f"10.{index}.8.0 - 10.{index}.9.255"]
    protocol = chance.choice(("layer2", "bgp"))
    if mode.is_frr or protocol == "layer2":
        addresses.append(f"2001:db8:{index}::/64")
    pool = {
        "name": name,
        "protocol": protocol,
        "addresses": chance.sample(addresses, chance.randrange(1, len(addresses) + 1)),
    } | _maybe(chance, auto_assign=chance.random() < 0.5, avoid_buggy_ips=chance.random() < 0.5)
    if protocol == "bgp":
        # Each length once: what contradicts itself is tested elsewhere.
        lengths = chance.sample(range(26, 33), chance.randrange(3))
        communities = [*value["bgp-communities"], "64512:1"]
        pool["bgp-advertisements"] = [
            {"aggregation-length": length, "aggregation-length-v6": 64 + length}
            | _maybe(
                chance,
                localpref=chance.randrange(1, 1000),
                communities=chance.sample(communities, chance.randrange(1, len(communities) + 1)),
            )
            for length in lengths
        ]
    return pool
