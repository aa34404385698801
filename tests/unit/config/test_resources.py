"""Custom resources: every field, its default, its bounds, and what an error names."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, ip_network
from typing import Any

import pytest

from metalpy.config.resource_objects import SecretPassword
from metalpy.config.resource_peers import Surroundings, TimerRules
from metalpy.config.resources import parse_resource_objects, parse_resources, secrets_in
from metalpy.errors import ConfigError
from metalpy.model import (
    ANY_OTHER_ASN,
    AddressRange,
    BFDProfile,
    BGPAdvertisement,
    Community,
    Config,
    L2Advertisement,
    LabelExpression,
    LabelSelector,
    LargeCommunity,
    ObjectKey,
    Operator,
    Peer,
    Pool,
    PreferredNodes,
    ServiceAllocation,
)

Object = dict[str, Any]
SMALLEST_PEER = {"myASN": 64700, "peerASN": 64701, "peerAddress": "192.0.2.1"}
BLUE = LabelSelector((("team", "blue"),))


def one(kind: str, name: str, spec: Object, version: str = "", **metadata: Any) -> Object:
    version = version or ("v1beta2" if kind == "BGPPeer" else "v1beta1")
    metadata = {"name": name, "namespace": "metallb-system"} | metadata
    return {"apiVersion": f"metallb.io/{version}", "kind": kind, "metadata": metadata, "spec": spec}


def pool(name: str = "lan", addresses: str = "192.0.2.0/24", **spec: Any) -> Object:
    labels = spec.pop("labels", {})
    return one("IPAddressPool", name, {"addresses": [addresses], **spec}, labels=labels)


def read(*objects: Object, surroundings: Surroundings | None = None) -> Config:
    return parse_resource_objects(objects, surroundings or Surroundings()).config


def refused(*objects: Object, surroundings: Surroundings | None = None) -> str:
    with pytest.raises(ConfigError) as error:
        read(*objects, surroundings=surroundings)
    return "\n".join(problem.describe("crs") for problem in error.value.problems)


def peer(**spec: Any) -> Peer:
    return read(one("BGPPeer", "p", SMALLEST_PEER | spec)).peers[0]


# --- pools ---------------------------------------------------------------------------------------------


def test_a_pool_that_nothing_announces_is_a_pool() -> None:
    (found,) = read(pool()).pools
    assert found == Pool("lan", (AddressRange((ip_network("192.0.2.0/24"),)),))


def test_every_field_of_a_pool() -> None:
    selector = {"matchLabels": {"team": "blue"}}
    allocation = {
        "priority": 3,
        "namespaces": ["a", "b"],
        "namespaceSelectors": [selector],
        "serviceSelectors": [{"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["2", "1"]}]}],
    }
    (found,) = read(pool(autoAssign=False, avoidBuggyIPs=True, serviceAllocation=allocation)).pools
    assert not found.auto_assign
    assert found.avoid_buggy_ips
    expression = LabelExpression("x", Operator.NOT_IN, ("1", "2"))
    assert found.allocation == ServiceAllocation(3, ("a", "b"), (BLUE,), (LabelSelector((), (expression,)),))


def test_an_empty_allocation_still_counts() -> None:
    assert read(pool(serviceAllocation={})).pools[0].allocation == ServiceAllocation()


@pytest.mark.parametrize("kind", ["L2Advertisement", "BGPAdvertisement"])
@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        ({}, "abc"),
        ({"ipAddressPools": ["a", "nobody"]}, "a"),
        ({"ipAddressPoolSelectors": [{"matchLabels": {"team": "blue"}}]}, "b"),
        ({"ipAddressPools": ["c"], "ipAddressPoolSelectors": [{"matchLabels": {"team": "blue"}}]}, "bc"),
        ({"ipAddressPools": ["nobody"]}, ""),
    ],
)
def test_an_advertisement_is_for_the_pools_it_names_or_selects(kind: str, selection: Object, chosen: str) -> None:
    pools = [
        pool("a", "192.0.2.0/28"),
        pool("b", "192.0.2.16/28", labels={"team": "blue"}),
        pool("c", "192.0.2.32/28"),
    ]
    config = read(one(kind, "x", selection), *pools)
    assert "".join(pool.name for pool in config.pools if pool.protocols) == chosen


def test_every_field_of_a_layer_2_advertisement() -> None:
    spec = {
        "nodeSelectors": [{"matchLabels": {"team": "blue"}}],
        "interfaces": ["eth1", "eth0"],
        "serviceSelectors": [{"matchLabels": {"team": "blue"}}],
        "preferredNodeSelectors": [
            {"weight": 100, "preference": {"matchLabels": {"team": "blue"}}},
            {"weight": 1, "preference": {}},
        ],
    }
    (found,) = read(pool(), one("L2Advertisement", "x", spec)).pools[0].layer2
    preferred = (PreferredNodes(100, BLUE), PreferredNodes(1, LabelSelector()))
    assert found == L2Advertisement((BLUE,), ("eth0", "eth1"), (BLUE,), preferred)


def preferring(*preferences: Object) -> Object:
    return one("L2Advertisement", "x", {"preferredNodeSelectors": list(preferences)})


def test_every_field_of_a_bgp_advertisement() -> None:
    spec = {
        "aggregationLength": 26,
        "aggregationLengthV6": 64,
        "localPref": 7,
        "communities": ["red", "64700:7", "large:1:2:3", "wide"],
        "peers": ["p"],
        "nodeSelectors": [{"matchLabels": {"team": "blue"}}],
    }
    aliases = [{"name": "red", "value": "64700:1"}, {"name": "wide", "value": "large:4:5:6"}]
    config = read(
        pool(),
        one("BGPAdvertisement", "x", spec),
        one("BGPPeer", "p", SMALLEST_PEER),
        one("Community", "c", {"communities": aliases}),
    )
    assert config.pools[0].bgp == (
        BGPAdvertisement(
            26,
            64,
            7,
            (Community(64700 << 16 | 1), Community(64700 << 16 | 7)),
            (LargeCommunity(1, 2, 3), LargeCommunity(4, 5, 6)),
            (BLUE,),
            ("p",),
        ),
    )
    assert dict(config.communities) == {"red": Community(64700 << 16 | 1), "wide": LargeCommunity(4, 5, 6)}


def test_an_old_address_pool_is_a_legacy_pool() -> None:
    spec = {"protocol": "bgp", "addresses": ["192.0.2.0/24"], "bgpAdvertisements": [{"localPref": 5}]}
    config = read(
        one("AddressPool", "old", spec),
        one(
            "AddressPool",
            "lan",
            spec | {"protocol": "layer2", "addresses": ["198.51.100.0/24"], "bgpAdvertisements": []},
            "v1alpha1",
        ),
    )
    assert config.pools[0].bgp == (BGPAdvertisement(localpref=5),)
    assert config.pools[1].layer2 == (L2Advertisement(),)


# --- peers ---------------------------------------------------------------------------------------------


def test_a_peer_has_these_defaults() -> None:
    assert peer() == Peer(64700, 64701, IPv4Address("192.0.2.1"), name="p")


def test_every_field_of_a_peer() -> None:
    spec = SMALLEST_PEER | {
        "sourceAddress": "192.0.2.9",
        "routerID": "192.0.2.8",
        "peerPort": 1790,
        "holdTime": "45s",
        "keepaliveTime": "5s",
        "connectTime": "7s",
        "nodeSelectors": [{"matchLabels": {"team": "blue"}}],
        "password": "0755",
        "bfdProfile": "fast",
        "enableGracefulRestart": True,
        "ebgpMultiHop": True,
        "dualStackAddressFamily": True,
    }
    profile = {
        "receiveInterval": 10,
        "transmitInterval": 11,
        "detectMultiplier": 2,
        "echoInterval": 12,
        "minimumTtl": 254,
        "echoMode": True,
        "passiveMode": True,
    }
    config = read(one("BGPPeer", "p", spec), one("BFDProfile", "fast", profile))
    assert config.peers == (
        Peer(
            64700,
            64701,
            IPv4Address("192.0.2.1"),
            1790,
            IPv4Address("192.0.2.9"),
            IPv4Address("192.0.2.8"),
            45,
            5 * 10**9,
            (BLUE,),
            "0755",
            "fast",
            ebgp_multihop=True,
            connect_time_s=7,
            graceful_restart=True,
            dual_stack=True,
            name="p",
        ),
    )
    assert config.bfd_profiles == (
        BFDProfile("fast", 10, 11, 2, 12, echo_mode=True, passive_mode=True, minimum_ttl=254),
    )


@pytest.mark.parametrize(
    ("spec", "expected", "session_asn", "internal"),
    [
        ({"dynamicASN": "internal"}, {"peer_asn": 64700, "dynamic_asn": True}, 64700, True),
        ({"dynamicASN": "external"}, {"peer_asn": ANY_OTHER_ASN, "dynamic_asn": True}, 64700, False),
        ({"peerASN": 64701, "localASN": 65550}, {"peer_asn": 64701, "local_asn": 65550}, 65550, False),
        ({"peerASN": 64701, "localASN": 64701}, {"peer_asn": 64701, "local_asn": 64701}, 64701, True),
        ({"peerASN": 64701, "vrf": "red"}, {"peer_asn": 64701, "vrf": "red"}, 64700, False),
    ],
)
def test_fields_that_no_legacy_peer_has(
    spec: Object, expected: dict[str, Any], session_asn: int, internal: bool
) -> None:
    spec = {"myASN": 64700, "peerAddress": "192.0.2.1"} | spec
    (found,) = read(one("BGPPeer", "p", spec)).peers
    assert found == replace(peer(), **expected)
    assert (found.session_asn, found.internal) == (session_asn, internal)


@pytest.mark.parametrize(
    ("spec", "asn", "expected"),
    [
        ({"dynamicASN": "internal"}, 64700, True),
        ({"dynamicASN": "internal"}, 64701, False),
        ({"dynamicASN": "external"}, 64700, False),
        ({"dynamicASN": "external"}, 64701, True),
        ({"dynamicASN": "external", "localASN": 5}, 5, False),
        ({"dynamicASN": "external", "localASN": 5}, 64700, True),
        ({"peerASN": 64701}, 64701, True),
        ({"peerASN": 64701}, 64702, False),
    ],
)
def test_a_router_of_another_as_than_expected_is_told_from_the_right_one(
    spec: Object, asn: int, expected: bool
) -> None:
    (found,) = read(one("BGPPeer", "p", {"myASN": 64700, "peerAddress": "192.0.2.1"} | spec)).peers
    assert found.expects(asn) is expected


@pytest.mark.parametrize(
    ("spec", "timers", "hold_s", "keepalive_s"),
    [
        ({}, TimerRules(), 90, 30),
        ({}, TimerRules(180, 60), 180, 60),
        ({"keepaliveTime": "4s"}, TimerRules(), 12, 4),
        ({"keepaliveTime": "4s"}, TimerRules(hold_follows_keepalive=False), 90, 4),
        ({"holdTime": "0s"}, TimerRules(), 0, 0),
        ({"holdTime": "0s"}, TimerRules(zero_is_absent=True), 90, 30),
        ({"holdTime": "30s", "keepaliveTime": "0s"}, TimerRules(), 30, 10),
    ],
)
def test_absent_timers_mean_what_the_version_says(
    spec: Object, timers: TimerRules, hold_s: int, keepalive_s: int
) -> None:
    config = read(one("BGPPeer", "p", SMALLEST_PEER | spec), surroundings=Surroundings(timers=timers))
    assert (config.peers[0].hold_time_s, config.peers[0].keepalive_time_ns) == (hold_s, keepalive_s * 10**9)


def test_a_password_may_be_in_a_secret() -> None:
    reference = one("BGPPeer", "p", SMALLEST_PEER | {"passwordSecret": {"name": "s"}})
    secrets = {ObjectKey("metallb-system", "s"): SecretPassword("kubernetes.io/basic-auth", "x")}
    assert read(reference, surroundings=Surroundings(secrets=secrets)).peers[0].password == "x"  # noqa: S105
    assert "names a Secret that is not there" in refused(reference)


def test_secrets_are_read_in_both_forms() -> None:
    text = """
{kind: Secret, apiVersion: v1, type: kubernetes.io/basic-auth, metadata: {name: a, namespace: n},
 data: {password: eA==}}
