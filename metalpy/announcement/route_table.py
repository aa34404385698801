"""What a node announces in all: the union of its Services' routes, kept up to date change by change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metalpy.announcement.routes import Announcement, variants_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metalpy.announcement.routes import RouteAttributes, Routes, Variants
    from metalpy.model import IPNetwork, ObjectKey, Peer


@dataclass(slots=True, eq=False)
class _Entry:
    """One prefix: who wants what of it, and what is announced. Itself a key, as networks are costly to hash."""

    prefix: IPNetwork
    wanted: dict[Variants, int] = field(default_factory=dict)
    """How many Services want each variant: those of one pool want the same, so a shared prefix has few."""
    announced: Variants = ()


class RouteTable:
    """The routes of all Services together.

    Several Services may want one prefix: it is announced once, and withdrawn with the last of them. Where they
    want different things of it each peer sees the highest local preference and all of the communities, in
    whatever order they came. A change costs as much as the prefixes of its Services, however many share them.
    """

    def __init__(self) -> None:
        self._routes: dict[ObjectKey, Routes] = {}
        self._entries: dict[IPNetwork, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def announcements(self) -> tuple[Announcement, ...]:
        """Give everything that is announced."""
        return tuple(Announcement(entry.prefix, entry.announced) for entry in self._entries.values())

    def set(self, service: ObjectKey, routes: Routes) -> tuple[Announcement, ...]:
        """Replace the routes of one Service; gives what changes by it."""
        return self.update({service: routes})

    def drop(self, service: ObjectKey) -> tuple[Announcement, ...]:
        """Take a Service's routes out; gives what changes by it. Without effect on an unknown one."""
        return self.update({service: {}})

    def update(self, changes: Mapping[ObjectKey, Routes]) -> tuple[Announcement, ...]:
        """Replace the routes of several Services at once, by none where empty; gives each prefix that changes once.

        When the peers change, this takes the routes of all Services anew.
        """
        touched: dict[_Entry, None] = {}
        for service, routes in changes.items():
            before = self._routes.pop(service, {})
            if routes:
                self._routes[service] = dict(routes)
            for prefix, variants in before.items():
                if routes.get(prefix) != variants:
                    touched[self._count(prefix, variants, -1)] = None
            for prefix, variants in routes.items():
                if not before or before.get(prefix) != variants:
                    touched[self._count(prefix, variants, 1)] = None
        return tuple(each for entry in touched if (each := self._settle(entry)) is not None)

    def _count(self, prefix: IPNetwork, variants: Variants, change: int) -> _Entry:
        entry = self._entries.get(prefix)
        if entry is None:
            entry = self._entries[prefix] = _Entry(prefix)
        count = entry.wanted.pop(variants, 0) + change
        if count:
            entry.wanted[variants] = count
        return entry

    def _settle(self, entry: _Entry) -> Announcement | None:
        """Bring what is announced of a prefix up to date; gives it if it is new."""
        variants = _merged(entry.wanted)
        if not variants:
            del self._entries[entry.prefix]
        if variants == entry.announced:
            return None
        entry.announced = variants
        return Announcement(entry.prefix, variants)


def _merged(wanted: Iterable[Variants]) -> Variants:
    """Merge what is wanted of one prefix, peer by peer."""
    wanted = tuple(wanted)
    if len(wanted) == 1:
        return wanted[0]
    wishes: dict[Peer, RouteAttributes] = {}
    for variants in wanted:
        for attributes, peers in variants:
            for peer in peers:
                earlier = wishes.get(peer)
                wishes[peer] = attributes if earlier is None else earlier.united(attributes)
    return variants_of(wishes)
