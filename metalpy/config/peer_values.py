"""The values that a BGP peer is made of, under whatever keys a format has them."""

from __future__ import annotations

import difflib
import ipaddress
from typing import TYPE_CHECKING

from metalpy.config.findings import shown
from metalpy.config.values import parse_duration, parse_ip
from metalpy.config.whole_numbers import UINT32

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalpy.config.decoding import Decoder, Fields
    from metalpy.model import IPAddress

NS = 10**9
LONGEST_HOLD_S = 65535
"""The hold time has 16 bits in an OPEN message (RFC 4271, section 4.2)."""

_LEAST_HOLD_S = 3
_LONGEST_PASSWORD = 80
"""Bytes of a TCP MD5 key (Linux's TCP_MD5SIG_MAXKEYLEN)."""

_MOST_COMPARED = 50
"""Names up to which a misspelt one is looked for among them."""


class PeerValues:
    """Reads single fields of peers. A value that is wrong is noted, and given as if it were absent."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def asn(self, fields: Fields, key: str, whose: str) -> int:
        """Read an AS number that must be there; 0 where it is not."""
        findings = self._decoder.findings
        errors = len(findings.errors)
        asn = self._decoder.number(fields, key, 1, UINT32, asn=True)
        if asn is None and len(findings.errors) == errors:
            self._decoder.error(fields, key, f"is missing: give the AS number of {whose}, from 1 to {UINT32}")
        return asn or 0

    def ip(self, fields: Fields, key: str, *, missing: str = "", wrong: str = "") -> IPAddress | None:
        """Read an IP address; `missing` is what to say where there must be one, `wrong` what of a bad one."""
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

    def source_address(self, fields: Fields, key: str, address: IPAddress | None) -> IPAddress | None:
        """Read the address that a session to `address` comes from."""
        source = self.ip(fields, key)
        if source is not None and address is not None and source.version != address.version:
            text = f"is of another family than the peer's address {address}: no session can use it"
            self._decoder.warn(fields, key, text, value=shown(str(source)))
        return source

    def router_id(self, fields: Fields, key: str) -> ipaddress.IPv4Address | None:
        """Read a router ID."""
        router_id = self.ip(fields, key, wrong="must be written like an IPv4 address, such as 10.9.0.1")
        if isinstance(router_id, ipaddress.IPv6Address):
            text = (
                "must be written like an IPv4 address, as a router ID has 32 bits "
                "(MetalLB took this text, and its native speakers then crashed)"
            )
            self._decoder.error(fields, key, text, value=shown(str(router_id)))
            return None
        return router_id

    def hold_time_s(self, fields: Fields, key: str) -> int | None:
        """Read a hold time in whole seconds; None where it is absent."""
        duration_ns = self._duration_ns(fields, key)
        if duration_ns is None:
            return None
        value = self._shown(fields, key)
        hold_s = whole_seconds(duration_ns)
        if hold_s != 0 and hold_s < _LEAST_HOLD_S:
            cut = f" (got {hold_s}s after dropping fractions)" if duration_ns % NS else ""
            self._decoder.error(fields, key, f"must be 0 or at least 3s{cut}", value=value)
        elif duration_ns % NS:
            meaning = f"{hold_s}s" if hold_s else "0, which turns the timers off"
            self._decoder.warn(fields, key, f"fractions are dropped: this is {meaning}", value=value)
        return hold_s

    def keepalive_time_s(self, fields: Fields, key: str, hold_s: int | None) -> int | None:
        """Read a keepalive time in whole seconds, within the hold time if that is known; None where absent."""
        duration_ns = self._duration_ns(fields, key)
        if duration_ns is None:
            return None
        value = self._shown(fields, key)
        keepalive_s = whole_seconds(duration_ns)
        if keepalive_s < 0:
            text = "must not be negative (MetalLB took it); leave it out for a third of the hold time"
            self._decoder.error(fields, key, text, value=value)
        elif hold_s is not None and keepalive_s > hold_s >= 0:
            text = f"must not be greater than the hold time of {hold_s}s"
            self._decoder.error(fields, key, text, value=value)
        elif duration_ns and not keepalive_s:
            text = "fractions are dropped: this is 0, which sends no keepalives"
            self._decoder.warn(fields, key, text, value=value)
        return keepalive_s

    def timers_that_fit(self, fields: Fields, key: str, hold_s: int, keepalive_ns: int) -> tuple[int, int]:
        """Cut timers to what the protocol can say, with a note at the hold time; gives seconds and nanoseconds."""
        if hold_s <= LONGEST_HOLD_S:
            return hold_s, keepalive_ns
        text = f"is longer than the protocol can say: {LONGEST_HOLD_S}s is used"
        self._decoder.warn(fields, key, text, value=self._shown(fields, key))
        is_default = keepalive_ns == hold_s * NS // 3
        longest_ns = LONGEST_HOLD_S * NS
        return LONGEST_HOLD_S, longest_ns // 3 if is_default else min(keepalive_ns, longest_ns)

    def password(self, fields: Fields, key: str) -> str:
        """Read a password; its value enters no message."""
        password = self._decoder.text_field(fields, key, secret=True) or ""
        self.warn_of_long_password(fields, key, password)
        return password

    def warn_of_long_password(self, fields: Fields, key: str, password: str) -> None:
        """Note a password that TCP's MD5 option cannot hold."""
        if len(password.encode()) > _LONGEST_PASSWORD:
            text = f"is longer than the {_LONGEST_PASSWORD} bytes of a TCP MD5 key (RFC 2385)"
            self._decoder.warn(fields, key, text)

    def profile(self, fields: Fields, key: str, profiles: Iterable[str], remedy: str) -> str:
        """Read the name of one of the BFD profiles, empty for none; `remedy` is what to do about an unknown one."""
        name = self._decoder.text_field(fields, key) or ""
        known = frozenset(profiles)
        if name and name not in known:
            names = sorted(known) if len(known) <= _MOST_COMPARED else []
            close = difflib.get_close_matches(name[:_MOST_COMPARED], names, n=1)
            text = remedy + (f"; did you mean {shown(close[0])}?" if close else "")
            self._decoder.error(fields, key, text, value=shown(name))
        return name

    def ebgp_multihop(self, fields: Fields, key: str, my_asn: int, peer_asn: int) -> bool:
        """Read whether a router of another AS may be several hops away; of our own AS it may be in any case."""
        multihop = self._decoder.flag(fields, key, default=False)
        if multihop and my_asn and my_asn == peer_asn:
            text = f"must not be set here: both sides are AS {my_asn}, which makes this iBGP; remove the line"
            self._decoder.error(fields, key, text, value="true")
        return multihop

    def _duration_ns(self, fields: Fields, key: str) -> int | None:
        text = self._decoder.text_field(fields, key)
        if not text:
            return None
        try:
            return parse_duration(text)
        except ValueError as error:
            self._decoder.error(fields, key, str(error), value=shown(text))
            return None

    def _shown(self, fields: Fields, key: str) -> str:
        return shown(self._decoder.text_field(fields, key) or "")


def whole_seconds(duration_ns: int) -> int:
    """Drop the fraction, towards zero."""
    return duration_ns // NS if duration_ns >= 0 else -(-duration_ns // NS)
