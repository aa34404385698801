"""The grammars of single values: durations, IP addresses, address ranges, communities, labels.

Every function takes text and gives a value, or raises `ValueError` whose message says what is wrong and what
would be right. Where a value is read but is doubtful, the reason is appended to `notes`.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from metalpy.model import AddressRange

if TYPE_CHECKING:
    from metalpy.model import IPAddress, IPNetwork

_UNITS_NS = {
    "ns": 1,
    "us": 10**3,
    "\u00b5s": 10**3,
    "\u03bcs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_LONGEST_NS = 2**63 - 1
_DURATION_PART = re.compile(r"([0-9]*)(\.[0-9]*)?([^0-9.]*)")
_FRACTION_DIGITS = 18
"""Digits of a fraction that can matter at all; more would only overflow."""

GO_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"
    "\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""Unicode's White_Space; Python's own `strip` takes four control characters more."""

_ANY_SPACE = re.compile(f"[{GO_SPACE}]")
_LEADING_ZEROS = re.compile(r"(?<![0-9A-Fa-f])0+(?=[0-9A-Fa-f])")
_USUAL_CIDR = re.compile(r"[0-9.]+/(?:0|[1-9][0-9]?)")
_LENGTH = re.compile(r"[0-9]+")
_NETMASK = re.compile(r"[0-9]+\.[0-9.]+")
_MAPPED_BITS = 96
_MAPPED = int(ipaddress.IPv6Address("::ffff:0:0"))
_IPV4_BITS, _IPV6_BITS = 32, 128

_COMMUNITY = re.compile(r"([0-9]+):([0-9]+)")
_MAX_HALF = 65535
LARGE_PREFIX = "large:"
"""What a large community is written with, to tell it from others."""
_LARGE_COMMUNITY = re.compile(r"large:([0-9]+):([0-9]+):([0-9]+)")
_MAX_PART = 2**32 - 1

_LABEL_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_NAME, _LONGEST_SUBDOMAIN = 63, 253


# --- durations -----------------------------------------------------------------------------------------


