"""Which network interfaces announce addresses, followed by netlink (`rtnetlink(7)`).

An interface announces when it is up, is no port of a bridge, bond or VRF (their master announces), does ARP
(dummy interfaces like kube-ipvs0 do not) and knows broadcast. An IPv4 address is not needed. IPv6 addresses are
announced on it while it has a link-local address that is in use.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any

import structlog

from metalpy.layer2 import ipvs
from metalpy.netlink import RTMGRP_IPV6_IFADDR, RTMGRP_LINK, netlink_socket

if TYPE_CHECKING:
    import re
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping

log = structlog.get_logger()

# From <linux/if.h>.
IFF_UP = 0x1
IFF_BROADCAST = 0x2
IFF_NOARP = 0x80
IFF_LOWER_UP = 0x10000
# From <linux/if_addr.h> and <linux/rtnetlink.h>.
IFA_F_DADFAILED = 0x08
IFA_F_TENTATIVE = 0x40
RT_SCOPE_LINK = 253

RETRY_S = 1.0
"""Pause before netlink is opened anew after it failed (as when events came faster than they were read)."""

_MAC_LENGTH = len("0a:00:00:00:00:01")


@dataclass(frozen=True, slots=True, order=True)
class Interface:
    """An interface to announce on. With another MAC it is another value, and is opened anew."""

    index: int
    name: str
    mac: str
    link_local: IPv6Address | None = None
    """Where advertisements come from; None: IPv6 addresses are not announced there (now)."""


@dataclass(frozen=True, slots=True)
class Link:
    """What netlink says of an interface, as far as it matters here. `master` is 0 where there is none."""

    index: int
    name: str
    mac: str
    flags: int
    master: int = 0
    link_local: IPv6Address | None = None
    carrier_changes: int = 0
    """How often the carrier came or went; both may have happened between two messages."""

    @property
    def announces(self) -> bool:
        """Tell whether addresses are announced on it."""
        return (
            self.flags & (IFF_UP | IFF_BROADCAST | IFF_NOARP) == IFF_UP | IFF_BROADCAST
            and not self.master
            and len(self.mac) == _MAC_LENGTH  # InfiniBand broadcasts too, with addresses of 20 bytes
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """Which interfaces an operator wants: those of these names, or all, but none that a pattern is found in."""

    names: tuple[str, ...] = ()
    excluded: tuple[re.Pattern[str], ...] = ()

    def takes(self, name: str) -> bool:
        """Tell whether an interface of that name is wanted."""
        return (not self.names or name in self.names) and not any(each.search(name) for each in self.excluded)


ALL = Choice()


def announcing(links: Iterable[Link], choice: Choice = ALL) -> frozenset[Interface]:
    """Choose the interfaces that announce: those wanted that can."""
    return frozenset(
        Interface(link.index, link.name, link.mac, link.link_local)
        for link in links
        if link.announces and choice.takes(link.name)
    )


@dataclass(frozen=True, slots=True)
class Interfaces:
    """Which interfaces announce, the MACs of all that there are, and which are connected."""

    announcing: frozenset[Interface]
    macs: frozenset[str]
    carriers: Mapping[int, int]
    """The index of each interface that has a carrier → how often that came or went: another number, another carrier."""
    indexes: frozenset[int] = field(compare=False)
    """Of all that there are. That one comes or goes which does not announce is no news."""


class Links:
    """The links of this host and their link-local addresses: what was dumped, and every change since."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self._link_locals: dict[int, set[IPv6Address]] = {}

    def __iter__(self) -> Iterator[Link]:
        for index, link in self._links.items():
            yield replace(link, link_local=min(self._link_locals.get(index, ()), default=None))

    def apply(self, message: Any) -> None:
        """Take in a netlink message; those of other types than links and addresses change nothing."""
        match message["event"]:
            case "RTM_NEWLINK" | "RTM_DELLINK":
                self._apply_link(message)
            case "RTM_NEWADDR" | "RTM_DELADDR":
                self._apply_address(message)

    def _apply_link(self, message: Mapping[str, Any]) -> None:
        """Take in the state of a link.

        A bridge reports its ports with messages of the same types but family AF_BRIDGE: there RTM_DELLINK means
        that the port left the bridge, not that the link is gone. They are skipped; the change of master comes
        as a message of its own.
        """
        if message["family"]:
            return
        if message["event"] == "RTM_DELLINK":
            self._links.pop(message["index"], None)
            self._link_locals.pop(message["index"], None)
            return
        self._links[message["index"]] = Link(
            index=message["index"],
            name=message.get("ifname") or "",
            mac=message.get("address") or "",
            flags=message["flags"],
            master=message.get("master") or 0,
            carrier_changes=message.get("carrier_changes") or 0,
        )

    def _apply_address(self, message: Any) -> None:
        """Take in an address that came, changed or went.

        A link-local address counts once duplicate address detection is over (RFC 4862 section 5.4): nothing
        may be sent from it before, and the kernel sends another message then.
        """
        if message["family"] != socket.AF_INET6 or message["scope"] != RT_SCOPE_LINK:
            return
        addresses = self._link_locals.setdefault(message["index"], set())
        address = IPv6Address(message.get_attr("IFA_ADDRESS"))
        flags = message.get_attr("IFA_FLAGS") or 0
        if message["event"] == "RTM_DELADDR" or flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED):
            addresses.discard(address)
        else:
            addresses.add(address)


async def watch(choice: Choice = ALL) -> AsyncGenerator[Interfaces, None]:
    """Yield the interfaces that announce: those of now at once, then all of them again whenever that changes.

    A name in `choice` that no interface has is logged when that is noticed; the interface counts as soon as it is
    there. Goes on for ever: a failure of netlink is logged and everything read again.
    """
    absent: frozenset[str] = frozenset()
    is_ipvs_told = False
    last: Interfaces | None = None
    while True:
        try:
            async for links in _follow():
                absent = _report_absent(links, choice.names, absent)
                is_ipvs_told = is_ipvs_told or ipvs.warn(link.name for link in links)
                current = Interfaces(
                    announcing(links, choice),
                    frozenset(link.mac for link in links),
                    {link.index: link.carrier_changes for link in links if link.flags & IFF_LOWER_UP},
                    frozenset(link.index for link in links),
                )
                if current != last:
                    last = current
                    yield current
        except OSError as error:
            log.error("cannot read network interfaces", op="getInterfaces", error=str(error))
        await asyncio.sleep(RETRY_S)


async def _follow() -> AsyncIterator[Links]:
    """Yield the links, and again after every change. Raises `OSError` when netlink fails."""
    async with netlink_socket() as netlink:
        await netlink.bind(groups=RTMGRP_LINK | RTMGRP_IPV6_IFADDR)  # before the dumps: changes come as events
        links = Links()
        async for message in await netlink.get_links():
            links.apply(message)
        async for message in await netlink.get_addr(family=socket.AF_INET6):
            links.apply(message)
        yield links
        while True:
            async for message in netlink.get():
                links.apply(message)
            yield links


def _report_absent(links: Links, names: Iterable[str], reported: frozenset[str]) -> frozenset[str]:
    """Log the names that no link has and that have not been reported; return all that no link has."""
    existing = sorted(link.name for link in links)
    absent = frozenset(names).difference(existing)
    for name in sorted(absent - reported):
        log.warning(
            "no such network interface; announcing on it once it is there",
            op="getInterfaces",
            interface=name,
            existing=existing,
        )
    return absent
