"""What a newer MetalLB does in another way whatever is converted, and where that touches this cluster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from configmaptocrs.findings import Finding
from configmaptocrs.targets import (
    CAN_IGNORE_EXCLUDE_LABEL,
    CLEARS_WITHOUT_POOLS,
    HAS_LONG_GOSSIP_KEY,
    HAS_METRICS_OVER_TLS,
    HEEDS_EXCLUDE_LABEL,
    HEEDS_NETWORK_UNAVAILABLE,
    LEAVES_CORDONED_NODES,
    LEAVES_OUT_INTERFACES,
    NEEDS_SLICES,
    REFUSES_NODE_ADDRESSES,
    REPLACES_DROPPED_ADDRESSES,
    WRITES_POOL_ANNOTATION,
)
from metalpy.model import EXCLUDE_LABEL, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from configmaptocrs.cluster_files import KnownNode
    from configmaptocrs.targets import Target
    from metalpy.model import Config, Service

_OLDEST_WITH_SLICES = (1, 21)
_ALL_SPEAKERS = "all speakers"


def environment_findings(
    config: Config, target: Target, nodes: Sequence[KnownNode] | None, services: Sequence[Service] | None
) -> Iterator[Finding]:
    """Tell of changes that concern the daemons as a whole; each only where there is something that it touches."""
    version = target.version
    has_layer2 = any(pool.layer2 for pool in config.pools)
    has_addresses = any(service.ingress for service in services or ())
    if has_layer2 and version >= LEAVES_OUT_INTERFACES:
        text = (
            "leave out interfaces whose names begin as container networks' do (docker, veth, cali, cni, dummy and more)"
        )
        yield Finding("W-E4", _ALL_SPEAKERS, text, "see the ConfigMap metallb-excludel2, should a real one be named so")
    if has_layer2 and version >= HAS_LONG_GOSSIP_KEY and (nodes is None or len(nodes) > 1):
        text = "encrypt their gossip with a longer key than old ones, and would elect beside them"
        yield Finding("W-E5", _ALL_SPEAKERS, text, "replace them all at once for layer 2")
    if has_addresses and version >= CLEARS_WITHOUT_POOLS:
        text = "clears the address of every Service as long as it sees no pools"
        yield Finding("W-E6", "the controller", text, "apply the custom resources before it starts")
    if has_addresses and version >= REPLACES_DROPPED_ADDRESSES:
        text = "replaces addresses that a later edit of the pools drops, where the old one refused the edit"
        yield Finding("W-E7", "the controller", text, "verify each edit first")
    if has_addresses and version >= WRITES_POOL_ANNOTATION:
        text = "writes the annotation ip-allocated-from-pool on Services"
        yield Finding("W-E11", "the controller", text, "let tools that compare Services expect it")
    if version >= HAS_METRICS_OVER_TLS:
        yield Finding("W-E15", "metrics", "are on port 9120 by HTTPS, no longer on 7472", "change what scrapes them")


def node_findings(nodes: Sequence[KnownNode], config: Config, target: Target) -> Iterator[Finding]:
    """Tell of nodes that will not announce any more, or that the new MetalLB cannot run on, or stumbles over."""
    version = target.version
    for known in nodes:
        name = f"node {known.node.name}"
        if EXCLUDE_LABEL in dict(known.node.labels) and version >= HEEDS_EXCLUDE_LABEL:
            text = "is labelled out of load balancing: it will not announce"
            is_optional = version >= CAN_IGNORE_EXCLUDE_LABEL
            remedy = "--ignore-exclude-lb lets it" if is_optional else "from 0.14.4 on --ignore-exclude-lb lets it"
            yield Finding("W-E3", name, text, remedy)
        if known.node.network_unavailable and version >= HEEDS_NETWORK_UNAVAILABLE:
            yield Finding("W-E2", name, "has no network: it will not announce")
        if known.cordoned and version == LEAVES_CORDONED_NODES:
            yield Finding("W-E17", name, "is cordoned: this one version will not announce from it", "take another one")
        if version >= NEEDS_SLICES and _is_too_old(known.kubelet):
            text = f"has Kubernetes {known.kubelet}: this MetalLB needs 1.21 or newer"
            yield Finding("W-E14", name, text, "upgrade Kubernetes first")
        if version == REFUSES_NODE_ADDRESSES:
            yield from _pools_with(known, config)


def _is_too_old(kubelet: str) -> bool:
    found = re.match(r"v?(\d+)\.(\d+)", kubelet)
    return found is not None and (int(found[1]), int(found[2])) < _OLDEST_WITH_SLICES


def _pools_with(known: KnownNode, config: Config) -> Iterator[Finding]:
    for text in known.addresses:
        try:
            address = parse_address(text)
        except ValueError:
            continue
        for pool in config.pools:
            if any(address in prefix for prefix in pool.prefixes):
                reason = f"contains {text}, an address of node {known.node.name}: this one version refuses everything"
                yield Finding("D-LOAD", f"pool {pool.name}", reason, "W-E18: take another version, or the address out")