def parse_duration(text: str) -> int:
    """Read a duration in Go's syntax (`1m30s`, `1.5h`) and give nanoseconds."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in {"+", "-"} else text
    if rest == "0":
        return 0
    if not rest:
        raise ValueError("must be a duration such as 90s")
    total = 0
    while rest:
        found = _DURATION_PART.match(rest)
        if found is None or not (found[1] or (found[2] or ".") != "."):
            raise ValueError("must be a duration such as 90s or 1m30s, without blanks")
        total += _part_ns(found[1], (found[2] or "")[1:], found[3])
        if total > _LONGEST_NS:
            raise ValueError("is longer than the 292 years that a duration can hold")
        rest = rest[found.end() :]
    return sign * total


def _part_ns(whole: str, fraction: str, unit: str) -> int:
    if not unit:
        raise ValueError("has no unit: write seconds with an s behind the number, such as 90s")
    scale_ns = _UNITS_NS.get(unit)
    if scale_ns is None:
        if _ANY_SPACE.search(unit):
            raise ValueError("must be a duration without any blanks, such as 90s or 1m30s")
        raise ValueError("has an unknown unit: units are h, m, s, ms, us and ns (24h is a day)")
    whole = whole.lstrip("0")
    if len(whole) > len(str(_LONGEST_NS)):
        return _LONGEST_NS + 1
    fraction = fraction[:_FRACTION_DIGITS]
    # In floating point, as Go does it, so that the last nanosecond is the same too.
    parts_ns = int(int(fraction) * (scale_ns / 10 ** len(fraction))) if fraction else 0
    return int(whole or "0") * scale_ns + parts_ns


# --- addresses -----------------------------------------------------------------------------------------


def parse_ip(text: str, notes: list[str]) -> IPAddress:
    """Read an IP literal. IPv4-mapped means IPv4; leading zeros are decimal, with a note."""
    address = _literal(text, notes)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _literal(text: str, notes: list[str]) -> IPAddress:
    """Read an IP literal of either family as it is written, IPv4-mapped ones as IPv6."""
    if "%" in text:
        raise ValueError("must be an IP address without a zone: remove the part from % on")
    family = ipaddress.IPv6Address if ":" in text else ipaddress.IPv4Address
    try:
        return family(text)
    except ValueError:
        pass
    try:
        address = family(_LEADING_ZEROS.sub("", text))
    except ValueError:
        raise ValueError(f"must be an IP address, such as 10.9.0.1 or 2001:db8::1{_ip_remedy(text)}") from None
    notes.append(f"leading zeros are read as decimal: write {address}")
    return address


def _ip_remedy(text: str) -> str:
    if not text:
        return ""
    if text != text.strip(GO_SPACE):
        return ": remove the blanks around it"
    if "/" in text:
        return ": remove the prefix length"
    if re.fullmatch(r"[0-9.]+:[0-9]+|\[.*\](:[0-9]+)?", text):
        return ": remove port and brackets"
    if re.search(r"[g-zG-Z]", text):
        return ", not a name"
    return ""


def parse_addresses(text: str, notes: list[str]) -> AddressRange:
    """Read one entry of a pool: a CIDR, or a range where there is a dash."""
    prefixes = _range(text, notes) if "-" in text else (_usual_cidr(text) or _cidr(text, notes),)
    return AddressRange(prefixes, text)


def _usual_cidr(text: str) -> IPNetwork | None:
    """Read an IPv4 CIDR with nothing wrong or odd about it; None for all else, which takes a closer look."""
    try:
        return ipaddress.IPv4Network(text) if _USUAL_CIDR.fullmatch(text) else None
    except ValueError:
        return None


def _cidr(text: str, notes: list[str]) -> IPNetwork:
    written, slash, length_text = text.partition("/")
    if not text:
        raise ValueError("is empty: write a CIDR (10.1.0.0/24) or a range (10.1.0.1-10.1.0.9)")
    if _ANY_SPACE.search(text):
        raise ValueError("must be a CIDR without any blanks, such as 10.1.0.0/24")
    if "," in text:
        raise ValueError("must be one CIDR or range: write each as an entry of its own")
    if not slash:
        raise ValueError(f"must be a CIDR or a range{_bare_remedy(text)}")
    if _NETMASK.fullmatch(length_text):
        raise ValueError("must have a prefix length behind the slash, not a netmask")
    try:
        address = _literal(written, notes)
    except ValueError as error:
        raise ValueError(f"must be a CIDR such as 10.1.0.0/24: the part before the slash {error}") from None
    length = _length(length_text, address.max_prefixlen)
    if length_text != str(length):
        notes.append(f"the prefix length has leading zeros: write /{length}")
    return _network(address, length, notes)


def _bare_remedy(text: str) -> str:
    try:
        address = _literal(text, [])
    except ValueError:
        return ", such as 10.1.0.0/24 or 10.1.0.1-10.1.0.9"
    return f": for this one address write {text}/{address.max_prefixlen}"


def _length(text: str, most: int) -> int:
    digits = text.lstrip("0") or "0"
    if not _LENGTH.fullmatch(text) or len(digits) > len(str(most)) or int(digits) > most:
        raise ValueError(f"must have a prefix length from 0 to {most} behind the slash")
    return int(digits)


def _network(address: IPAddress, length: int, notes: list[str]) -> IPNetwork:
    """Clear the host bits; an IPv4-mapped prefix of 96 bits and more is the IPv4 prefix it stands for."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    network: IPNetwork
    if mapped and length >= _MAPPED_BITS:
        network = ipaddress.IPv4Network((int(mapped), length - _MAPPED_BITS), strict=False)
        notes.append(f"an IPv4-mapped prefix is read as {network}: write that")
        return network
    if isinstance(address, ipaddress.IPv6Address):
        network = ipaddress.IPv6Network((int(address), length), strict=False)
    else:
        network = ipaddress.IPv4Network((int(address), length), strict=False)
    if mapped:
        notes.append(f"an IPv4-mapped prefix shorter than 96 bits is the IPv6 prefix {network}, not IPv4")
    elif network.network_address != address:
        notes.append(f"host bits are cleared: write {network}")
    return network


