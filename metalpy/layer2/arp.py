"""ARP frames (RFC 826): where the fields lie, and the frames that announce an address unasked.

The reply path needs only the constants. scapy (0.4 s and 40 MB) is imported when the first announcement is
built, never with this module.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address

ETHERTYPE_ARP = 0x0806
HEADER = bytes.fromhex("0806 0001 0800 06 04")
"""From the EtherType up to the operation: Ethernet hardware, IPv4 protocol, addresses of 6 and 4 bytes."""
OP_REQUEST = 1
OP_REPLY = 2
ARP_LENGTH = 42
"""Bytes of an Ethernet header and an IPv4-over-Ethernet ARP packet."""
FRAME_LENGTH = 60
"""The shortest Ethernet frame without its checksum; what is missing is zero."""

DESTINATION = slice(0, 6)
OPERATION = slice(20, 22)
SENDER = slice(22, 32)
"""Sender hardware and IP address, side by side."""
SENDER_MAC = slice(22, 28)
SENDER_IP = slice(28, 32)
TARGET = slice(32, 42)
"""Target hardware and IP address, side by side."""
TARGET_IP = slice(38, 42)


def mac_bytes(mac: str) -> bytes:
    """Give the 6 bytes of a MAC written with colons. Raises `ValueError` for anything else."""
    octets = bytes.fromhex(mac.replace(":", ""))
    if len(octets) != 6:  # noqa: PLR2004 - a MAC is six octets
        raise ValueError(f"{mac!r} is not a MAC address")
    return octets


def gratuitous(address: IPv4Address, mac: str) -> tuple[bytes, bytes]:
    """Build what tells a whole LAN that `address` is at `mac`: a request and a reply, 60 bytes each.

    Systems differ in which of the two they listen to (RFC 5227 section 3), so both are sent. Sender and target
    IP are the address, and the target hardware address is broadcast in both.
    """
    request, reply = _parts(mac)
    return address.packed.join(request), address.packed.join(reply)


def probe(address: IPv4Address, mac: str) -> bytes:
    """Build the question whether another host has `address`: a probe, nobody learns from it (RFC 5227 section 1.1)."""
    octets = mac_bytes(mac)
    question = HEADER + OP_REQUEST.to_bytes(2, "big") + octets + bytes(10) + address.packed
    return (b"\xff" * 6 + octets + question).ljust(FRAME_LENGTH, b"\0")


Parts = tuple[bytes, bytes, bytes]
"""What stands before, between and after the two places of the address."""


@functools.lru_cache(maxsize=256)
def _parts(mac: str) -> tuple[Parts, Parts]:
    """Build both frames but for the address: scapy needs 0.2 ms a frame, filling in an address 1 µs."""
    from scapy.layers.l2 import ARP, Ether  # noqa: PLC0415 - see above: only who announces pays for scapy

    broadcast = "ff:ff:ff:ff:ff:ff"
    request, reply = (
        bytes(
            Ether(dst=broadcast, src=mac, type=ETHERTYPE_ARP)
            / ARP(op=operation, hwsrc=mac, psrc="0.0.0.0", hwdst=broadcast, pdst="0.0.0.0")
        ).ljust(FRAME_LENGTH, b"\0")
        for operation in (OP_REQUEST, OP_REPLY)
    )
    return _around_addresses(request), _around_addresses(reply)


def _around_addresses(frame: bytes) -> Parts:
    return (
        frame[: SENDER_IP.start],
        frame[SENDER_IP.stop : TARGET_IP.start],
        frame[TARGET_IP.stop :],
    )
