"""Which answer a frame must get: a second reading of the RFCs, which shares nothing with what it judges."""

from __future__ import annotations

import struct
from typing import Any

MAC = bytes.fromhex("0a0000000001")
BROADCAST = b"\xff" * 6
LINK_LOCAL = bytes.fromhex("fe80 0000 0000 0000 0800 00ff fe00 0001")
OURS4 = [bytes([192, 168, 1, last]) for last in (240, 241, 250)]
OURS6 = [bytes.fromhex("fd00") + bytes(12) + last.to_bytes(2, "big") for last in (0x240, 0x241, 0x1250)]
SOLICITED_NODE = bytes.fromhex("ff02 0000 0000 0000 0000 0001 ff")


def untagged(frame: bytes) -> bytes | None:
    """Oracle: the frame without a priority tag; None if it is no frame for the untagged LAN."""
    if len(frame) < 14:
        return None
    if frame[12:14] != b"\x81\x00":
        return frame
    if len(frame) < 18 or struct.unpack("!H", frame[14:16])[0] % 4096:
        return None
    return frame[:12] + frame[16:]


def arp_oracle(wire_frame: bytes) -> bytes | None:
    """Give the only right answer to an ARP frame, by RFC 826; who asks is what the ARP packet says."""
    frame = untagged(wire_frame)
    if frame is None or len(frame) < 14 + 28:
        return None
    destination, ethertype = frame[:6], frame[12:14]
    packet: tuple[Any, ...] = struct.unpack("!HHBBH6s4s6s4s", frame[14:42])
    if ethertype != b"\x08\x06" or packet[:5] != (1, 0x800, 6, 4, 1) or destination not in (BROADCAST, MAC):
        return None
    sender_mac: bytes = packet[5]
    sender_ip: bytes = packet[6]
    target: bytes = packet[8]
    if target not in OURS4:
        return None
    answer = struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 2, MAC, target, sender_mac, sender_ip)
    return sender_mac + MAC + b"\x08\x06" + answer + bytes(18)


def internet_checksum(data: bytes) -> int:
    """Sum up as RFC 1071 tells it, word by word."""
    padded = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    """RFC 8200 section 8.1."""
    return source + destination + struct.pack("!II", length, 58)


def ndp_oracle(wire_frame: bytes) -> bytes | None:
    """Give the only right answer to an IPv6 frame, by RFC 4861 sections 7.1.1 and 7.2.4."""
    frame = untagged(wire_frame)
    if frame is None or frame[12:14] != b"\x86\xdd" or len(frame) < 54:
        return None
    if frame[:6] != MAC and not frame[0] & 1:
        return None
    version, length, next_header, hop_limit, source, destination = struct.unpack("!B3xHBB16s16s", frame[14:54])
    message = frame[54 : 54 + length]
    if version >> 4 != 6 or next_header != 58 or hop_limit != 255 or len(message) != length or length < 24:
        return None
    if message[:2] != b"\x87\0" or internet_checksum(pseudo_header(source, destination, length) + message):
        return None
    target, options, asker = message[8:24], message[24:], None
    while options:
        size = options[1] * 8 if len(options) > 1 else 0
        if not size or size > len(options):
            return None
        if options[0] == 1 and size == 8:
            asker = options[2:8]
        options = options[size:]
    if target not in OURS6 or source[0] == 0xFF:
        return None
    if source == bytes(16):
        to_all = destination[:13] == SOLICITED_NODE and asker is None
        return advertisement(b"\x33\x33\0\0\0\1", b"\xff\2" + bytes(13) + b"\1", target, 0x20) if to_all else None
    if asker is None and destination[0] != 0xFF:
        asker = frame[6:12]
    return None if asker is None or asker[0] & 1 else advertisement(asker, source, target, 0x40)


def advertisement(mac: bytes, destination: bytes, target: bytes, flags: int) -> bytes:
    """Build an advertisement of ours."""
    message = bytes([136, 0, 0, 0, flags, 0, 0, 0]) + target + b"\2\1" + MAC
    checksum = internet_checksum(pseudo_header(LINK_LOCAL, destination, len(message)) + message)
    header = struct.pack("!IHBB", 6 << 28, len(message), 58, 255) + LINK_LOCAL + destination
    return mac + MAC + b"\x86\xdd" + header + message[:2] + checksum.to_bytes(2, "big") + message[4:]
