"""The vector tables of MetalLB 0.12's behaviour, each with what metalpy makes of it.

A vector is a text and its outcome: the `Config` it means, with the path and a phrase of its warning where there
is one, or the path and a phrase of the error that refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_network

from metalpy.model import (
    AddressRange,
    BFDProfile,
    BGPAdvertisement,
    Community,
    Config,
    L2Advertisement,
    LabelExpression,
    LabelSelector,
    Operator,
    Peer,
    Pool,
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The text means `config`; `warning` is the path and a phrase of its only warning, None for none."""

    config: Config
    warning: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The text is refused; one of the errors has this path and this phrase."""

    path: str
    phrase: str


@dataclass(frozen=True, slots=True)
class Vector:
    id: str
    text: str
    outcome: Accepted | Refused


# --- builders of expected values -----------------------------------------------------------------------


def pool(name: str, *entries: str, **fields: object) -> Pool:
    """A pool; every entry is the blank-separated prefixes that one of its `addresses` stands for."""
    addresses = tuple(AddressRange(tuple(ip_network(prefix) for prefix in entry.split())) for entry in entries)
    return replace(Pool(name, addresses, layer2=(L2Advertisement(),)), **fields)  # type: ignore[arg-type]


def bgp_pool(name: str, *entries: str, bgp: tuple[BGPAdvertisement, ...] = (BGPAdvertisement(),)) -> Pool:
    return replace(pool(name, *entries), layer2=(), bgp=bgp)


PEER = Peer(64600, 64601, IPv4Address("10.9.0.1"), dual_stack=True)


def peer(**fields: object) -> Peer:
    return replace(PEER, **fields)  # type: ignore[arg-type]


def held(hold_time_s: int, keepalive_time_ns: int | None = None) -> Peer:
    keepalive = hold_time_s * 10**9 // 3 if keepalive_time_ns is None else keepalive_time_ns
    return peer(hold_time_s=hold_time_s, keepalive_time_ns=keepalive)


def _pools(*pools: Pool) -> Config:
    return Config(pools=pools)


def _peers(*peers: Peer) -> Config:
    return Config(peers=peers)


# --- one function a table: what the template makes of X ------------------------------------------------


def _a(number: int, x: str, outcome: Accepted | Refused) -> Vector:
    return Vector(f"A{number:02}", f"address-pools: [{{name: a, protocol: layer2, addresses: [{x}]}}]", outcome)


def _entries(*entries: str, warns: str = "") -> Accepted:
    warning = ("address-pools[0].addresses[0]", warns) if warns else None
    return Accepted(_pools(pool("a", *entries)), warning)


def _bad_entry(phrase: str, index: int = 0) -> Refused:
    return Refused(f"address-pools[0].addresses[{index}]", phrase)


def _l(number: int, x: str, outcome: Accepted | Refused) -> Vector:
    if not x.startswith("address-pools:"):
        x = f"address-pools: [{{name: a, protocol: layer2, addresses: [198.18.4.0/24], {x}}}]"
    return Vector(f"L{number:02}", x, outcome)


def _w(number: int, text: str, outcome: Accepted | Refused) -> Vector:
    return Vector(f"W{number:02}", text, outcome)


def _r(number: int, x: str, outcome: Accepted | Refused) -> Vector:
    if not x.startswith("peers:"):
        x = f"peers: [{{my-asn: 64600, peer-asn: 64601, peer-address: 10.9.0.1, {x}}}]"
    return Vector(f"R{number:02}", x, outcome)


def _one(expected: Peer, *, warns: tuple[str, str] | None = None) -> Accepted:
    warning = (f"peers[0].{warns[0]}", warns[1]) if warns else None
    return Accepted(_peers(expected), warning)


def _bad_peer(key: str, phrase: str) -> Refused:
    return Refused(f"peers[0].{key}", phrase)


def _b(number: int, x: str, outcome: Accepted | Refused) -> Vector:
    if "address-pools:" not in x:
        x = f"address-pools: [{{name: a, protocol: bgp, addresses: [198.18.4.0/24], bgp-advertisements: [{x}]}}]"
    return Vector(f"B{number:02}", x, outcome)


ADVERTISEMENT = "address-pools[0].bgp-advertisements[0]"


def _advertised(*advertisements: BGPAdvertisement, warns: tuple[str, str] | None = None) -> Accepted:
    return Accepted(_pools(bgp_pool("a", "198.18.4.0/24", bgp=advertisements)), warns)


def _bad_advertisement(key: str, phrase: str) -> Refused:
    return Refused(f"{ADVERTISEMENT}.{key}", phrase)


def _f(number: int, x: str, outcome: Accepted | Refused) -> Vector:
    return Vector(f"F{number:02}", f"bfd-profiles: [{x}]", outcome)


def _m(number: int, text: str, config: Config) -> Vector:
    return Vector(f"M{number:02}", text, Accepted(config))


A12 = "198.18.4.9/32 198.18.4.10/31 198.18.4.12/31 198.18.4.14/32"

ADDRESSES = (
    _a(1, "198.18.4.0/22", _entries("198.18.4.0/22")),
    _a(2, "198.18.4.77/22", _entries("198.18.4.0/22", warns="host bits are cleared: write 198.18.4.0/22")),
    _a(3, "198.18.4.77", _bad_entry("198.18.4.77/32")),
    _a(4, "198.18.4.77/32", _entries("198.18.4.77/32")),
    _a(5, "198.18.4.0/33", _bad_entry("from 0 to 32")),
    _a(6, "198.18.4.0/024", _entries("198.18.4.0/24", warns="leading zeros: write /24")),
    _a(7, "198.18.4.0/255.255.252.0", _bad_entry("not a netmask")),
    _a(8, "198.18/16", _bad_entry("before the slash must be an IP address")),
    _a(9, '"198.18.4.0/24 "', _bad_entry("without any blanks")),
    _a(10, "0198.18.4.0/24", _entries("198.18.4.0/24", warns="decimal: write 198.18.4.0")),
    _a(11, "0.0.0.0/0", _entries("0.0.0.0/0")),
    _a(12, "198.18.4.9-198.18.4.14", _entries(A12)),
    _a(13, "198.18.4.9  -   198.18.4.14", _entries(A12)),
    _a(14, "198.18.4.9-14", _bad_entry("two full IP addresses")),
    _a(15, "198.18.4.9-198.18.4.9", _entries("198.18.4.9/32")),
    _a(16, "198.18.4.14-198.18.4.9", _bad_entry("MetalLB 0.9 and 0.10 read it as no addresses")),
    _a(17, "198.18.4.9-", _bad_entry("the end is missing")),
    _a(18, "198.18.4.9-198.18.4.11-198.18.4.14", _bad_entry("the end is not one")),
    _a(19, "198.18.4.255-198.18.5.0", _entries("198.18.4.255/32 198.18.5.0/32")),
    _a(20, "198.18.4.0-198.18.5.255", _entries("198.18.4.0/23")),
    _a(21, '"2001:db8:7::9/64"', _entries("2001:db8:7::/64", warns="host bits are cleared")),
    _a(22, '"2001:db8:7::/129"', _bad_entry("from 0 to 128")),
    _a(23, '"2001:db8:7::8-2001:db8:7::f"', _entries("2001:db8:7::8/125")),
    _a(24, '"fe80::1%eth0/64"', _bad_entry("without a zone")),
    _a(25, '"198.18.4.1-2001:db8:7::1"', _entries("", warns="no addresses at all")),
    _a(26, '"2001:db8:7::1-198.18.4.1"', _bad_entry("start is after end")),
    _a(27, '"::1-198.18.4.1"', _entries("", warns="no addresses at all")),
    _a(28, '"::ffff:198.18.4.9-198.18.4.14"', _entries(A12, warns="IPv4: write 198.18.4.9")),
    _a(29, '"::ffff:198.18.4.0/120"', _entries("198.18.4.0/24", warns="read as 198.18.4.0/24")),
    _a(30, '"::ffff:198.18.4.0/96"', _entries("0.0.0.0/0", warns="read as 0.0.0.0/0")),
    _a(31, '"::ffff:198.18.4.0/24"', _entries("::/24", warns="IPv6 prefix ::/24")),
    _a(32, "~", _bad_entry("is empty")),
    _a(33, '"198.18.4.0/24,198.18.6.0/24"', _bad_entry("each as an entry of its own")),
    _a(34, "198.18.4.0/24, 198.18.4.0/24", _bad_entry("overlaps address-pools[0].addresses[0]", 1)),
    _a(35, "198.18.4.0/24, 198.18.4.200-198.18.4.210", _bad_entry("overlaps", 1)),
    _a(36, "198.18.4.1-198.18.4.5, 198.18.4.5-198.18.4.9", _bad_entry("overlaps", 1)),
    _a(
        37,
        "198.18.4.1-198.18.4.5, 198.18.4.6-198.18.4.9",
        _entries("198.18.4.1/32 198.18.4.2/31 198.18.4.4/31", "198.18.4.6/31 198.18.4.8/31"),
    ),
    _a(38, '198.18.4.0/24, "2001:db8:7::/64"', _entries("198.18.4.0/24", "2001:db8:7::/64")),
    _a(39, '0.0.0.0/0, "::/0"', _entries("0.0.0.0/0", "::/0")),
    _a(40, '"::ffff:198.18.4.0/120", 198.18.4.128/25', _bad_entry("overlaps", 1)),
    _a(41, "{a: b}", _bad_entry("must be text, not a mapping")),
)

_P0 = "address-pools[0]"

POOLS = (
    _l(1, "auto-assign: no", Accepted(_pools(pool("a", "198.18.4.0/24", auto_assign=False)))),
    _l(2, 'auto-assign: "false"', Refused(f"{_P0}.auto-assign", "remove the quotes")),
    _l(3, "auto-assign: ~", Accepted(_pools(pool("a", "198.18.4.0/24")))),
    _l(4, "auto_assign: false", Refused(f"{_P0}.auto_assign", "did you mean `auto-assign`?")),
    _l(5, "bgp-advertisements: []", Accepted(_pools(pool("a", "198.18.4.0/24")))),
    _l(6, "bgp-advertisements: [~]", Refused(f"{_P0}.bgp-advertisements", "protocol layer2")),
    _l(7, "cidr: [198.18.6.0/24]", Refused(f"{_P0}.cidr", "removed in MetalLB 0.6: did you mean `addresses`?")),
    _l(8, "arp-network: 198.18.0.0/16", Refused(f"{_P0}.arp-network", "removed in MetalLB 0.6: use a range")),
    _l(9, "name: b", Refused(f"{_P0}.name", "set twice")),
    _l(
        10,
        "address-pools: [{protocol: layer2, addresses: [198.18.4.0/24]}]",
        Refused(f"{_P0}.name", "is missing"),
    ),
    _l(
        11,
        "address-pools: [{name: 42, protocol: layer2, addresses: [198.18.4.0/24]}]",
        Accepted(_pools(pool("42", "198.18.4.0/24"))),
    ),
    _l(
        12,
        "address-pools: [{name: a, protocol: Layer2, addresses: [198.18.4.0/24]}]",
        Refused(f"{_P0}.protocol", "did you mean `layer2`?"),
    ),
    _l(
        13,
        "address-pools: [{name: a, protocol: ndp, addresses: [198.18.4.0/24]}]",
        Refused(f"{_P0}.protocol", "`ndp` became `layer2`"),
    ),
    _l(
        14,
        "address-pools: [{name: a, addresses: [198.18.4.0/24]}]",
        Refused(f"{_P0}.protocol", "is missing"),
    ),
    _l(
        15,
        "address-pools: [{name: a, protocol: bgp, addresses: []}]",
        Refused(f"{_P0}.addresses", "missing or empty"),
    ),
    _l(
        16,
        "address-pools: [{name: a, protocol: bgp, addresses: [198.18.4.0/25]}, "
        "{name: b, protocol: layer2, addresses: [198.18.4.128/25]}]",
        Accepted(_pools(bgp_pool("a", "198.18.4.0/25"), pool("b", "198.18.4.128/25"))),
    ),
    _l(
        17,
        "address-pools: [{name: a, protocol: bgp, addresses: [198.18.4.0/24]}, "
        "{name: b, protocol: layer2, addresses: [198.18.4.128/25]}]",
        Refused("address-pools[1].addresses[0]", 'of pool "a"'),
    ),
    _l(
        18,
        "address-pools: [{name: a, protocol: layer2, addresses: [198.18.4.0/24]}, "
        "{name: a, protocol: layer2, addresses: [198.18.6.0/24]}]",
        Refused("address-pools[1].name", "also the name of address-pools[0]"),
    ),
    _l(
        19,
        "address-pools: [{name: a, protocol: layer2, addresses: [198.18.4.0/24]}, "
        "{name: A, protocol: layer2, addresses: [198.18.6.0/24]}]",
        Accepted(
            _pools(pool("a", "198.18.4.0/24"), pool("A", "198.18.6.0/24")),
            ("address-pools[1].name", "in case only"),
        ),
    ),
    _l(
        20,
        "address-pools: [{name: a, protocol: layer2, avoid-buggy-ips: true, addresses: [198.18.4.0/32]}]",
        Accepted(
            _pools(pool("a", "198.18.4.0/32", avoid_buggy_ips=True)), (f"{_P0}.addresses", "no address to hand out")
        ),
    ),
)

DOCUMENTS = (
    _w(1, "# nothing yet", Accepted(Config())),
    _w(2, "peers:\naddress-pools:\n", Accepted(Config())),
    _w(3, "peers:\npeers:\n", Refused("peers", "set twice")),
    _w(4, "addressPools: []", Refused("addressPools", "did you mean `address-pools`?")),
    _w(5, "peer-autodiscovery: {}", Refused("peer-autodiscovery", "no release")),
    _w(6, "communities: {}", Refused("communities", "renamed in MetalLB 0.3: did you mean `bgp-communities`?")),
    _w(7, "- peers", Refused("", "must be a mapping (a configuration), not a list")),
    _w(8, "address-pools: []\n---\nnonsense: [", Accepted(Config(), ("", "only the first YAML document"))),
    _w(9, 'peers: ""', Refused("peers", "must be a list")),
    _w(10, "address-pools:\n\t- name: a", Refused("", "a tab cannot indent")),
    _w(
        11,
        "address-pools:\n- name:\ta\n  protocol: layer2\n  addresses: [198.18.4.0/24]",
        Accepted(_pools(pool("a", "198.18.4.0/24"))),
    ),
    _w(
        12,
        "address-pools: [&p {name: a, protocol: layer2, addresses: [198.18.4.0/24]}, "
        "{<<: *p, name: b, addresses: [198.18.6.0/24]}]",
        Accepted(_pools(pool("a", "198.18.4.0/24"), pool("b", "198.18.6.0/24"))),
    ),
    _w(13, "address-pools: *x", Refused("address-pools", "alias of no anchor")),
    _w(
        14,
        "address-pools:\n- name: a\n  protocol: layer2\n  addresses:\n  - |\n    198.18.4.0/24\n  - 198.18.6.0/24",
        _bad_entry("without any blanks"),
    ),
    _w(
        15,
        "address-pools:\n- name: a\n  protocol: layer2\n  addresses:\n  - |\n    198.18.4.1-198.18.4.3\n"
        "  - 198.18.6.0/24",
        _entries("198.18.4.1/32 198.18.4.2/31", "198.18.6.0/24"),
    ),
    _w(16, 'bgp-communities: {x: "65536:1"}', Refused("bgp-communities.x", "from 0 to 65535")),
    _w(17, 'bgp-communities: {x: "1:1", y: x}', Refused("bgp-communities.y", "must be A:B")),
    _w(18, "bgp-communities: {x: }", Refused("bgp-communities.x", "must be A:B")),
    _w(19, 'bgp-communities: {x: "1:1", x: "1:2"}', Refused("bgp-communities.x", "set twice")),
    _w(
        20,
        "bgp-communities: {x: 64601:7, 7: 20:30}",
        Accepted(Config(communities=(("7", Community(20 << 16 | 30)), ("x", Community(64601 << 16 | 7))))),
    ),
    _w(21, 'bgp-communities: {x: "64601:7:9"}', Refused("bgp-communities.x", "must be A:B")),
    _w(
        22,
        '{"address-pools": [{"name": "a", "protocol": "layer2", "addresses": ["198.18.4.0/24"]}]}',
        Accepted(_pools(pool("a", "198.18.4.0/24"))),
    ),
)

_EVERY_NODE = LabelSelector()
_RACK_7 = LabelSelector(match_labels=(("rack", "7"),))
_NO_RACK = LabelSelector(match_expressions=(LabelExpression("rack", Operator.DOES_NOT_EXIST),))
_ZONE_Z1 = LabelSelector(match_labels=(("zone", "z1"),))
_EXPRESSION = "node-selectors[0].match-expressions[0]"
_BASE = "my-asn: 64600, peer-asn: 64601, peer-address: 10.9.0.1"

PEERS = (
    _r(1, "peer-port: 0", _one(PEER)),
    _r(2, "peer-port: 65536", _bad_peer("peer-port", "from 0 to 65535")),
    _r(3, 'peer-port: "1790"', _bad_peer("peer-port", "remove the quotes")),
    _r(4, "hold-time: 3900ms", _one(held(3, 10**9), warns=("hold-time", "this is 3s"))),
    _r(5, "hold-time: 2999ms", _bad_peer("hold-time", "must be 0 or at least 3s (got 2s after dropping fractions)")),
    _r(6, "hold-time: 400ms", _one(held(0, 0), warns=("hold-time", "turns the timers off"))),
    _r(7, "hold-time: 0", _one(held(0, 0))),
    _r(8, "hold-time: 45", _bad_peer("hold-time", "has no unit")),
    _r(9, "hold-time: 1m15s", _one(held(75, 25 * 10**9))),
    _r(10, "hold-time: 15s1m", _one(held(75, 25 * 10**9))),
    _r(11, "hold-time: 1d", _bad_peer("hold-time", "unknown unit")),
    _r(12, 'hold-time: "30s "', _bad_peer("hold-time", "without any blanks")),
    _r(13, "hold-time: -30s", _bad_peer("hold-time", "must be 0 or at least 3s")),
    _r(14, 'hold-time: ""', _one(held(90, 30 * 10**9))),
    _r(15, "hold-time: 65536s", _one(held(65535), warns=("hold-time", "65535s is used"))),
    _r(16, "hold-time: 20s", _one(held(20, 6_666_666_666))),
    _r(17, "hold-time: 20s, keepalive-time: 20s", _one(held(20, 20 * 10**9))),
    _r(18, "hold-time: 20s, keepalive-time: 21s", _bad_peer("keepalive-time", "hold time of 20s")),
    _r(19, "hold-time: 20s, keepalive-time: 20900ms", _one(held(20, 20 * 10**9))),
    _r(20, "keepalive-time: -4s", _bad_peer("keepalive-time", "must not be negative")),
    _r(21, "hold-time: 0s, keepalive-time: 1s", _bad_peer("keepalive-time", "hold time of 0s")),
    _r(22, "router-id: 10.9.9.9", _one(peer(router_id=IPv4Address("10.9.9.9")))),
    _r(23, "router-id: 42", _bad_peer("router-id", "like an IPv4 address")),
    _r(24, 'router-id: "2001:db8::9"', _bad_peer("router-id", "32 bits")),
    _r(25, "source-address: 10.9.0.77", _one(peer(source_address=IPv4Address("10.9.0.77")))),
    _r(
        26,
        'source-address: "2001:db8::9"',
        _one(peer(source_address=IPv6Address("2001:db8::9")), warns=("source-address", "another family")),
    ),
    _r(27, "source-address: eth0", _bad_peer("source-address", "not a name")),
    _r(28, "password: 0123", _one(peer(password="0123"))),  # noqa: S106 - the vector's own
    _r(29, "password: [a]", _bad_peer("password", "must be text, not a list")),
    _r(30, "ebgp-multihop: y", _one(peer(ebgp_multihop=True))),
    _r(31, "ebgp-multihop: 1", _bad_peer("ebgp-multihop", "must be true or false")),
    _r(32, "bfd-profile: fast", _bad_peer("bfd-profile", "no BFD profile of this configuration")),
    _r(33, "bfdProfile: fast", _bad_peer("bfdProfile", "did you mean `bfd-profile`?")),
    _r(34, "node-selectors: [{}]", _one(peer(node_selectors=(_EVERY_NODE,)))),
    _r(35, "node-selectors: {match-labels: {a: b}}", _bad_peer("node-selectors", "must be a list")),
    _r(36, "node-selectors: [{match-labels: {rack: 7}}]", _one(peer(node_selectors=(_RACK_7,)))),
    _r(
        37,
        'node-selectors: [{match-labels: {rack: "a b"}}]',
        _bad_peer("node-selectors[0].match-labels.rack", "must be a label value"),
    ),
    _r(
        38,
        'node-selectors: [{match-labels: {"a/b/c": d}}]',
        _bad_peer('node-selectors[0].match-labels."a/b/c"', "must be a label key"),
    ),
    _r(
        39,
        "node-selectors: [{match-expressions: [{key: rack, operator: In}]}]",
        _bad_peer(f"{_EXPRESSION}.values", "must have an entry with operator In"),
    ),
    _r(
        40,
        "node-selectors: [{match-expressions: [{key: rack, operator: Exists, values: [x]}]}]",
        _bad_peer(f"{_EXPRESSION}.values", "must be empty with operator Exists"),
    ),
    _r(
        41,
        "node-selectors: [{match-expressions: [{key: rack, operator: notin, values: [x]}]}]",
        _bad_peer(f"{_EXPRESSION}.operator", "did you mean `NotIn`?"),
    ),
    _r(
        42,
        "node-selectors: [{match-expressions: [{key: rack, operator: DoesNotExist}]}, {match-labels: {zone: z1}}]",
        _one(peer(node_selectors=(_NO_RACK, _ZONE_Z1))),
    ),
    _r(
        43,
        "peers: [{my-asn: 64600, peer-asn: 64600, peer-address: 10.9.0.1, ebgp-multihop: true}]",
        _bad_peer("ebgp-multihop", "iBGP"),
    ),
    _r(
        44,
        "peers: [{my-asn: 0, peer-asn: 64601, peer-address: 10.9.0.1}]",
        _bad_peer("my-asn", "from 1 to 4294967295"),
    ),
    _r(
        45,
        "peers: [{my-asn: 4294967295, peer-asn: 64601, peer-address: 10.9.0.1}]",
        _one(peer(my_asn=4294967295)),
    ),
    _r(
        46,
        "peers: [{my-asn: 4294967296, peer-asn: 64601, peer-address: 10.9.0.1}]",
        _bad_peer("my-asn", "from 1 to 4294967295"),
    ),
    _r(47, "peers: [{my-asn: 1.10, peer-asn: 64601, peer-address: 10.9.0.1}]", _bad_peer("my-asn", "= 65546")),
    _r(
        48,
        "peers: [{my-asn: 6.46e4, peer-asn: 64601, peer-address: 10.9.0.1}]",
        _one(PEER, warns=("my-asn", "read as 64600")),
    ),
    _r(
        49,
        "peers: [{my-asn: 010, peer-asn: 64601, peer-address: 10.9.0.1}]",
        _one(peer(my_asn=8), warns=("my-asn", "octal: write 8, or 10")),
    ),
    _r(
        50,
        'peers: [{my-asn: "64600", peer-asn: 64601, peer-address: 10.9.0.1}]',
        _bad_peer("my-asn", "remove the quotes"),
    ),
    _r(
        51,
        "peers: [{my-asn: 64600, peer-asn: 64601, peer-address: tor1.example}]",
        _bad_peer("peer-address", "not a name"),
    ),
    _r(
        52,
        'peers: [{my-asn: 64600, peer-asn: 64601, peer-address: "fe80::9%eth0"}]',
        _bad_peer("peer-address", "without a zone"),
    ),
    _r(53, f"peers: [{{{_BASE}}}, {{{_BASE}, hold-time: 90900ms}}]", Refused("peers[1]", "same peer as peers[0]")),
    _r(
        54,
        f'peers: [{{{_BASE}}}, {{my-asn: 64600, peer-asn: 64601, peer-address: "::ffff:10.9.0.1"}}]',
        Refused("peers[1]", "MetalLB 0.9 and older took both"),
    ),
    _r(55, f"peers: [{{{_BASE}}}, {{{_BASE}, peer-port: 1790}}]", Accepted(_peers(PEER, peer(port=1790)))),
    _r(56, "peers: [~]", _bad_peer("my-asn", "is missing")),
)

_COMMUNITY = Community(64601 << 16 | 7)

ADVERTISEMENTS = (
    _b(1, "{}", _advertised(BGPAdvertisement(32, 128, 0, ()))),
    _b(2, "{aggregation-length: 24}", _advertised(BGPAdvertisement(24))),
    _b(3, "{aggregation-length: 23}", _bad_advertisement("aggregation-length", "shorter than the /24")),
    _b(4, "{aggregation-length: 33}", _bad_advertisement("aggregation-length", "from 0 to 32")),
    _b(5, '{aggregation-length: "28"}', _bad_advertisement("aggregation-length", "remove the quotes")),
    _b(6, "{aggregation-length: 28.9}", _bad_advertisement("aggregation-length", "MetalLB cut it to 28")),
    _b(7, "{aggregation-length-v6: 129}", _bad_advertisement("aggregation-length-v6", "from 0 to 128")),
    _b(
        8,
        "{aggregation-length-v6: -7}",
        _advertised(BGPAdvertisement(), warns=(f"{ADVERTISEMENT}.aggregation-length-v6", "no effect")),
    ),
    _b(9, "{localpref: 4294967295}", _advertised(BGPAdvertisement(localpref=4294967295))),
    _b(10, "{localpref: -1}", _bad_advertisement("localpref", "from 0 to 4294967295")),
    _b(11, "{localPref: 5}", _bad_advertisement("localPref", "did you mean `localpref`?")),
    _b(
        12,
        "{communities: [64601:7, 20:30]}",
        _advertised(BGPAdvertisement(communities=(_COMMUNITY, Community(20 << 16 | 30)))),
    ),
    _b(13, '{communities: ["64601:7", "64601:7"]}', _bad_advertisement("communities[1]", "0.11 and older took both")),
    _b(
        14,
        '{communities: ["64601:7", "064601:7"]}',
        _advertised(
            BGPAdvertisement(communities=(_COMMUNITY,)), warns=(f"{ADVERTISEMENT}.communities[1]", "means the same")
        ),
    ),
    _b(15, '{communities: ["64601: 7"]}', _bad_advertisement("communities[0]", "must be A:B")),
    _b(16, "{communities: [no-export]}", _bad_advertisement("communities[0]", "no name is built in")),
    _b(17, '{communities: "64601:7"}', _bad_advertisement("communities", "must be a list")),
    _b(
        18,
        "{localpref: 7}, {localpref: 7}",
        Refused("address-pools[0].bgp-advertisements[1]", "0.11 and older took both"),
    ),
    _b(
        19,
        "{localpref: 0}, {}",
        _advertised(BGPAdvertisement(), warns=("address-pools[0].bgp-advertisements[1]", "means the same")),
    ),
    _b(
        20,
        'bgp-communities: {x: "64601:7"}\n'
        "address-pools: [{name: a, protocol: bgp, addresses: [198.18.4.0/24], "
        'bgp-advertisements: [{communities: [x, "64601:7"]}]}]',
        Accepted(
            Config(
                pools=(bgp_pool("a", "198.18.4.0/24", bgp=(BGPAdvertisement(communities=(_COMMUNITY,)),)),),
                communities=(("x", _COMMUNITY),),
            ),
            (f"{ADVERTISEMENT}.communities[1]", "means the same"),
        ),
    ),
    _b(
        21,
        "address-pools: [{name: a, protocol: bgp, addresses: [198.18.4.1-198.18.4.126], "
        "bgp-advertisements: [{aggregation-length: 27}]}]",
        Accepted(
            _pools(
                bgp_pool(
                    "a",
                    "198.18.4.1/32 198.18.4.2/31 198.18.4.4/30 198.18.4.8/29 198.18.4.16/28 198.18.4.32/27 "
                    "198.18.4.64/27 198.18.4.96/28 198.18.4.112/29 198.18.4.120/30 198.18.4.124/31 198.18.4.126/32",
                    bgp=(BGPAdvertisement(27),),
                )
            ),
            (f"{ADVERTISEMENT}.aggregation-length", "outside"),
        ),
    ),
    _b(
        22,
        "address-pools: [{name: a, protocol: bgp, addresses: [198.18.4.1-198.18.4.126], "
        "bgp-advertisements: [{aggregation-length: 26}]}]",
        _bad_advertisement("aggregation-length", "shorter than the /27"),
    ),
    _b(
        23,
        "address-pools: [{name: a, protocol: bgp, addresses: [198.18.4.0/24, 198.18.6.0/28], "
        "bgp-advertisements: [{aggregation-length: 27}]}]",
        _bad_advertisement("aggregation-length", "the /28 of address-pools[0].addresses[1]"),
    ),
    _b(
        24,
        'address-pools: [{name: a, protocol: bgp, addresses: ["2001:db8:7::/64"], '
        "bgp-advertisements: [{aggregation-length-v6: 48}]}]",
        _bad_advertisement("aggregation-length-v6", "shorter than the /64"),
    ),
    _b(
        25,
        'address-pools: [{name: a, protocol: bgp, addresses: ["2001:db8:7::/64"], '
        "bgp-advertisements: [{aggregation-length: 40, aggregation-length-v6: 64}]}]",
        _bad_advertisement("aggregation-length", "from 0 to 32"),
    ),
    _b(
        26,
        'address-pools: [{name: a, protocol: bgp, addresses: ["::ffff:198.18.4.0/120"], '
        "bgp-advertisements: [{localpref: 1}]}]",
        _advertised(BGPAdvertisement(localpref=1), warns=("address-pools[0].addresses[0]", "read as 198.18.4.0/24")),
    ),
)


def _profile(profile: BFDProfile) -> Accepted:
    return Accepted(Config(bfd_profiles=(profile,)))


BFD_PROFILES = (
    _f(1, "{name: p}", _profile(BFDProfile("p"))),
    _f(2, "{receive-interval: 250}", Refused("bfd-profiles[0].name", "is missing")),
    _f(3, "{name: p, receive-interval: 9}", Refused("bfd-profiles[0].receive-interval", "from 10 to 60000")),
    _f(4, "{name: p, transmit-interval: 60001}", Refused("bfd-profiles[0].transmit-interval", "from 10 to 60000")),
    _f(5, "{name: p, detect-multiplier: 1}", Refused("bfd-profiles[0].detect-multiplier", "from 2 to 255")),
    _f(
        6,
        "{name: p, detect-multiplier: 255, minimum-ttl: 254, echo-interval: 10}",
        _profile(BFDProfile("p", detect_multiplier=255, minimum_ttl=254, echo_interval_ms=10)),
    ),
    _f(7, "{name: p, minimum-ttl: 255}", Refused("bfd-profiles[0].minimum-ttl", "from 1 to 254")),
    _f(8, "{name: p, echo-interval: 0}", Refused("bfd-profiles[0].echo-interval", "from 10 to 60000")),
    _f(9, "{name: p, receive-interval: 250ms}", Refused("bfd-profiles[0].receive-interval", "without a unit")),
    _f(10, "{name: p}, {name: p, echo-mode: true}", Refused("bfd-profiles[1].name", "names must differ")),
    _f(11, '{name: p, echo-mode: "yes"}', Refused("bfd-profiles[0].echo-mode", "remove the quotes")),
)

_SECOND = "my-asn: 64600, peer-asn: 64601, peer-address: 10.9.0.2"

MODES = (
    _m(1, f"peers: [{{{_BASE}, keepalive-time: 7s}}]", _peers(held(90, 7 * 10**9))),
    _m(2, "bfd-profiles: [{name: p}]", Config(bfd_profiles=(BFDProfile("p"),))),
    _m(
        3,
        'address-pools: [{name: a, protocol: bgp, addresses: ["2001:db8:7::/64"]}]',
        _pools(bgp_pool("a", "2001:db8:7::/64")),
    ),
    _m(
        4,
        'address-pools: [{name: a, protocol: layer2, addresses: ["2001:db8:7::/64"]}]',
        _pools(pool("a", "2001:db8:7::/64")),
    ),
    _m(
        5,
        'peers: [{my-asn: 64600, peer-asn: 64601, peer-address: "2001:db8::9"}]',
        _peers(peer(address=IPv6Address("2001:db8::9"))),
    ),
    _m(
        6,
        f"peers: [{{{_BASE}}}, {{my-asn: 64602, peer-asn: 64601, peer-address: 10.9.0.2}}]",
        _peers(PEER, peer(my_asn=64602, address=IPv4Address("10.9.0.2"))),
    ),
    _m(
        7,
        f"peers: [{{{_BASE}, router-id: 10.9.9.9}}, {{{_SECOND}}}]",
        _peers(peer(router_id=IPv4Address("10.9.9.9")), peer(address=IPv4Address("10.9.0.2"))),
    ),
    _m(8, f"peers: [{{{_BASE}}}, {{{_BASE}, peer-port: 1790}}]", _peers(PEER, peer(port=1790))),
    _m(9, f"peers: [{{{_BASE}, ebgp-multihop: true}}]", _peers(peer(ebgp_multihop=True))),
)

ALL = ADDRESSES + POOLS + DOCUMENTS + PEERS + ADVERTISEMENTS + BFD_PROFILES + MODES
