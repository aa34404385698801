"""The addresses of this node."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, ip_interface
from typing import TYPE_CHECKING

from metalpy.errors import RouterError
from metalpy.model import Family
from metalpy.netlink import netlink_socket

if TYPE_CHECKING:
    from metalpy.model import IPAddress

_UNUSABLE = 0x08 | 0x20 | 0x40
"""Failed, deprecated and tentative: from <linux/if_addr.h>."""
_NOT_OF_THE_NODE = ("lo", "kube-ipvs0", "nodelocaldns")
"""Interfaces whose addresses lead to nowhere that a router could send to."""


@dataclass(frozen=True, slots=True)
class LocalAddresses:
    """Addresses with their networks, each with its interface's name, in the kernel's order; and the interfaces."""

    entries: tuple[tuple[str, IPv4Interface | IPv6Interface], ...] = ()
    interfaces: frozenset[str] = frozenset()
    """All interfaces, those without an address, too."""

    def has(self, address: IPAddress) -> bool:
        """Tell whether this is one of the node's addresses."""
        return any(entry.ip == address for _, entry in self.entries)

    def first_ipv4(self) -> IPv4Address | None:
        """Give the node's first IPv4 address that leads to it."""
        mine = (entry.ip for name, entry in self.entries if name not in _NOT_OF_THE_NODE and not entry.ip.is_link_local)
        return next((ip for ip in mine if isinstance(ip, IPv4Address)), None)

    def beside(self, address: IPAddress, family: Family, *, on_link: bool = False) -> IPAddress | None:
        """Find this node's address of a family on the link where `address` is; else on any other, but for `on_link`."""
        usable = [
            (name, entry.ip)
            for name, entry in self.entries
            if Family.of(entry.ip) is family and not entry.ip.is_link_local and name not in _NOT_OF_THE_NODE
        ]
        links = {name for name, entry in self.entries if address in entry.network}
        elsewhere = usable[0][1] if usable and not on_link else None
        return next((ip for name, ip in usable if name in links), elsewhere)


async def local_addresses() -> LocalAddresses:
    """Ask the kernel. Raises `RouterError`."""
    try:
        return await _ask()
    except OSError as error:
        raise RouterError(f"this node's addresses cannot be read: {error}") from error


async def _ask() -> LocalAddresses:
    entries = []
    async with netlink_socket() as netlink:
        async for message in await netlink.get_addr():
            name = message.get("label") or socket.if_indextoname(message["index"])
            text = message.get("local") or message.get("address")
            if text and not message.get("flags", message["flags"]) & _UNUSABLE:
                entries.append((str(name).partition(":")[0], ip_interface(f"{text}/{message['prefixlen']}")))
    return LocalAddresses(tuple(entries), frozenset(name for _, name in socket.if_nameindex()))
