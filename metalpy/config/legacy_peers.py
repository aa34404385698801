"""The `peers` of the legacy configuration."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING

from metalpy.config.hints import PEER
from metalpy.config.peer_values import NS, PeerValues
from metalpy.config.selectors import LEGACY_FORM, SelectorReader
from metalpy.config.whole_numbers import UINT16
from metalpy.model import DEFAULT_BGP_PORT, DEFAULT_HOLD_TIME_S, Peer

if TYPE_CHECKING:
    from collections.abc import Hashable

    from metalpy.config.decoding import Decoder, Fields

_UNKNOWN_PROFILE = "is no BFD profile of this configuration: define it under `bfd-profiles`, or remove the line"


class PeerReader:
    """Reads the peers of one document. `profiles` are the names of its BFD profiles."""

    def __init__(self, decoder: Decoder, profiles: frozenset[str]) -> None:
        self._decoder = decoder
        self._findings = decoder.findings
        self._values = PeerValues(decoder)
        self._selectors = SelectorReader(decoder, LEGACY_FORM)
        self._profiles = profiles
        self._known: dict[Hashable, str] = {}

    def read(self, top: Fields) -> tuple[Peer, ...]:
        """Give the peers without errors, in the order written."""
        peers = []
        for index, node in enumerate(self._decoder.items(top, "peers", "peers") or []):
            fields = self._decoder.fields(node, f"peers[{index}]", PEER)
            peer = None if fields is None else self._peer(fields)
            if peer is not None:
                peers.append(peer)
        return tuple(peers)

    def _peer(self, fields: Fields) -> Peer | None:
        errors = len(self._findings.errors)
        my_asn = self._values.asn(fields, "my-asn", "the cluster")
        peer_asn = self._values.asn(fields, "peer-asn", "the router")
        missing = "is missing: give the IP address of the router"
        address = self._values.ip(fields, "peer-address", missing=missing)
        hold_s = self._values.hold_time_s(fields, "hold-time")
        hold_s = DEFAULT_HOLD_TIME_S if hold_s is None else hold_s
        keepalive_s = self._values.keepalive_time_s(fields, "keepalive-time", hold_s)
        selectors, requirements = self._selectors.selectors(fields, "node-selectors")
        peer = Peer(
            my_asn=my_asn,
            peer_asn=peer_asn,
            address=address or ipaddress.IPv4Address(0),
            port=self._decoder.number(fields, "peer-port", 0, UINT16) or DEFAULT_BGP_PORT,
            source_address=self._values.source_address(fields, "source-address", address),
            router_id=self._values.router_id(fields, "router-id"),
            hold_time_s=hold_s,
            keepalive_time_ns=hold_s * NS // 3 if keepalive_s is None else keepalive_s * NS,
            node_selectors=selectors,
            password=self._values.password(fields, "password"),
            bfd_profile=self._values.profile(fields, "bfd-profile", self._profiles, _UNKNOWN_PROFILE),
            ebgp_multihop=self._values.ebgp_multihop(fields, "ebgp-multihop", my_asn, peer_asn),
            # There was no way to say it: MetalLB up to 0.12 offers both families on every session.
            dual_stack=True,
        )
        if len(self._findings.errors) > errors:
            return None
        # Compared as written: two hold times above the wire's limit are two different ones.
        self._refuse_repeated(fields, (replace(peer, node_selectors=()), requirements))
        hold_s, keepalive_ns = self._values.timers_that_fit(fields, "hold-time", hold_s, peer.keepalive_time_ns)
        return replace(peer, hold_time_s=hold_s, keepalive_time_ns=keepalive_ns)

    def _refuse_repeated(self, fields: Fields, identity: Hashable) -> None:
        earlier = self._known.setdefault(identity, fields.path)
        if earlier != fields.path:
            text = (
                f"is the same peer as {earlier} once defaults are filled in: remove one, "
                "or give it another address or port (MetalLB 0.9 and older took both)"
            )
            self._findings.error(fields.at, fields.path, text)
