"""Legacy fragments and the custom resources that they become.

Objects are given as KIND NAME → spec; `passwordSecret: {}` of peers is left out. `official` is what the official
converter gives where that is something else: None where it fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Objects = dict[str, dict[str, Any]]
SAME: Objects = {}
"""The official converter gives the same."""


@dataclass(frozen=True)
class Vector:
    id: str
    text: str
    expected: Objects | str
    """The objects, or a phrase of the error."""
    flags: tuple[str, ...] = ()
    warning: str = ""
    official: Objects | None = None
    is_same: bool = True


PEER = "{my-asn: 64700, peer-asn: 64701, peer-address: 192.0.2.1"
BASE = {"myASN": 64700, "peerASN": 64701, "peerAddress": "192.0.2.1", "holdTime": "1m30s"}
LAN = "{name: lan, protocol: layer2, addresses: [192.0.2.64/27]"
WAN = "{name: wan, protocol: bgp, addresses: [203.0.113.0/26]"
LAN_SPEC = {"addresses": ["192.0.2.64/27"]}
WAN_SPEC = {"addresses": ["203.0.113.0/26"]}
L2_LAN = {"L2Advertisement l2advertisement1": {"ipAddressPools": ["lan"]}}


def layer2(name: str) -> str:
    return f'address-pools: [{{name: "{name}", protocol: layer2, addresses: [192.0.2.64/27]}}]'


def named(name: str) -> Objects:
    return {
        f"IPAddressPool {name}": LAN_SPEC,
        "L2Advertisement l2advertisement1": {"ipAddressPools": [name]},
    }


VECTORS = (
    Vector(
        "1-layer2-pool",
        "address-pools: [{name: lan, protocol: layer2, addresses: [192.0.2.64/27, 192.0.2.10-192.0.2.12]}]",
        {"IPAddressPool lan": {"addresses": ["192.0.2.64/27", "192.0.2.10-192.0.2.12"]}, **L2_LAN},
    ),
    Vector(
        "2-peer-and-bgp-pool",
        f"peers: [{PEER}}}]\naddress-pools: [{WAN}}}]",
        {
            "BGPPeer peer1": BASE,
            "IPAddressPool wan": WAN_SPEC,
            "BGPAdvertisement bgpadvertisement1": {"ipAddressPools": ["wan"]},
        },
    ),
    Vector(
        "3-order-and-counting",
        """
address-pools:
- {name: l-a, protocol: layer2, addresses: [192.0.2.0/28]}
- name: b-a
  protocol: bgp
  addresses: [203.0.113.0/26]
  bgp-advertisements: [{localpref: 7}, {aggregation-length: 28}]
- {name: l-b, protocol: layer2, addresses: [192.0.2.16/28]}
- {name: b-b, protocol: bgp, addresses: [203.0.113.64/26], bgp-advertisements: []}
""",
        {
            "IPAddressPool l-a": {"addresses": ["192.0.2.0/28"]},
            "IPAddressPool b-a": {"addresses": ["203.0.113.0/26"]},
            "IPAddressPool l-b": {"addresses": ["192.0.2.16/28"]},
            "IPAddressPool b-b": {"addresses": ["203.0.113.64/26"]},
            "BGPAdvertisement bgpadvertisement1": {"localPref": 7, "ipAddressPools": ["b-a"]},
            "BGPAdvertisement bgpadvertisement2": {"aggregationLength": 28, "ipAddressPools": ["b-a"]},
            "BGPAdvertisement bgpadvertisement3": {"ipAddressPools": ["b-b"]},
            "L2Advertisement l2advertisement1": {"ipAddressPools": ["l-a"]},
            "L2Advertisement l2advertisement2": {"ipAddressPools": ["l-b"]},
        },
    ),
    Vector(
        "4-timers",
        'peers: [{my-asn: 64700, peer-asn: 64701, peer-address: "2001:db8::1", hold-time: 45s, keepalive-time: 14.9s}]',
        {"BGPPeer peer1": BASE | {"peerAddress": "2001:db8::1", "holdTime": "45s", "keepaliveTime": "14s"}},
        flags=("-target-mode", "frr"),
    ),
    Vector(
        "5-long-and-no-hold-time",
        """
peers:
- {my-asn: 64700, peer-asn: 64700, peer-address: 192.0.2.1, hold-time: 2h0m30.9s}
- {my-asn: 64700, peer-asn: 64700, peer-address: 192.0.2.2, hold-time: 0}
""",
        {
            "BGPPeer peer1": BASE | {"peerASN": 64700, "holdTime": "2h0m30s"},
            "BGPPeer peer2": BASE | {"peerASN": 64700, "peerAddress": "192.0.2.2", "holdTime": "0s"},
        },
        flags=("-target", "0.14.8"),
        warning="W-HOLD peer2",
    ),
    Vector(
        "6-all-of-a-peer",
        "peers: [{my-asn: 4200000007, peer-asn: 64701, peer-address: 192.0.2.1, peer-port: 1790, "
        'source-address: 192.0.2.9, router-id: 192.0.2.9, ebgp-multihop: true, password: "s3cr3t"}]',
        {
            "BGPPeer peer1": BASE
            | {
                "myASN": 4200000007,
                "peerPort": 1790,
                "sourceAddress": "192.0.2.9",
                "routerID": "192.0.2.9",
                "ebgpMultiHop": True,
                "password": "s3cr3t",
            }
        },
    ),
    Vector(
        "7-empty-values-and-selectors",
        f"""
