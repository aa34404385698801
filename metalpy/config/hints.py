"""What an unknown key, of the legacy format above all, was probably meant to be.

Three sources: keys of MetalLB before 0.6, the spellings of the custom resources (`peerAddress`, `myASN`), and
slips of the finger.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_GUESSED = 40
_KUBERNETES = "belongs to a Kubernetes object: the text here is what stands in the ConfigMap's data under `config`"
_NO_SELECTOR = "is not known here: a pool of this format is announced from every node"


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of mapping: its name with an article, its keys, and what to say of keys it never had."""

    name: str
    keys: tuple[str, ...]
    told: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with a key, by the key without case, dashes and underscores."""


def _meant(key: str, since: str = "") -> str:
    return f"unknown key{since}: did you mean `{key}`?"


TOP = Section(
    "a configuration",
    ("peers", "bgp-communities", "address-pools", "bfd-profiles"),
    {
        "communities": _meant("bgp-communities", ", renamed in MetalLB 0.3"),
        "peerautodiscovery": "unknown key: it was in no release of MetalLB; list the routers under `peers`",
        "pools": _meant("address-pools"),
        "configinline": "is a Helm value: write what stands below it, without this key",
        "ipaddresspools": _meant("address-pools"),
        **dict.fromkeys(("apiversion", "kind", "metadata", "data", "spec", "items"), _KUBERNETES),
    },
)

PEER = Section(
    "a peer",
    (
        "my-asn",
        "peer-asn",
        "peer-address",
        "peer-port",
        "source-address",
        "hold-time",
        "keepalive-time",
        "router-id",
        "node-selectors",
        "password",
        "bfd-profile",
        "ebgp-multihop",
    ),
    {
        "myas": _meant("my-asn"),
        "asn": _meant("my-asn"),
        "localasn": _meant("my-asn"),
        "peeras": _meant("peer-asn"),
        "remoteasn": _meant("peer-asn"),
        "address": _meant("peer-address"),
        "port": _meant("peer-port"),
        "keepalive": _meant("keepalive-time"),
        "multihop": _meant("ebgp-multihop"),
        "passwordsecret": "unknown key: this format has no reference to a Secret, only `password`",
    },
)

SELECTOR = Section("a node selector", ("match-labels", "match-expressions"))

EXPRESSION = Section("a match expression", ("key", "operator", "values"), {"value": _meant("values")})

POOL = Section(
    "an address pool",
    ("name", "protocol", "addresses", "avoid-buggy-ips", "auto-assign", "bgp-advertisements"),
    {
        "cidr": _meant("addresses", ", removed in MetalLB 0.6"),
        "arpnetwork": "unknown key, removed in MetalLB 0.6: use a range in `addresses`",
        "advertisements": _meant("bgp-advertisements", ", renamed in MetalLB 0.3"),
        "address": _meant("addresses"),
        "nodeselectors": _NO_SELECTOR,
        "serviceallocation": "unknown key: it came with MetalLB 0.13's custom resources",
    },
)

ADVERTISEMENT = Section(
    "a BGP advertisement",
    ("aggregation-length", "aggregation-length-v6", "localpref", "communities"),
    {
        "nodeselectors": _NO_SELECTOR,
        "peers": "unknown key: in this format every advertisement goes to every peer",
        "community": _meant("communities"),
    },
)

PROFILE = Section(
    "a BFD profile",
    (
        "name",
        "receive-interval",
        "transmit-interval",
        "detect-multiplier",
        "echo-interval",
        "echo-mode",
        "passive-mode",
        "minimum-ttl",
    ),
)

_SECTIONS = (TOP, PEER, SELECTOR, EXPRESSION, POOL, ADVERTISEMENT, PROFILE)


def unknown_key(section: Section, key: str) -> str:
    """Say what is wrong with a key that the section does not know, and what to write instead."""
    squashed = _squash(key)
    if squashed.startswith("password:"):
        return "unknown key: put a blank behind `password:`"
    if squashed in section.told:
        return section.told[squashed]
    intended = intended_key(section, key)
    if intended:
        return _meant(intended)
    legacy = any(section is known for known in _SECTIONS)
    elsewhere = next((other for other in _SECTIONS if legacy and key in other.keys), None)
    if elsewhere:
        return f"unknown key here: it belongs to {elsewhere.name}"
    close = difflib.get_close_matches(key.lower(), section.keys, n=1) if len(key) <= _LONGEST_GUESSED else []
    if close:
        return _meant(close[0])
    return f"unknown key: {section.name} has {', '.join(section.keys)}"


def intended_key(section: Section, key: str) -> str | None:
    """Give the section's key that a key is but for case, dashes and underscores, such as `myASN`."""
    squashed = _squash(key)
    return next((known for known in section.keys if _squash(known) == squashed), None)


def _squash(key: str) -> str:
    return re.sub(r"[-_ ]", "", key).lower()
