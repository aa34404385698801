"""What there is to answer for and where, as rows of the messages that tell the reply process."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from metalpy.layer2 import arp
from metalpy.layer2.answered import EVERYWHERE
from metalpy.layer2.control import Protocol, wide

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from metalpy.layer2.control import Row
    from metalpy.layer2.interfaces import Interface
    from metalpy.model import IPAddress

Place = tuple[int, "IPAddress"]
"""The index of an interface, and an address that is for it and not for every one."""


def ports_of(interfaces: Iterable[Interface]) -> dict[tuple[Protocol, int], Interface]:
    """Give the ports to have, each with what it depends on: ARP does not mind the link-local address."""
    ports = {}
    for each in interfaces:
        ports[Protocol.ARP, each.index] = replace(each, link_local=None)
        if each.link_local:
            ports[Protocol.NDP, each.index] = each
    return ports


def restricted(
    addresses: Collection[IPAddress], only: Mapping[IPAddress, frozenset[str]], interfaces: Iterable[Interface]
) -> frozenset[Place]:
    """Give the places of those addresses that `only` has interfaces for, by name."""
    if not only:
        return frozenset()
    indexes = {each.name: each.index for each in interfaces}
    return frozenset(
        (indexes[name], address) for address in only.keys() & addresses for name in only[address] & indexes.keys()
    )


def rows_of(addresses: Iterable[IPAddress]) -> list[Row]:
    """Write addresses."""
    return [(wide(address.packed),) for address in addresses]


def everywhere(addresses: Iterable[IPAddress]) -> list[Row]:
    """Write addresses that are for every interface."""
    return [(EVERYWHERE, wide(address.packed)) for address in addresses]


def on_interfaces(places: Iterable[Place]) -> list[Row]:
    """Write addresses that are not."""
    return [(index, wide(address.packed)) for index, address in places]


def opening(protocol: Protocol, interface: Interface) -> Row:
    """Write a port."""
    link_local = interface.link_local.packed if interface.link_local else b""
    return (protocol, interface.index, arp.mac_bytes(interface.mac), link_local)
