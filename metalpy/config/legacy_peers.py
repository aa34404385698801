"""The `peers` of the legacy configuration."""

from __future__ import annotations

import difflib
import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING

from metalpy.config.decoding import UINT16, UINT32
from metalpy.config.findings import shown
from metalpy.config.hints import EXPRESSION, PEER, SELECTOR
from metalpy.config.values import check_label_key, check_label_value, parse_duration, parse_ip
from metalpy.model import (
    DEFAULT_BGP_PORT,
    DEFAULT_HOLD_TIME_S,
    LabelExpression,
    LabelSelector,
    Operator,
    Peer,
)

if TYPE_CHECKING:
    from collections.abc import Hashable

    from metalpy.config.decoding import Decoder, Fields
    from metalpy.model import IPAddress

_NS = 10**9
_LEAST_HOLD_S = 3
_LONGEST_HOLD_S = 65535
"""The hold time has 16 bits in an OPEN message (RFC 4271, section 4.2)."""

_LONGEST_PASSWORD = 80
"""Bytes of a TCP MD5 key (Linux's TCP_MD5SIG_MAXKEYLEN)."""

_MOST_COMPARED = 50
"""Profile names up to which a misspelt one is looked for among them."""

_Requirement = tuple[str, str, tuple[str, ...]]


