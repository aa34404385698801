"""Frames, byte by byte."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import IPv4Address

import pytest

from metalpy.layer2 import arp

MAC = "0a:00:00:00:00:01"


@pytest.mark.parametrize(("which", "operation"), [(0, "0001"), (1, "0002")], ids=["request", "reply"])
def test_gratuitous_frame_has_the_reference_bytes(which: int, operation: str) -> None:
    frame = arp.gratuitous(IPv4Address("192.168.1.240"), MAC)[which]

    expected = (
        "ffffffffffff 0a0000000001 0806 0001 0800 06 04 "
        f"{operation} 0a0000000001 c0a801f0 ffffffffffff c0a801f0" + "00" * 18
    )
    assert bytes.fromhex(expected) == frame


def test_gratuitous_frames_of_two_addresses_do_not_mix() -> None:
    first = arp.gratuitous(IPv4Address("192.168.1.240"), MAC)
    arp.gratuitous(IPv4Address("192.168.1.241"), MAC)

    assert first == arp.gratuitous(IPv4Address("192.168.1.240"), MAC)


def test_probe_asks_from_no_address() -> None:
    frame = arp.probe(IPv4Address("192.168.1.240"), MAC)

    expected = (
        "ffffffffffff 0a0000000001 0806 0001 0800 06 04 0001 0a0000000001 00000000 000000000000 c0a801f0" + "00" * 18
    )
    assert bytes.fromhex(expected) == frame


def test_module_does_not_import_scapy_before_a_frame_is_built() -> None:
    program = "import sys, metalpy.layer2.arp; sys.exit('scapy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_mac_bytes_reads_six_octets() -> None:
    assert arp.mac_bytes(MAC) == b"\x0a\x00\x00\x00\x00\x01"


@pytest.mark.parametrize("text", ["", "0a:00", "0a:00:00:00:00:00:00:01", "zz:00:00:00:00:01"])
def test_mac_bytes_refuses_what_is_no_mac(text: str) -> None:
    with pytest.raises(ValueError, match=r"MAC|hexadecimal"):
        arp.mac_bytes(text)
