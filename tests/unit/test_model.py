"""Addresses as they stand in Services are read as strictly as Python itself reads them."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metalpy.model import parse_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from metalpy.model import IPAddress

numbers = st.one_of(st.integers(0, 300).map(str), st.text("0123456789 ", max_size=4))
quads = st.lists(numbers, min_size=3, max_size=5).map(".".join)


@given(st.one_of(quads, st.text("0123456789abcdef:.\0٣ ", max_size=20)))
@example("10.03.0.1")
@example("10.0.1")
@example("::10.0.0.1")
@example("10.0.0.1\n")
def test_address_is_what_python_reads(text: str) -> None:
    assert _read(parse_address, text) == _read(_by_python, text)


def _read(read: Callable[[str], IPAddress], text: str) -> IPAddress | None:
    try:
        return read(text)
    except ValueError:
        return None


def _by_python(text: str) -> IPAddress:
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def test_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        parse_address("fe80::1%eth0")