peers:
- {PEER}, hold-time: "", router-id: "", peer-port: 0, password: "", node-selectors: [
    {{match-labels: {{zone: z1}}, match-expressions: [{{key: rack, operator: NotIn, values: [r9, r1]}},
      {{key: spot, operator: DoesNotExist}}]}},
    {{match-labels: {{}}, match-expressions: []}}]}}
""",
        {
            "BGPPeer peer1": BASE
            | {
                "nodeSelectors": [
                    {
                        "matchLabels": {"zone": "z1"},
                        "matchExpressions": [
                            {"key": "rack", "operator": "NotIn", "values": ["r1", "r9"]},
                            {"key": "spot", "operator": "DoesNotExist"},
                        ],
                    },
                    {},
                ]
            }
        },
    ),
    Vector(
        "8-communities",
        f"""
bgp-communities: {{ZETA: "64700:7", alpha: 64700:65000}}
address-pools: [{WAN}, bgp-advertisements: [{{communities: [ZETA, 64700:8]}}]}}]
""",
        {
            "IPAddressPool wan": WAN_SPEC,
            "BGPAdvertisement bgpadvertisement1": {"communities": ["ZETA", "64700:8"], "ipAddressPools": ["wan"]},
            "Community communities": {
                "communities": [{"name": "ZETA", "value": "64700:7"}, {"name": "alpha", "value": "64700:65000"}]
            },
        },
    ),
    Vector(
        "9-both-families",
        """
address-pools:
- name: dual
  protocol: bgp
  addresses: [203.0.113.0/25, "2001:db8:9::/120"]
  auto-assign: no
  avoid-buggy-ips: true
  bgp-advertisements: [{aggregation-length: 25, aggregation-length-v6: 120, localpref: 250}]
""",
        {
            "IPAddressPool dual": {
                "addresses": ["203.0.113.0/25", "2001:db8:9::/120"],
                "autoAssign": False,
                "avoidBuggyIPs": True,
            },
            "BGPAdvertisement bgpadvertisement1": {
                "aggregationLength": 25,
                "aggregationLengthV6": 120,
                "localPref": 250,
                "ipAddressPools": ["dual"],
            },
        },
        flags=("-target-mode", "frr"),
    ),
    Vector(
        "10-flags-of-a-pool",
        f"address-pools: [{LAN}, auto-assign: true, avoid-buggy-ips: false}}]",
        {"IPAddressPool lan": LAN_SPEC | {"autoAssign": True}, **L2_LAN},
    ),
    Vector(
        "11-bfd",
        f"""
bfd-profiles:
- {{name: Fast_BFD, receive-interval: 90, transmit-interval: 95, detect-multiplier: 4, minimum-ttl: 250,
   passive-mode: true}}
peers: [{PEER}, bfd-profile: Fast_BFD}}]
""",
        {
            "BGPPeer peer1": BASE | {"bfdProfile": "fast-bfd"},
            "BFDProfile fast-bfd": {
                "receiveInterval": 90,
                "transmitInterval": 95,
                "detectMultiplier": 4,
                "minimumTtl": 250,
                "echoMode": False,
                "passiveMode": True,
            },
        },
        flags=("-target-mode", "frr"),
    ),
    Vector("12-renamed-pool", layer2("Prod_Web"), named("prod-web"), warning="W-1 pool Prod_Web"),
    Vector("13-leading-digit", layer2("7-edge"), named("edge"), warning="W-1 pool 7-edge"),
    Vector("13-leading-digit-kept", layer2("7-edge"), named("7-edge"), flags=("-names", "keep")),
    Vector(
        "14-names-that-collide",
        """
