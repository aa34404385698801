"""Values that a version of MetalLB, or a mode of it, does not take."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from configmaptocrs.findings import Finding
from configmaptocrs.targets import (
    HAS_LONG_ASNS,
    HONOURS_ZERO_HOLD_TIME,
    LOOKS_AT_SHARED_NODES,
    UNITES_NATIVE_ADVERTISEMENTS,
)
from metalpy.config.conflicts import localpref_conflicts
from metalpy.config.selectors import canonical_selectors
from metalpy.model import Family, any_selector_matches

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from configmaptocrs.targets import Mode, Target
    from metalpy.model import Config, Peer, Pool

HIGHEST_PORT = 16384
_INT32 = 2**31 - 1
_IPV6 = 6


def value_limits(config: Config, target: Target) -> Iterator[Finding]:
    """Tell of values that the legacy configuration may have and the target's custom resources may not."""
    if config.peers and target.version < HAS_LONG_ASNS:
        # Seen with 0.15.2: its schema has a maximum beyond its own format, whatever the number.
        text = "are refused, every one, by Kubernetes 1.36 and newer in this version of MetalLB"
        yield Finding("W-ASN", "BGPPeers", text, "take MetalLB 0.16 or newer there")
    for index, peer in enumerate(config.peers, start=1):
        name = f"peer{index}"
        if peer.port > HIGHEST_PORT:
            text = f"peer-port {peer.port} is above {HIGHEST_PORT}, the highest that custom resources take"
            yield Finding("D-LOAD", name, text, "let the router listen on another port")
        if peer.hold_time_s == 0 and target.version < HONOURS_ZERO_HOLD_TIME:
            text = "has hold time 0, which this version reads as 90 seconds"
            yield Finding("W-HOLD", name, text, "take MetalLB 0.14.9 or newer")
    for pool in config.pools:
        if any(entry.localpref > _INT32 for entry in pool.bgp):
            text = "has a localpref above 2147483647, which API servers that check int32 refuse"
            yield Finding("W-LOCALPREF", f"pool {pool.name}", text, "use a smaller number")


def contradictions(config: Config, target: Target) -> Iterator[Finding]:
    """Tell of advertisements of a legacy pool that its MetalLB resolved by their order, and a newer does not."""
    for pool in config.pools:
        if len(pool.bgp) <= 1:
            continue
        name = f"pool {pool.name}"
        if any(localpref_conflicts(pool, ({},))):
            text = "has advertisements of the same length with different localpref, which is refused"
            yield Finding("W-LOAD", name, text, "keep one; -fix keeps the last, as MetalLB in native mode did")
        elif _has_equal_lengths(pool):
            text = "has advertisements of the same length with different communities"
            how = (
                "unites them"
                if target.version >= UNITES_NATIVE_ADVERTISEMENTS or target.mode.is_frr
                else "chooses one at random"
            )
            yield Finding("A-1", name, f"{text}: {target} {how}", "write one; -fix keeps the last")


def _has_equal_lengths(pool: Pool) -> bool:
    families = {Family.of(prefix) for prefix in pool.prefixes}
    return any(
        first.length(family) == second.length(family)
        for first, second in combinations(pool.bgp, 2)
        for family in families
    )


def mode_limits(
    config: Config,
    mode: Mode,
    *,
    keepalives: Collection[str] = (),
    names: Sequence[str] = (),
    nodes: Sequence[Mapping[str, str]] | None = None,
    shares_matter: bool = False,
) -> Iterator[tuple[str, str]]:
    """Tell what a mode of MetalLB refuses, as object and reason.

    `keepalives` are the peers with a keepalive time of their own, `names` what the peers are called.
    """
    named = list(zip(names or [f"peer{index + 1}" for index in range(len(config.peers))], config.peers, strict=True))
    if mode.is_frr:
        yield from _frr_limits(named, nodes, shares_matter=shares_matter)
        return
    for profile in config.bfd_profiles:
        yield f"BFD profile {profile.name}", "BFD is not there in native mode"
    for name, peer in named:
        if name in keepalives:
            yield name, "a keepalive time cannot be set in native mode"
        for what, is_set in (
            ("connectTime", peer.connect_time_s is not None),
            ("enableGracefulRestart", peer.graceful_restart),
            ("dynamicASN", peer.dynamic_asn),
            ("localASN", peer.local_asn is not None),
            ("vrf", bool(peer.vrf)),
            # Legacy peers, which have no name, ask for nothing: metalpy lets theirs carry both families.
            ("dualStackAddressFamily", peer.dual_stack and bool(peer.name)),
        ):
            if is_set:
                yield name, f"{what} is not there in native mode"
    for pool in config.pools:
        if pool.bgp and any(prefix.version == _IPV6 for prefix in pool.prefixes):
            yield f"pool {pool.name}", "IPv6 addresses are not announced by BGP in native mode"


def _frr_limits(
    named: Sequence[tuple[str, Peer]], nodes: Sequence[Mapping[str, str]] | None, *, shares_matter: bool
) -> Iterator[tuple[str, str]]:
    for (first, peer), (second, other) in combinations(named, 2):
        if shares_matter and not _may_share(peer, other, nodes):
            continue
        is_near = peer.vrf == other.vrf
        for what, differs in (
            ("router ID", peer.router_id != other.router_id),
            ("own AS number", is_near and peer.my_asn != other.my_asn),
        ):
            if differs:
                yield second, f"has another {what} than {first}: FRR mode takes one for all"
        if is_near and peer.address == other.address:
            yield second, f"has the address of {first}: FRR mode takes each once"


def _may_share(peer: Peer, other: Peer, nodes: Sequence[Mapping[str, str]] | None) -> bool:
    """Tell whether two peers are on one node; without nodes, whether they surely can be."""
    if nodes is None:
        forms = canonical_selectors(peer.node_selectors), canonical_selectors(other.node_selectors)
        return frozenset() in forms or forms[0] == forms[1]
    return any(
        any_selector_matches(peer.node_selectors, labels) and any_selector_matches(other.node_selectors, labels)
        for labels in nodes
    )


def looks_at_shared_nodes(target: Target) -> bool:
    """Tell whether the target compares only peers that can be on one node."""
    return target.version >= LOOKS_AT_SHARED_NODES
