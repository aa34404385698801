"""Neighbour discovery (RFC 4861): where the fields of a frame lie, what is answered, and the frames that answer.

The reply path needs no scapy here; it is imported when the first announcement is built, as for ARP. Frames with
IPv6 extension headers before the ICMPv6 header are not understood: no system sends solicitations so.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from metalpy.layer2.arp import mac_bytes

if TYPE_CHECKING:
    from ipaddress import IPv6Address

ETHERTYPE_IPV6 = 0x86DD
_VERSION = 6
ICMPV6 = 58
HOP_LIMIT = 255
"""No router forwards a packet with it unchanged: whoever sent it is on this LAN (RFC 4861 section 3.1)."""
SOLICITATION = 135
ADVERTISEMENT = 136
FRAME_LENGTH = 86
"""Bytes of an advertisement with one option, and of an ordinary solicitation."""

SOURCE_MAC = slice(6, 12)
SOURCE = slice(22, 38)
DESTINATION = slice(38, 54)
TARGET = slice(62, 78)
_PAYLOAD = 54
_CHECKSUM = slice(56, 58)
_OPTIONS = 78
_SHORTEST = _OPTIONS - _PAYLOAD
LONGEST = 2048
"""Bytes of a solicitation that are looked at: more than any system sends, options included."""

_IPV6_HEADER = bytes.fromhex("86dd 6000 0000 0020 3a ff")
"""From the EtherType up to the source, for a message with one option."""
_SOURCE_LINK_LAYER_ADDRESS = 1
_TARGET_LINK_LAYER_ADDRESS = 2
_LINK_LAYER_ADDRESS_LENGTH = 8
_SOLICITED = 0x40
_OVERRIDE = 0x20
_MULTICAST = 0xFF
_GROUP_BIT = 0x01

UNSPECIFIED = bytes(16)
ALL_NODES = bytes.fromhex("ff02 0000 0000 0000 0000 0000 0000 0001")
ALL_NODES_MAC = bytes.fromhex("3333 0000 0001")
_SOLICITED_NODE = bytes.fromhex("ff02 0000 0000 0000 0000 0001 ff")


def solicited_node(address: bytes) -> bytes:
    """Give the multicast group in which hosts ask for an address (RFC 4291 section 2.7.1)."""
    return _SOLICITED_NODE + address[13:]


def is_advertisement(frame: bytes) -> bool:
    """Tell an advertisement from a solicitation."""
    return frame[_PAYLOAD] == ADVERTISEMENT


def asker(frame: bytearray, length: int) -> bytes | None:
    """Check a solicitation of `length` bytes, and give the MAC that its answer goes to; None: there is no answer.

    The kernel's filter has seen to type, code and hop limit; this is the rest of RFC 4861 section 7.1.1.
    `ALL_NODES_MAC` stands for a host that asks whether the address is free (RFC 4862 section 5.4.3): everybody
    is told. A solicitation to many without the sender's MAC is void for want of it; one to us alone comes from
    the Ethernet sender (RFC 4861 section 7.2.4).
    """
    payload = frame[18] << 8 | frame[19]
    end = _PAYLOAD + payload
    if frame[14] >> 4 != _VERSION or payload < _SHORTEST or end > length or not _sums_up(frame, payload):
        return None
    mac: bytes | None = None
    at = _OPTIONS
    while at < end:
        size = frame[at + 1] * 8
        if not size or at + size > end:
            return None
        if frame[at] == _SOURCE_LINK_LAYER_ADDRESS and size == _LINK_LAYER_ADDRESS_LENGTH:
            mac = bytes(frame[at + 2 : at + 8])
        at += size
    if frame[SOURCE] == UNSPECIFIED:
        return ALL_NODES_MAC if mac is None and frame.startswith(_SOLICITED_NODE, DESTINATION.start) else None
    if mac is None and frame[DESTINATION.start] != _MULTICAST:
        mac = bytes(frame[SOURCE_MAC])
    if mac is None or mac[0] & _GROUP_BIT or frame[SOURCE.start] == _MULTICAST:
        return None
    return mac


def _sums_up(frame: bytearray, payload: int) -> bool:
    """Tell whether the checksum is right (RFC 8200 section 8.1).

    Adding 16-bit words with the carry brought back is arithmetic modulo 65,535, which one long number does
    at once.
    """
    summed = int.from_bytes(frame[SOURCE.start : _PAYLOAD + payload], "big")
    return ((summed << 8 if payload & 1 else summed) + payload + ICMPV6) % 0xFFFF == 0


class Advertisement:
    """A neighbour advertisement from one MAC and link-local address, but for what differs from one to the next."""

    def __init__(self, mac: bytes, link_local: bytes, flags: int) -> None:
        self._frame = bytearray(FRAME_LENGTH)
        self._frame[SOURCE_MAC] = mac
        self._frame[12:_PAYLOAD] = _IPV6_HEADER + link_local + bytes(16)
        self._frame[_PAYLOAD] = ADVERTISEMENT
        self._frame[58] = flags
        self._frame[_OPTIONS:] = bytes([_TARGET_LINK_LAYER_ADDRESS, 1]) + mac
        self._sum = int.from_bytes(self._frame[SOURCE.start :], "big") + FRAME_LENGTH - _PAYLOAD + ICMPV6

    @classmethod
    def solicited(cls, mac: bytes, link_local: bytes) -> Advertisement:
        """Answer one host (RFC 4861 section 7.2.4), with the reference's flags.

        Override stays off: while an address changes nodes, a late answer of the old owner does not undo what the
        new one announced, which has it on.
        """
        return cls(mac, link_local, _SOLICITED)

    @classmethod
    def defence(cls, mac: bytes, link_local: bytes) -> Advertisement:
        """Answer a host that probes for duplicates: to all nodes, not solicited (RFC 4861 section 7.2.4)."""
        return cls(mac, link_local, _OVERRIDE)

    def fill(self, mac: bytes, destination: bytes | bytearray, target: bytes) -> bytearray:
        """Give the frame for that host and target; the next call overwrites it."""
        frame = self._frame
        total = self._sum + int.from_bytes(destination, "big") + int.from_bytes(target, "big")
        frame[:6] = mac
        frame[DESTINATION] = destination
        frame[TARGET] = target
        frame[_CHECKSUM] = (-total % 0xFFFF).to_bytes(2, "big")
        return frame


def unsolicited(address: IPv6Address, mac: str, link_local: IPv6Address) -> bytes:
    """Build what tells a whole LAN that `address` is at `mac` (RFC 4861 section 7.2.6): not solicited, override."""
    start, checksum, middle, end = _parts(mac, str(link_local))
    target = address.packed
    # RFC 1624: the checksum of what was built with the target :: falls by what the target adds.
    adjusted = (checksum - int.from_bytes(target, "big")) % 0xFFFF
    return start + adjusted.to_bytes(2, "big") + middle + target + end


def probe(address: IPv6Address, mac: str, link_local: IPv6Address) -> bytes:
    """Build the question whether another host has `address`: an ordinary solicitation (RFC 4861 section 7.2.2)."""
    octets = mac_bytes(mac)
    group = solicited_node(address.packed)
    body = bytes([SOLICITATION]) + bytes(7) + address.packed + bytes([_SOURCE_LINK_LAYER_ADDRESS, 1]) + octets
    frame = bytearray(b"\x33\x33" + group[12:] + octets + _IPV6_HEADER + link_local.packed + group + body)
    total = int.from_bytes(frame[SOURCE.start :], "big") + len(body) + ICMPV6
    frame[_CHECKSUM] = (-total % 0xFFFF).to_bytes(2, "big")
    return bytes(frame)


def duplicate_probe(address: IPv6Address, mac: str) -> bytes:
    """Build what a host asks that is about to take `address` (RFC 4862 section 5.4.2): from nobody, to the group.

    Whoever has it tells everybody, with override: only fit while the address is not announced by us. Without the
    option it is eight bytes shorter than other frames here, and those are padding.
    """
    group = solicited_node(address.packed)
    body = bytes([SOLICITATION]) + bytes(7) + address.packed
    header = _IPV6_HEADER[:6] + len(body).to_bytes(2, "big") + _IPV6_HEADER[8:]
    frame = bytearray(b"\x33\x33" + group[12:] + mac_bytes(mac) + header + UNSPECIFIED + group + body)
    total = int.from_bytes(frame[SOURCE.start :], "big") + len(body) + ICMPV6
    frame[_CHECKSUM] = (-total % 0xFFFF).to_bytes(2, "big")
    return bytes(frame).ljust(FRAME_LENGTH, b"\0")


@functools.lru_cache(maxsize=256)
def _parts(mac: str, link_local: str) -> tuple[bytes, int, bytes, bytes]:
    """Build the announcement of ::, cut into what is before the checksum, the checksum, and around the target."""
    from scapy.layers.inet6 import (  # noqa: PLC0415 - only who announces pays for scapy
        ICMPv6ND_NA,
        ICMPv6NDOptDstLLAddr,
        IPv6,
    )
    from scapy.layers.l2 import Ether  # noqa: PLC0415 - likewise

    frame = bytes(
        Ether(dst="33:33:00:00:00:01", src=mac, type=ETHERTYPE_IPV6)
        / IPv6(src=link_local, dst="ff02::1", hlim=HOP_LIMIT)
        / ICMPv6ND_NA(R=0, S=0, O=1, tgt="::")
        / ICMPv6NDOptDstLLAddr(lladdr=mac)
    )
    checksum = int.from_bytes(frame[_CHECKSUM], "big")
    return (
        frame[: _CHECKSUM.start],
        checksum,
        frame[_CHECKSUM.stop : TARGET.start],
        frame[TARGET.stop :],
    )
