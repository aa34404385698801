"""What a node announces in all: the union of its Services' routes, kept up to date change by change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalpy.announcement.routes import Announcement, variants_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metalpy.announcement.routes import RouteAttributes, Routes, Variants
    from metalpy.model import IPNetwork, ObjectKey, Peer


class RouteTable:
    """The routes of all Services together.

    Several Services may want one prefix: it is announced once, and withdrawn with the last of them. Where they
    want different things of it each peer sees the highest local preference and all of the communities, in
    whatever order they came. A change costs as much as the prefixes of its Services, however many share them.
    """

    def __init__(self) -> None:
        self._routes: dict[ObjectKey, Routes] = {}
        # How many Services want each variant: those of one pool want the same, so a shared prefix has few.
        self._wanted: dict[IPNetwork, dict[Variants, int]] = {}
        self._announced: dict[IPNetwork, Variants] = {}

    def __len__(self) -> int:
        return len(self._announced)

    def announcements(self) -> tuple[Announcement, ...]:
        """Give everything that is announced."""
        return tuple(Announcement(prefix, variants) for prefix, variants in self._announced.items())

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
        # Networks are costly to hash: what was found of one is handed on.
        touched: dict[IPNetwork, dict[Variants, int]] = {}
        for service, routes in changes.items():
            before = self._routes.pop(service, {})
            if routes:
                self._routes[service] = dict(routes)
            for prefix, variants in before.items():
                if routes.get(prefix) != variants:
                    touched[prefix] = self._count(prefix, variants, -1)
            for prefix, variants in routes.items():
                if not before or before.get(prefix) != variants:
                    touched[prefix] = self._count(prefix, variants, 1)
        return tuple(each for found in touched.items() if (each := self._settle(*found)) is not None)

    def _count(self, prefix: IPNetwork, variants: Variants, change: int) -> dict[Variants, int]:
        wanted = self._wanted.setdefault(prefix, {})
        count = wanted.pop(variants, 0) + change
        if count:
            wanted[variants] = count
        return wanted

    def _settle(self, prefix: IPNetwork, wanted: Mapping[Variants, int]) -> Announcement | None:
        """Bring what is announced of a prefix up to date; gives it if it is new."""
        variants = _merged(wanted)
        if not wanted:
            del self._wanted[prefix]
        if variants == self._announced.get(prefix, ()):
            return None
        if variants:
            self._announced[prefix] = variants
        else:
            del self._announced[prefix]
        return Announcement(prefix, variants)


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