address-pools:
- {name: 7-edge, protocol: layer2, addresses: [192.0.2.64/27]}
- {name: 8-edge, protocol: layer2, addresses: [192.0.2.96/27]}
""",
        {
            "IPAddressPool 7-edge": LAN_SPEC,
            "IPAddressPool 8-edge": {"addresses": ["192.0.2.96/27"]},
            "L2Advertisement l2advertisement1": {"ipAddressPools": ["7-edge"]},
            "L2Advertisement l2advertisement2": {"ipAddressPools": ["8-edge"]},
        },
        is_same=False,
    ),
    Vector(
        "15-slash-in-a-name",
        "address-pools: [{name: shop/front, protocol: bgp, addresses: [203.0.113.9/32], auto-assign: false, "
        "bgp-advertisements: []}]",
        {
            "IPAddressPool shop-front": {"addresses": ["203.0.113.9/32"], "autoAssign": False},
            "BGPAdvertisement bgpadvertisement1": {"ipAddressPools": ["shop-front"]},
        },
        warning="W-1 pool shop/front",
        official={
            "IPAddressPool shop/front": {"addresses": ["203.0.113.9/32"], "autoAssign": False},
            "BGPAdvertisement bgpadvertisement1": {"ipAddressPools": ["shop/front"]},
        },
        is_same=False,
    ),
    Vector("16-name-of-digits", layer2("42"), named("42"), is_same=False),
    Vector(
        "17-password-like-an-octal-number",
        f"peers: [{PEER}, password: 0755}}]",
        {"BGPPeer peer1": BASE | {"password": "0755"}},
        official={"BGPPeer peer1": BASE | {"password": "493"}},
        is_same=False,
    ),
    Vector(
        "18-labels-like-numbers-and-truths",
        f"peers: [{PEER}, node-selectors: [{{match-labels: {{rack: 012, edge: on}}}}]}}]",
        {"BGPPeer peer1": BASE | {"nodeSelectors": [{"matchLabels": {"edge": "on", "rack": "012"}}]}},
        official={"BGPPeer peer1": BASE | {"nodeSelectors": [{"matchLabels": {"edge": "true", "rack": "10"}}]}},
        is_same=False,
    ),
    Vector(
        "19-misspelt-protocol",
        "address-pools: [{name: lan, protocol: l2, addresses: [192.0.2.64/27]}]",
        "D-SRC config:1:",
        official={"IPAddressPool lan": LAN_SPEC},
        is_same=False,
    ),
    Vector(
        "20-misspelt-key",
        f"address-pools:\n- {LAN}, autoassign: false}}",
        "D-SRC config:2:",
        official={"IPAddressPool lan": LAN_SPEC, **L2_LAN},
        is_same=False,
    ),
    Vector(
        "21-contradicting-advertisements",
        f"address-pools: [{WAN}, bgp-advertisements: [{{localpref: 10}}, {{localpref: 20, communities: [64700:1]}}]}}]",
        {
            "IPAddressPool wan": WAN_SPEC,
            "BGPAdvertisement bgpadvertisement1": {"localPref": 10, "ipAddressPools": ["wan"]},
            "BGPAdvertisement bgpadvertisement2": {
                "localPref": 20,
                "communities": ["64700:1"],
                "ipAddressPools": ["wan"],
            },
        },
        warning="W-LOAD pool wan",
    ),
    Vector(
        "21-contradicting-advertisements-fixed",
        f"address-pools: [{WAN}, bgp-advertisements: [{{localpref: 10}}, {{localpref: 20, communities: [64700:1]}}]}}]",
        {
            "IPAddressPool wan": WAN_SPEC,
            "BGPAdvertisement bgpadvertisement1": {
                "localPref": 20,
                "communities": ["64700:1"],
                "ipAddressPools": ["wan"],
            },
        },
        flags=("-fix",),
        is_same=False,
        official=SAME,
    ),
    Vector(
        "22-port-out-of-range",
        f"peers: [{PEER}, peer-port: 20179}}]",
        "D-LOAD peer1 peer-port 20179",
        official={"BGPPeer peer1": BASE | {"peerPort": 20179}},
        is_same=False,
    ),
    Vector(
        "23-repeated-selector",
        f"peers: [{PEER}, node-selectors: [{{match-labels: {{a: b}}}}, {{match-labels: {{a: b}}}}]}}]",
        {"BGPPeer peer1": BASE | {"nodeSelectors": [{"matchLabels": {"a": "b"}}]}},
        warning="W-REPEAT peer1",
        is_same=False,
    ),
    Vector(
        "24-layer2-with-advertisements",
        "address-pools: [{name: mix, protocol: layer2, addresses: [192.0.2.64/27], "
        "bgp-advertisements: [{localpref: 3}]}]",
        "D-SRC config:1:",
        official={
            "IPAddressPool mix": LAN_SPEC,
            "BGPAdvertisement bgpadvertisement1": {"localPref": 3, "ipAddressPools": ["mix"]},
            "L2Advertisement l2advertisement1": {"ipAddressPools": ["mix"]},
        },
        is_same=False,
    ),
    Vector(
        "25-echo-towards-ipv6",
        """
bfd-profiles: [{name: echo, echo-mode: true, echo-interval: 60}]
peers: [{my-asn: 64700, peer-asn: 64701, peer-address: "2001:db8::1", bfd-profile: echo}]
address-pools: [{name: six, protocol: bgp, addresses: ["2001:db8:9::/120"]}]
""",
        'peer1: spec.bfdProfile: "echo": has echoMode, which BFD does not have for IPv6, and pool "six"',
        is_same=False,
    ),
)
