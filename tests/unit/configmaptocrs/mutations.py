"""Single changes of custom resources, of which it is known by construction whether they change the meaning.

Each takes the objects of a conversion, changes them in place and tells whether it found something to change.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from configmaptocrs.objects import password_secret, resource
from tests.unit.configmaptocrs.generate import ALIASES, MY_ASN

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from configmaptocrs.targets import Mode

Object = dict[str, Any]


@dataclass
class Subject:
    """Objects that are to be changed."""

    objects: list[Object]
    chance: random.Random
    mode: Mode

    def of(self, kind: str) -> list[Object]:
        return [one for one in self.objects if one["kind"] == kind]

    def any(self, *kinds: str) -> Object | None:
        found = [one for one in self.objects if one["kind"] in kinds]
        return self.chance.choice(found) if found else None

    @property
    def namespace(self) -> str:
        namespace: str = self.objects[0]["metadata"]["namespace"]
        return namespace


def _peer_field(key: str, value: Any, *, frr_only: bool = False) -> Callable[[Subject], bool]:
    def change(subject: Subject) -> bool:
        peer = subject.any("BGPPeer")
        if peer is None or (frr_only and not subject.mode.is_frr) or peer["spec"].get(key) == value:
            return False
        peer["spec"][key] = value
        return True

    return change


def _drop(*kinds: str) -> Callable[[Subject], bool]:
    def change(subject: Subject) -> bool:
        found = subject.any(*kinds)
        if found is None or (found["kind"] == "BGPAdvertisement" and not subject.of("BGPPeer")):
            return False
        subject.objects.remove(found)
        return True

    return change


def _spec_of(kind: str, key: str, value: Any, *, needs_peer: bool = False) -> Callable[[Subject], bool]:
    def change(subject: Subject) -> bool:
        found = subject.any(kind)
        if found is None or (needs_peer and not subject.of("BGPPeer")):
            return False
        found["spec"][key] = copy.deepcopy(value)
        return True

    return change


def _add_addresses(subject: Subject) -> bool:
    pool = subject.any("IPAddressPool")
    if pool:
        pool["spec"]["addresses"].append("172.31.0.4/30")
    return pool is not None


def _drop_addresses(subject: Subject) -> bool:
    pool = subject.any("IPAddressPool")
    if pool is None or len(pool["spec"]["addresses"]) == 1:
        return False
    pool["spec"]["addresses"].pop(subject.chance.randrange(len(pool["spec"]["addresses"])))
    return True


def _toggle_auto_assign(subject: Subject) -> bool:
    pool = subject.any("IPAddressPool")
    if pool:
        pool["spec"]["autoAssign"] = not pool["spec"].get("autoAssign", True)
    return pool is not None


def _toggle_buggy(subject: Subject) -> bool:
    pools = [one for one in subject.of("IPAddressPool") if any(".0/26" in entry for entry in one["spec"]["addresses"])]
    if not pools:
        return False
    spec = subject.chance.choice(pools)["spec"]
    spec["avoidBuggyIPs"] = not spec.get("avoidBuggyIPs", False)
    return True


def _rename_pool(subject: Subject) -> bool:
    pool = subject.any("IPAddressPool")
    if pool:
        pool["metadata"]["name"] = "another-name"
    return pool is not None


def _add_community(subject: Subject) -> bool:
    found = subject.any("BGPAdvertisement")
    if found is None or not subject.of("BGPPeer"):
        return False
    found["spec"]["communities"] = [*found["spec"].get("communities", ()), "64999:9"]
    return True


def _large_community(subject: Subject) -> bool:
    found = subject.any("BGPAdvertisement")
    if found is None or not subject.of("BGPPeer"):
        return False
    found["spec"]["communities"] = [*found["spec"].get("communities", ()), "large:1:2:3"]
    return True


def _local_pref(subject: Subject) -> bool:
    found = subject.any("BGPAdvertisement")
    if found is None or all(peer["spec"]["peerASN"] != MY_ASN for peer in subject.of("BGPPeer")):
        return False
    found["spec"]["localPref"] = 5000
    return True


def _alias(subject: Subject) -> bool:
    used = {text for one in subject.of("BGPAdvertisement") for text in one["spec"].get("communities", ())}
    community = subject.any("Community")
    entries = [entry for entry in community["spec"]["communities"] if entry["name"] in used] if community else []
    if not entries or not subject.of("BGPPeer"):
        return False
    subject.chance.choice(entries)["value"] = "64998:8"
    return True


def _profile(subject: Subject) -> bool:
    used = {peer["spec"].get("bfdProfile") for peer in subject.of("BGPPeer")}
    profiles = [one for one in subject.of("BFDProfile") if one["metadata"]["name"] in used]
    if not profiles:
        return False
    spec = subject.chance.choice(profiles)["spec"]
    key = subject.chance.choice(("receiveInterval", "transmitInterval", "detectMultiplier", "minimumTtl"))
    spec[key] = 77 if spec.get(key) != 77 else 78
    return True


def _drop_profile(subject: Subject) -> bool:
    peers = [peer for peer in subject.of("BGPPeer") if "bfdProfile" in peer["spec"]]
    if peers:
        del subject.chance.choice(peers)["spec"]["bfdProfile"]
    return bool(peers)


def _announce_all_by_arp(subject: Subject) -> bool:
    announced = {name for one in subject.of("L2Advertisement") for name in one["spec"]["ipAddressPools"]}
    if all(pool["metadata"]["name"] in announced for pool in subject.of("IPAddressPool")):
        return False
    subject.objects.append(resource("L2Advertisement", subject.namespace, "everything", {}))
    return True


def _multihop(subject: Subject) -> bool:
    peers = [peer for peer in subject.of("BGPPeer") if peer["spec"]["peerASN"] != MY_ASN]
    if not peers or not subject.mode.is_frr:
        return False
    spec = subject.chance.choice(peers)["spec"]
    spec["ebgpMultiHop"] = not spec.get("ebgpMultiHop", False)
    return True


def _aggregation(subject: Subject) -> bool:
    ones = [one for one in subject.of("BGPAdvertisement") if "aggregationLength" in one["spec"]]
    pools = {pool["metadata"]["name"]: pool["spec"]["addresses"] for pool in subject.of("IPAddressPool")}
    fit = [one for one in ones if any("." in entry for entry in pools[one["spec"]["ipAddressPools"][0]])]
    if not fit or not subject.of("BGPPeer"):
        return False
    one = subject.chance.choice(fit)
    of_pool = [other for other in ones if other["spec"]["ipAddressPools"] == one["spec"]["ipAddressPools"]]
    taken = {other["spec"]["aggregationLength"] for other in of_pool}
    one["spec"]["aggregationLength"] = next(length for length in (31, 30, 29, 28) if length not in taken)
    return True


WITH_MEANING: dict[str, Callable[[Subject], bool]] = {
    "add-addresses": _add_addresses,
    "drop-addresses": _drop_addresses,
    "auto-assign": _toggle_auto_assign,
    "buggy-ips": _toggle_buggy,
    "service-allocation": _spec_of("IPAddressPool", "serviceAllocation", {"priority": 1}),
    "rename-pool": _rename_pool,
    "drop-pool": _drop("IPAddressPool"),
    "drop-l2": _drop("L2Advertisement"),
    "drop-bgp": _drop("BGPAdvertisement"),
    "drop-peer": _drop("BGPPeer"),
    "l2-interfaces": _spec_of("L2Advertisement", "interfaces", ["eth9"]),
    "l2-preference": _spec_of(
        "L2Advertisement", "preferredNodeSelectors", [{"weight": 7, "preference": {"matchLabels": {"a": "b"}}}]
    ),
    "l2-nodes": _spec_of("L2Advertisement", "nodeSelectors", [{"matchLabels": {"a": "b"}}]),
    "l2-services": _spec_of("L2Advertisement", "serviceSelectors", [{"matchLabels": {"a": "b"}}]),
    "bgp-nodes": _spec_of("BGPAdvertisement", "nodeSelectors", [{"matchLabels": {"a": "b"}}], needs_peer=True),
    "bgp-peers": _spec_of("BGPAdvertisement", "peers", ["nobody"], needs_peer=True),
    "community": _add_community,
    "large-community": _large_community,
    "local-pref": _local_pref,
    "aggregation": _aggregation,
    "alias": _alias,
    "profile": _profile,
    "drop-profile": _drop_profile,
    "everything-by-arp": _announce_all_by_arp,
    "multihop": _multihop,
    "peer-my-asn": _peer_field("myASN", 64999),
    "peer-asn": _peer_field("peerASN", 64998),
    "peer-address": _peer_field("peerAddress", "198.51.100.1"),
    "peer-port": _peer_field("peerPort", 16001),
    "peer-hold": _peer_field("holdTime", "9999s"),
    "peer-keepalive": _peer_field("keepaliveTime", "3s", frr_only=True),
    "peer-password": _peer_field("password", "another"),
    "peer-source": _peer_field("sourceAddress", "198.51.100.9"),
    "peer-router-id": _peer_field("routerID", "198.51.100.7"),
    "peer-nodes": _peer_field("nodeSelectors", [{"matchLabels": {"never": "there"}}]),
    "peer-connect": _peer_field("connectTime", "10s"),
    "peer-restart": _peer_field("enableGracefulRestart", value=True),
    "peer-vrf": _peer_field("vrf", "red"),
    "peer-local-asn": _peer_field("localASN", 64997),
}


# --- without meaning -----------------------------------------------------------------------------------


def _shuffle(subject: Subject) -> bool:
    subject.chance.shuffle(subject.objects)
    return True


def _rename_others(subject: Subject) -> bool:
    for index, one in enumerate(subject.objects):
        if one["kind"] in {"L2Advertisement", "BGPAdvertisement", "BGPPeer", "Community"}:
            one["metadata"]["name"] = f"other-{index}"
    return True


def _default(kind: str, key: str, value: Any) -> Callable[[Subject], bool]:
    def change(subject: Subject) -> bool:
        found = subject.any(kind)
        if found is None or found["spec"].get(key):
            return False
        found["spec"].setdefault(key, value)
        return True

    return change


def _copy_advertisement(subject: Subject) -> bool:
    found = subject.any("L2Advertisement", "BGPAdvertisement")
    if found is None:
        return False
    twin = copy.deepcopy(found)
    twin["metadata"]["name"] = "twin"
    subject.objects.append(twin)
    return True


def _literal(subject: Subject) -> bool:
    for one in subject.of("BGPAdvertisement"):
        if "communities" in one["spec"]:
            one["spec"]["communities"] = sorted({ALIASES.get(text, text) for text in one["spec"]["communities"]})
    return True


def _range(subject: Subject) -> bool:
    for pool in subject.of("IPAddressPool"):
        entries = pool["spec"]["addresses"]
        for index, entry in enumerate(entries):
            if entry.endswith(".0.0/26"):
                start = entry.removesuffix("0/26")
                entries[index : index + 1] = [f"{start}0-{start}30", f"{start}31-{start}63"]
                # Aggregates would be shorter than some block's prefix only in theory: lengths are 26 at least.
                return not any(one["spec"].get("aggregationLength", 32) < 32 for one in subject.of("BGPAdvertisement"))
    return False


def _secret(subject: Subject) -> bool:
    peers = [peer for peer in subject.of("BGPPeer") if peer["spec"].get("password")]
    if not peers:
        return False
    peer = subject.chance.choice(peers)
    peer["spec"]["passwordSecret"] = {"name": "secret"}
    subject.objects.append(password_secret(subject.namespace, "secret", peer["spec"].pop("password")))
    return True


def _by_label(subject: Subject) -> bool:
    found = subject.any("L2Advertisement", "BGPAdvertisement")
    if found is None:
        return False
    (name,) = found["spec"].pop("ipAddressPools")
    found["spec"]["ipAddressPoolSelectors"] = [{"matchLabels": {"only": "this"}}]
    for pool in subject.of("IPAddressPool"):
        if pool["metadata"]["name"] == name:
            pool["metadata"]["labels"] = {"only": "this"}
    return True


def _unused_alias(subject: Subject) -> bool:
    entries = [{"name": "unused", "value": "7:7"}]
    subject.objects.append(resource("Community", subject.namespace, "more", {"communities": entries}))
    return True


def _unused_profile(subject: Subject) -> bool:
    if subject.mode.is_frr:
        subject.objects.append(resource("BFDProfile", subject.namespace, "unused", {"receiveInterval": 20}))
    return subject.mode.is_frr


def _spell_hold_time(subject: Subject) -> bool:
    peers = [peer for peer in subject.of("BGPPeer") if peer["spec"]["holdTime"] == "1m30s"]
    if peers:
        subject.chance.choice(peers)["spec"]["holdTime"] = "90s"
    return bool(peers)


def _local_pref_outwards(subject: Subject) -> bool:
    found = subject.any("BGPAdvertisement")
    if found is None or any(peer["spec"]["peerASN"] == MY_ASN for peer in subject.of("BGPPeer")):
        return False
    found["spec"]["localPref"] = 5000
    return True


WITHOUT_MEANING: dict[str, Callable[[Subject], bool]] = {
    "shuffle": _shuffle,
    "rename-others": _rename_others,
    "auto-assign-written": _default("IPAddressPool", "autoAssign", True),
    "buggy-ips-written": _default("IPAddressPool", "avoidBuggyIPs", False),
    "port-written": _default("BGPPeer", "peerPort", 179),
    "local-pref-written": _default("BGPAdvertisement", "localPref", 0),
    "length-written": _default("BGPAdvertisement", "aggregationLength", 32),
    "length-v6-written": _default("BGPAdvertisement", "aggregationLengthV6", 128),
    "l2-preference-for-all": _default("L2Advertisement", "preferredNodeSelectors", [{"weight": 7, "preference": {}}]),
    "all-nodes-written-l2": _default("L2Advertisement", "nodeSelectors", [{}]),
    "all-nodes-written-bgp": _default("BGPAdvertisement", "nodeSelectors", [{}]),
    "all-nodes-written-peer": _default("BGPPeer", "nodeSelectors", [{}]),
    "multihop-written": _default("BGPPeer", "ebgpMultiHop", False),
    "copy-advertisement": _copy_advertisement,
    "literal-communities": _literal,
    "range-for-cidr": _range,
    "secret": _secret,
    "by-label": _by_label,
    "unused-alias": _unused_alias,
    "unused-profile": _unused_profile,
    "spell-hold-time": _spell_hold_time,
    "local-pref-outwards": _local_pref_outwards,
}