def _range(text: str, notes: list[str]) -> tuple[IPNetwork, ...]:
    left, _, right = text.partition("-")
    first = _range_end(left.strip(GO_SPACE), "start", notes)
    last = _range_end(right.strip(GO_SPACE), "end", notes)
    if _as_16_bytes(first) > _as_16_bytes(last):
        raise ValueError(
            "start is after end: swap the two, or remove the entry (MetalLB 0.9 and 0.10 read it as no addresses)"
        )
    if first.version != last.version:
        notes.append("start and end are of different families, so that this entry holds no addresses at all")
        return ()
    if first == last:
        return (ipaddress.ip_network(first),)
    return tuple(ipaddress.summarize_address_range(first, last))


def _range_end(text: str, which: str, notes: list[str]) -> IPAddress:
    try:
        address = _literal(text, notes)
    except ValueError:
        what = f"the {which} is not one" if text else f"the {which} is missing"
        raise ValueError(f"must be a range of two full IP addresses, such as 10.1.0.10-10.1.0.20: {what}") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        notes.append(f"an IPv4-mapped address is read as IPv4: write {address.ipv4_mapped}")
        return address.ipv4_mapped
    return address


def _as_16_bytes(address: IPAddress) -> int:
    return int(address) | (_MAPPED if isinstance(address, ipaddress.IPv4Address) else 0)


# --- communities and labels ----------------------------------------------------------------------------


def parse_community(text: str) -> int:
    """Read `A:B` with two decimal halves of 16 bits (RFC 1997) and give the 32-bit number."""
    found = _COMMUNITY.fullmatch(text)
    if found is None:
        raise ValueError("must be A:B with two decimal numbers from 0 to 65535")
    halves = [digits.lstrip("0") or "0" for digits in found.groups()]
    if any(len(half) > len(str(_MAX_HALF)) or int(half) > _MAX_HALF for half in halves):
        raise ValueError("must be A:B with both numbers from 0 to 65535 (there are no large communities here)")
    return int(halves[0]) << 16 | int(halves[1])


def parse_large_community(text: str) -> tuple[int, int, int]:
    """Read `large:A:B:C` with three decimal numbers of 32 bits (RFC 8092)."""
    found = _LARGE_COMMUNITY.fullmatch(text)
    parts = [digits.lstrip("0") or "0" for digits in found.groups()] if found else []
    if not parts or any(len(part) > len(str(_MAX_PART)) or int(part) > _MAX_PART for part in parts):
        raise ValueError(f"must be large:A:B:C with three decimal numbers from 0 to {_MAX_PART}")
    first, second, third = map(int, parts)
    return first, second, third


def check_object_name(text: str) -> None:
    """Raise `ValueError` unless the text may name an object of Kubernetes (RFC 1123 subdomain)."""
    if len(text) > _LONGEST_SUBDOMAIN or not _DNS_SUBDOMAIN.fullmatch(text):
        raise ValueError(
            "must be a name as Kubernetes has them: at most 253 of a-z, 0-9, '-' and '.', "
            "with a letter or digit at both ends of each part"
        )


def check_label_key(text: str) -> None:
    """Raise `ValueError` unless the text is a label key as Kubernetes defines it."""
    prefix, slash, name = text.rpartition("/")
    if slash and (len(prefix) > _LONGEST_SUBDOMAIN or not _DNS_SUBDOMAIN.fullmatch(prefix)):
        raise ValueError("must be a label key: a DNS name in lower case before the slash, and one slash at most")
    if len(name) > _LONGEST_NAME or not _LABEL_NAME.fullmatch(name):
        raise ValueError(
            "must be a label key: at most 63 letters, digits, '-', '_' or '.', with a letter or digit at both ends"
        )


def check_label_value(text: str) -> None:
    """Raise `ValueError` unless the text is a label value as Kubernetes defines it."""
    if text and (len(text) > _LONGEST_NAME or not _LABEL_NAME.fullmatch(text)):
        raise ValueError(
            "must be a label value: at most 63 letters, digits, '-', '_' or '.', with a letter or digit at both ends"
        )
