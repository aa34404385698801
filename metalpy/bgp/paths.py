"""What an announcement is in gobgpd's table: one path, whose tags say which peers get it and how.

gobgpd has one path of ours for a prefix. Large communities that never leave the node (tags) name the peers that may
have it; where peers are to see different attributes, the tag also names the variant, and the export policy for that
tag replaces the attributes (gobgpd's policies are the way to do that without resets).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metalpy.announcement.routes import RESERVED_ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from metalpy.announcement.routes import Announcement, RouteAttributes
    from metalpy.model import IPAddress, IPNetwork

TAG = RESERVED_ADMINISTRATOR
"""Global administrator of the tags, and gobgpd's own ASN, which no peer ever sees."""
BASE = 1
"""The variant that a path's own attributes are."""
EVERYBODY = 0
"""The peer number that stands for all. A path that all may have does not change when a peer comes or goes; one whose
tags change is sent again to those who have it."""
_DEFAULT_LOCAL_PREF = 100

Tag = tuple[int, int]
"""Variant and peer number."""


@dataclass(frozen=True, slots=True)
class Path:
    """A path as it stands, or is to stand, in gobgpd's table. Its next hop is always gobgpd's own side."""

    prefix: IPNetwork
    attributes: RouteAttributes
    tags: frozenset[Tag]


class Numbers:
    """Gives texts numbers that are the same in every run, but for the rare case that two would get one."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._taken = set(range(BASE + 1))

    def __call__(self, text: object) -> int:
        """Give the number of a text, or of what prints as it."""
        text = str(text)
        number = self._numbers.get(text)
        if number is None:
            number = zlib.crc32(text.encode())
            while number in self._taken:
                number = (number + 1) % 2**32
            self._taken.add(number)
            self._numbers[text] = number
        return number


def lay_out(
    announcement: Announcement,
    everybody: AbstractSet[IPAddress],
    peers: Callable[[IPAddress], int],
    variants: Callable[[RouteAttributes], int],
) -> tuple[Path | None, Mapping[Tag, RouteAttributes]]:
    """Give the path for an announcement, None for a withdrawal, and what its tags other than base's stand for.

    `everybody` are the peers that there are sessions with. Raises `ValueError` for a large community that looks like
    a tag of ours.
    """
    groups = _groups(announcement)
    if not groups:
        return None, {}
    for attributes in groups:
        if any(each.global_administrator == TAG for each in attributes.large_communities):
            raise ValueError(f"large communities of {TAG} are metalpy's own")
    base = min(groups, key=_order)
    addresses = groups.pop(base)
    tags = {(BASE, EVERYBODY)} if addresses >= everybody else {(BASE, peers(address)) for address in addresses}
    others = {
        (variants(attributes), peers(address)): attributes
        for attributes, addresses in groups.items()
        for address in addresses
    }
    return Path(announcement.prefix, base, frozenset(tags | others.keys())), others


def _groups(announcement: Announcement) -> dict[RouteAttributes, set[IPAddress]]:
    """Sort the peers by what they see. Those outside our AS see no local preference and go with any."""
    internal: dict[RouteAttributes, set[IPAddress]] = {}
    external: dict[RouteAttributes, set[IPAddress]] = {}
    for attributes, peers in announcement.variants:
        for peer in peers:
            if peer.internal:
                value = _DEFAULT_LOCAL_PREF if attributes.local_pref is None else attributes.local_pref
                internal.setdefault(replace(attributes, local_pref=value), set()).add(peer.address)
            else:
                external.setdefault(replace(attributes, local_pref=None), set()).add(peer.address)
    for seen, addresses in external.items():
        fitting = [each for each in internal if replace(each, local_pref=None) == seen]
        internal.setdefault(min(fitting, key=_order, default=seen), set()).update(addresses)
    return internal


def _order(attributes: RouteAttributes) -> tuple[object, ...]:
    """Put those with local preference 0 first, those without any last: gobgpd's policies can set all but 0."""
    return (
        float("inf") if attributes.local_pref is None else attributes.local_pref,
        [each.value for each in attributes.communities],
        list(attributes.large_communities),
    )