class PeerReader:
    """Reads the peers of one document. `profiles` are the names of its BFD profiles."""

    def __init__(self, decoder: Decoder, profiles: frozenset[str]) -> None:
        self._decoder = decoder
        self._findings = decoder.findings
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
        my_asn = self._asn(fields, "my-asn", "the cluster")
        peer_asn = self._asn(fields, "peer-asn", "the router")
        address = self._ip(fields, "peer-address", missing="is missing: give the IP address of the router")
        hold_s = self._hold_time_s(fields)
        keepalive_ns = self._keepalive_time_ns(fields, hold_s)
        selectors, requirements = self._node_selectors(fields)
        peer = Peer(
            my_asn=my_asn,
            peer_asn=peer_asn,
            address=address or ipaddress.IPv4Address(0),
            port=self._decoder.number(fields, "peer-port", 0, UINT16) or DEFAULT_BGP_PORT,
            source_address=self._source_address(fields, address),
            router_id=self._router_id(fields),
            hold_time_s=hold_s,
            keepalive_time_ns=keepalive_ns,
            node_selectors=selectors,
            password=self._password(fields),
            bfd_profile=self._bfd_profile(fields),
            ebgp_multihop=self._decoder.flag(fields, "ebgp-multihop", default=False),
            # There was no way to say it: MetalLB up to 0.12 offers both families on every session.
            dual_stack=True,
        )
        if peer.ebgp_multihop and my_asn and my_asn == peer_asn:
            text = f"must not be set here: both sides are AS {my_asn}, which makes this iBGP; remove the line"
            self._decoder.error(fields, "ebgp-multihop", text, value="true")
        if len(self._findings.errors) > errors:
            return None
        # Compared as written: two hold times above the wire's limit are two different ones.
        self._refuse_repeated(fields, (replace(peer, node_selectors=()), requirements))
        return self._fit_to_wire(fields, peer)

    def _asn(self, fields: Fields, key: str, whose: str) -> int:
        errors = len(self._findings.errors)
        asn = self._decoder.number(fields, key, 1, UINT32, asn=True)
        if asn is None and len(self._findings.errors) == errors:
            self._decoder.error(fields, key, f"is missing: give the AS number of {whose}, from 1 to {UINT32}")
        return asn or 0

    def _ip(self, fields: Fields, key: str, *, missing: str = "", wrong: str = "") -> IPAddress | None:
        text = self._decoder.text_field(fields, key)
        if not text:
            if missing and text is not None:
                self._decoder.error(fields, key, missing)
            return None
        notes: list[str] = []
        try:
            address = parse_ip(text, notes)
        except ValueError as error:
            self._decoder.error(fields, key, wrong or str(error), value=shown(text))
            return None
        for note in notes:
            self._decoder.warn(fields, key, note, value=shown(text))
        return address

    def _source_address(self, fields: Fields, address: IPAddress | None) -> IPAddress | None:
        source = self._ip(fields, "source-address")
        if source is not None and address is not None and source.version != address.version:
            text = f"is of another family than the peer's address {address}: no session can use it"
            self._decoder.warn(fields, "source-address", text, value=shown(str(source)))
        return source

    def _router_id(self, fields: Fields) -> ipaddress.IPv4Address | None:
        router_id = self._ip(fields, "router-id", wrong="must be written like an IPv4 address, such as 10.9.0.1")
        if isinstance(router_id, ipaddress.IPv6Address):
            text = (
                "must be written like an IPv4 address, as a router ID has 32 bits "
                "(MetalLB took this text, and its native speakers then crashed)"
            )
            self._decoder.error(fields, "router-id", text, value=shown(str(router_id)))
            return None
        return router_id

    # --- timers ----------------------------------------------------------------------------------------

    def _duration_ns(self, fields: Fields, key: str) -> int | None:
        text = self._decoder.text_field(fields, key)
        if not text:
            return None
        try:
            return parse_duration(text)
        except ValueError as error:
            self._decoder.error(fields, key, str(error), value=shown(text))
            return None

    def _hold_time_s(self, fields: Fields) -> int:
        duration_ns = self._duration_ns(fields, "hold-time")
        if duration_ns is None:
            return DEFAULT_HOLD_TIME_S
        value = shown(self._decoder.text_field(fields, "hold-time") or "")
        hold_s = _whole_seconds(duration_ns)
        if hold_s != 0 and hold_s < _LEAST_HOLD_S:
            cut = f" (got {hold_s}s after dropping fractions)" if duration_ns % _NS else ""
            self._decoder.error(fields, "hold-time", f"must be 0 or at least 3s{cut}", value=value)
        elif duration_ns % _NS:
            meaning = f"{hold_s}s" if hold_s else "0, which turns the timers off"
            self._decoder.warn(fields, "hold-time", f"fractions are dropped: this is {meaning}", value=value)
        return hold_s

    def _keepalive_time_ns(self, fields: Fields, hold_s: int) -> int:
        duration_ns = self._duration_ns(fields, "keepalive-time")
        if duration_ns is None:
            return hold_s * _NS // 3
        value = shown(self._decoder.text_field(fields, "keepalive-time") or "")
        keepalive_s = _whole_seconds(duration_ns)
        if keepalive_s < 0:
            text = "must not be negative (MetalLB took it); leave it out for a third of the hold time"
            self._decoder.error(fields, "keepalive-time", text, value=value)
        elif keepalive_s > hold_s >= 0:
            text = f"must not be greater than the hold time of {hold_s}s"
            self._decoder.error(fields, "keepalive-time", text, value=value)
        elif duration_ns and not keepalive_s:
            text = "fractions are dropped: this is 0, which sends no keepalives"
            self._decoder.warn(fields, "keepalive-time", text, value=value)
        return keepalive_s * _NS

    def _fit_to_wire(self, fields: Fields, peer: Peer) -> Peer:
        if peer.hold_time_s <= _LONGEST_HOLD_S:
            return peer
        text = f"is longer than the protocol can say: {_LONGEST_HOLD_S}s is used"
        value = shown(self._decoder.text_field(fields, "hold-time") or "")
        self._decoder.warn(fields, "hold-time", text, value=value)
        is_default = peer.keepalive_time_ns == peer.hold_time_s * _NS // 3
        longest_ns = _LONGEST_HOLD_S * _NS
        keepalive_ns = longest_ns // 3 if is_default else min(peer.keepalive_time_ns, longest_ns)
        return replace(peer, hold_time_s=_LONGEST_HOLD_S, keepalive_time_ns=keepalive_ns)

    # --- the rest --------------------------------------------------------------------------------------

    def _password(self, fields: Fields) -> str:
        password = self._decoder.text_field(fields, "password", secret=True) or ""
        if len(password.encode()) > _LONGEST_PASSWORD:
            text = f"is longer than the {_LONGEST_PASSWORD} bytes of a TCP MD5 key (RFC 2385)"
            self._decoder.warn(fields, "password", text)
        return password

    def _bfd_profile(self, fields: Fields) -> str:
        name = self._decoder.text_field(fields, "bfd-profile") or ""
        if name and name not in self._profiles:
            text = "is no BFD profile of this configuration: define it under `bfd-profiles`, or remove the line"
            names = sorted(self._profiles) if len(self._profiles) <= _MOST_COMPARED else []
            close = difflib.get_close_matches(name[:_MOST_COMPARED], names, n=1)
            text += f"; did you mean {shown(close[0])}?" if close else ""
            self._decoder.error(fields, "bfd-profile", text, value=shown(name))
        return name

    def _refuse_repeated(self, fields: Fields, identity: Hashable) -> None:
        earlier = self._known.setdefault(identity, fields.path)
        if earlier != fields.path:
            text = (
                f"is the same peer as {earlier} once defaults are filled in: remove one, "
                "or give it another address or port (MetalLB 0.9 and older took both)"
            )
            self._findings.error(fields.at, fields.path, text)

    def _node_selectors(self, fields: Fields) -> tuple[tuple[LabelSelector, ...], tuple[tuple[_Requirement, ...], ...]]:
        """Read the node selectors; gives also their requirements as written, for comparing peers."""
        selectors, requirements = [], []
        for index, node in enumerate(self._decoder.items(fields, "node-selectors", "node selectors") or []):
            path = f"{fields.path_of('node-selectors')}[{index}]"
            selector_fields = self._decoder.fields(node, path, SELECTOR)
            if selector_fields is not None:
                selector, required = self._selector(selector_fields)
                selectors.append(selector)
                requirements.append(required)
        # No selector at all is the same as one that fits every node.
        return tuple(selectors), tuple(requirements) or ((),)

    def _selector(self, fields: Fields) -> tuple[LabelSelector, tuple[_Requirement, ...]]:
        labels = self._labels(fields)
        required: list[_Requirement] = [(key, "=", (value,)) for key, value in labels]
        expressions = []
        nodes = self._decoder.items(fields, "match-expressions", "match expressions") or []
        for index, node in enumerate(nodes):
            path = f"{fields.path_of('match-expressions')}[{index}]"
            expression_fields = self._decoder.fields(node, path, EXPRESSION)
            if expression_fields is None:
                continue
            key, operator, values = self._expression(expression_fields)
            if operator is not None:
                expressions.append(LabelExpression(key, operator, tuple(sorted(set(values)))))
                required.append((key, operator, values))
        required.sort(key=lambda requirement: requirement[0])
        return LabelSelector(labels, tuple(expressions)), tuple(required)

    def _labels(self, fields: Fields) -> tuple[tuple[str, str], ...]:
        labels = []
        for place, key, value in self._decoder.text_pairs(fields, "match-labels"):
            for check, text in ((check_label_key, key), (check_label_value, value or "")):
                try:
                    check(text)
                except ValueError as error:
                    self._findings.error(place.node, place.path, str(error), value=shown(text))
            labels.append((key, value or ""))
        return tuple(sorted(labels))

    def _expression(self, fields: Fields) -> tuple[str, Operator | None, tuple[str, ...]]:
        key = self._decoder.text_field(fields, "key")
        if key is not None:
            try:
                check_label_key(key)
            except ValueError as error:
                text = str(error) if key else "is missing: name the label"
                self._decoder.error(fields, "key", text, value=shown(key) if key else "")
        operator = self._operator(fields)
        values = self._values(fields)
        if operator is not None and values is not None:
            if operator in {Operator.IN, Operator.NOT_IN} and not values:
                self._decoder.error(fields, "values", f"must have an entry with operator {operator}")
            if operator in {Operator.EXISTS, Operator.DOES_NOT_EXIST} and values:
                self._decoder.error(fields, "values", f"must be empty with operator {operator}")
        return key or "", operator, values or ()

    def _operator(self, fields: Fields) -> Operator | None:
        text = self._decoder.text_field(fields, "operator")
        if text is None:
            return None
        try:
            return Operator(text)
        except ValueError:
            meant = next((known for known in Operator if known.lower() == text.lower()), None)
            wrong = f"must be one of {', '.join(Operator)}" if text else "is missing: In, NotIn, Exists or DoesNotExist"
            wrong += f": did you mean `{meant}`?" if meant else ""
            self._decoder.error(fields, "operator", wrong, value=shown(text) if text else "")
            return None

    def _values(self, fields: Fields) -> tuple[str, ...] | None:
        nodes = self._decoder.items(fields, "values", "texts")
        if nodes is None:
            return None
        values = []
        for index, node in enumerate(nodes):
            path = f"{fields.path_of('values')}[{index}]"
            text = self._decoder.text(node, path)
            if text is None:
                continue
            try:
                check_label_value(text)
            except ValueError as error:
                self._findings.error(node, path, str(error), value=shown(text))
            values.append(text)
        return tuple(values)


def _whole_seconds(duration_ns: int) -> int:
    """Drop the fraction, towards zero."""
    return duration_ns // _NS if duration_ns >= 0 else -(-duration_ns // _NS)