---
{kind: Secret, apiVersion: v1, type: Opaque, metadata: {name: b, namespace: n}, stringData: {password: 0755}}
"""
    assert secrets_in(text) == {
        ObjectKey("n", "a"): SecretPassword("kubernetes.io/basic-auth", "x"),
        ObjectKey("n", "b"): SecretPassword("Opaque", "0755"),
    }


# --- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"interface": "eth0"}, 'spec.interface: "eth0": cannot be honoured'),
        ({"vrf": "a/b"}, 'spec.vrf: "a/b": must be the name of a network interface'),
        ({"vrf": "sixteencharacter"}, "spec.vrf"),
        ({"dynamicASN": "external"}, 'spec.dynamicASN: "external": must not be there beside `peerASN`'),
        ({"dynamicASN": "any", "peerASN": None}, 'spec.dynamicASN: "any": must be internal'),
        ({"dynamicASN": "internal", "peerASN": None, "localASN": 5}, "spec.dynamicASN"),
        ({"peerASN": None}, "spec.peerASN"),
        ({"localASN": 0}, "spec.localASN"),
        ({"localASN": 64701, "ebgpMultiHop": True}, "spec.ebgpMultiHop"),
        ({"peerASN": 0}, "spec.peerASN"),
        ({"peerPort": 16385}, "from 0 to 16384"),
        ({"holdTime": "2s"}, "must be 0 or at least 3s"),
        ({"holdTime": "9s", "keepaliveTime": "10s"}, "greater than the hold time"),
        ({"connectTime": "1500ms"}, "whole seconds"),
        ({"ebgpMultiHop": True, "peerASN": 64700}, "spec.ebgpMultiHop"),
        ({"bfdProfile": "none"}, "is no BFDProfile"),
        ({"password": "x", "passwordSecret": {"name": "y"}}, "beside `password`"),
        ({"peerAdress": "x"}, "did you mean `peerAddress`?"),
        ({"nodeSelectors": [{}, {}]}, "is the same as"),
    ],
)
def test_a_peer_is_refused_by_object_and_field(spec: Object, told: str) -> None:
    text = refused(one("BGPPeer", "p", SMALLEST_PEER | spec))
    assert "BGPPeer metallb-system/p: spec." in text
    assert told in text


@pytest.mark.parametrize(
    ("objects", "told"),
    [
        ([pool(addresses="192.0.2.9")], "for this one address write 192.0.2.9/32"),
        ([pool("a"), pool("b", "192.0.2.128/25")], "overlaps IPAddressPool metallb-system/a: spec.addresses[0]"),
        ([pool(), pool()], "is there twice"),
        ([pool("Upper")], "metadata.name"),
        ([pool(protocol="layer2")], "an L2Advertisement or a BGPAdvertisement that names the pool"),
        ([pool(), preferring({"weight": 101, "preference": {}})], "preferredNodeSelectors[0].weight"),
        ([pool(), preferring({"preference": {}})], "preferredNodeSelectors[0].weight: is missing"),
        ([pool(), preferring({"weight": 1})], "preferredNodeSelectors[0].preference: is missing"),
        ([pool(), preferring({"weight": 1, "preference": {"labels": {}}})], "preferredNodeSelectors[0].preference"),
        ([pool(), one("L2Advertisement", "x", {"interfaces": ["a", "a"]})], "is in this list twice"),
        ([pool(), one("BGPAdvertisement", "x", {"aggregationLength": 23})], "is shorter than the /24"),
        ([pool(), one("BGPAdvertisement", "x", {"aggregationLength": 0})], "from 1 to 32"),
        ([pool(), one("BGPAdvertisement", "x", {"communities": ["red"]})], "no alias of a Community"),
        ([pool(), one("BGPAdvertisement", "x", {"communities": ["large:1:2"]})], "large:A:B:C"),
        (
            [pool(), one("BGPAdvertisement", "x", {"aggregationLength": 24, "serviceSelectors": [{}]})],
            "other than 32 and 128",
        ),
        ([one("Community", n, {"communities": [{"name": "x", "value": "1:1"}]}) for n in "ab"], "is an alias already"),
        ([pool(), pool("b", "198.51.100.0/24") | {"metadata": {"name": "b", "namespace": "o"}}], "another namespace"),
        ([one("IPAddressPool", "x", {"addresses": ["192.0.2.0/24"]}, "v1")], "apiVersion must be metallb.io/v1beta1"),
        ([one("BGPeer", "x", {})], "is no kind that can be read"),
        ([one("BFDProfile", "x", {"receiveInterval": 9})], "from 10 to 60000"),
    ],
)
def test_objects_are_refused_with_the_reason(objects: list[Object], told: str) -> None:
    assert told in refused(*objects)


def test_echo_mode_towards_ipv6_names_all_three() -> None:
    text = refused(
        pool("six", "2001:db8::/120"),
        one("BGPAdvertisement", "x", {}),
        one("BFDProfile", "echo", {"echoMode": True}),
        one("BGPPeer", "p", SMALLEST_PEER | {"bfdProfile": "echo"}),
    )
    assert 'BGPPeer metallb-system/p: spec.bfdProfile: "echo": has echoMode' in text
    assert '"six"' in text


@pytest.mark.parametrize(
    ("first", "second", "nodes", "refuses"),
    [
        ({}, {}, ({},), True),
        ({}, {}, (), False),
        ({"peers": ["a"]}, {"peers": ["b"]}, ({},), False),
        ({"peers": ["a"]}, {"peers": ["a", "b"]}, ({},), True),
        ({"nodeSelectors": [{"matchLabels": {"r": "1"}}]}, {}, ({},), False),
        ({"nodeSelectors": [{"matchLabels": {"r": "1"}}]}, {}, ({}, {"r": "1"}), True),
        ({"aggregationLength": 25}, {}, ({},), False),
        ({"aggregationLengthV6": 64}, {}, ({},), True),
        ({"serviceSelectors": [{}]}, {}, ({},), False),
    ],
)
def test_contradicting_preferences_are_refused_where_nodes_are_known(
    first: Object, second: Object, nodes: tuple[dict[str, str], ...], refuses: bool
) -> None:
    objects = [
        pool(),
        one("BGPAdvertisement", "x", {"localPref": 1, **first}),
        one("BGPAdvertisement", "y", {"localPref": 2, **second}),
    ]
    surroundings = Surroundings(nodes=nodes)
    if refuses:
        assert "spec.localPref: 2: contradicts" in refused(*objects, surroundings=surroundings)
    else:
        assert read(*objects, surroundings=surroundings).pools


def test_an_error_in_a_text_has_its_place() -> None:
    text = "kind: IPAddressPool\napiVersion: metallb.io/v1beta1\nmetadata: {name: x}\nspec:\n  addresses: [10.0.0.0]\n"
    with pytest.raises(ConfigError) as error:
        parse_resources(f"---\n{text}---\n")
    (problem,) = error.value.problems
    assert (problem.line, problem.column) == (6, 15)
    assert problem.path == "IPAddressPool x: spec.addresses[0]"


def test_text_json_lists_and_objects_read_alike() -> None:
    objects = [pool(), one("L2Advertisement", "x", {}), {"kind": "Deployment", "apiVersion": "apps/v1"}]
    text = json.dumps({"kind": "List", "apiVersion": "v1", "items": objects})
    assert parse_resources(text).config == read(*objects)
    assert parse_resources("\n---\n".join(map(json.dumps, objects))).config == read(*objects)


def test_objects_of_other_namespaces_are_passed_over_where_ours_is_known() -> None:
    parsed = parse_resource_objects([pool()], Surroundings(namespace="elsewhere"))
    assert parsed.config == Config()
    assert "it is not in namespace elsewhere" in parsed.warnings[0].text


def test_what_api_servers_add_is_no_unknown_field() -> None:
    added = pool() | {"status": {"assignedIPv4": 0}}
    added["metadata"] |= {"managedFields": [{"manager": "kubectl"}], "generation": 3, "uid": "x"}
    assert read(added).pools
