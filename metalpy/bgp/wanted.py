"""What gobgpd is to have and what it has, and the difference: set arithmetic on plain values."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from metalpy.bgp.exports import exports
from metalpy.bgp.paths import EVERYBODY, Numbers, Path, lay_out
from metalpy.model import Family

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from metalpy.announcement.routes import Announcement, RouteAttributes, Session
    from metalpy.bgp.exports import Export
    from metalpy.bgp.neighbors import Adjustable, Neighbor
    from metalpy.bgp.paths import Tag
    from metalpy.model import Community, IPAddress, IPNetwork

Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True)
class Terms:
    """Of a session that gobgpd has, as it was told of them."""

    mark: str
    adjustable: Adjustable


@dataclass(slots=True)
class Actual:
    """What a gobgpd has, as far as it is ours."""

    sessions: dict[IPAddress, Terms] = field(default_factory=dict)
    paths: dict[IPNetwork, Path] = field(default_factory=dict)
    exports: frozenset[Export] | None = None
    """The rules in force; None: not known."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A session or an announcement that cannot be had as it stands."""

    what: str
    why: str


class Wanted:
    """The desired state. What changed since it was last compared is remembered, so that one change costs one look."""

    def __init__(self) -> None:
        self.sessions: dict[IPAddress, Session] = {}
        self.families: set[Family] = set()
        """The families of all prefixes that were ever announced."""
        self._announcements: dict[IPNetwork, Announcement] = {}
        self._paths: dict[IPNetwork, Path] = {}
        self._variants: dict[IPNetwork, Mapping[Tag, RouteAttributes]] = {}
        # Networks are costly to hash: these two may have one twice.
        self._not_laid_out: deque[IPNetwork] = deque()
        self._changed: list[IPNetwork] = []
        self._peer_numbers = Numbers()
        self._variant_numbers = Numbers()
        self._added: tuple[Community, ...] = ()
        self._last: tuple[object, tuple[Path | None, Mapping[Tag, RouteAttributes]]] = (None, (None, {}))
        """The variants that were laid out last, and what came of them."""

    def keep(self, sessions: Iterable[Session]) -> list[Refused]:
        """Take the sessions to keep, all of them; return those that one gobgpd cannot have beside the others."""
        kept: dict[IPAddress, Session] = {}
        refused = []
        for session in sessions:
            peer = session.peer
            name = f"peer {peer.name or peer.address}"
            if peer.address in kept:
                if kept[peer.address] != session:
                    refused.append(Refused(name, f"there is a session with {peer.address} already"))
            elif kept and session.router_id != next(iter(kept.values())).router_id:
                refused.append(Refused(name, f"router ID {session.router_id} differs from the other sessions'"))
            else:
                kept[peer.address] = session
        self._last = (None, (None, {}))
        if kept.keys() != self.sessions.keys():  # what is for everybody is for others now
            self._not_laid_out.extend(self._announcements)
        self.sessions = kept
        return refused

    def announce(self, changes: Iterable[Announcement]) -> None:
        """Take announcements in place of earlier ones for the same prefixes."""
        for each in changes:
            if each.variants:
                self._announcements[each.prefix] = each
                if len(self.families) < len(Family):
                    self.families.add(Family.of(each.prefix))
            else:
                self._announcements.pop(each.prefix, None)
            self._not_laid_out.append(each.prefix)

    def add_community(self, community: Community) -> None:
        """Add a community to every announcement, those of now and to come."""
        self._added = (*self._added, community)
        self._not_laid_out.extend(self._announcements)

    def withdraw_all(self) -> None:
        """Announce nothing any more."""
        self._not_laid_out.extend(self._announcements)
        self._announcements.clear()

    def lay_out(self, many: int) -> Iterator[Refused]:
        """Work out paths for that many changed announcements; yields those that cannot be, which stay as they were."""
        for _ in range(min(many, len(self._not_laid_out))):
            prefix = self._not_laid_out.popleft()
            announcement = self._announcements.get(prefix)
            if announcement and self._added:
                announcement = _with(announcement, self._added)
            try:
                path, variants = self._lay_out(announcement) if announcement else (None, {})
            except ValueError as error:
                yield Refused(f"route {prefix}", str(error))
                continue
            self._changed.append(prefix)
            _put(self._paths, prefix, path)
            if variants or self._variants:
                _put(self._variants, prefix, variants or None)

    def _lay_out(self, announcement: Announcement) -> tuple[Path | None, Mapping[Tag, RouteAttributes]]:
        """Work out one path. Most announcements differ in their prefix alone: what was found for the last one holds."""
        last, (path, variants) = self._last
        if last != announcement.variants:
            path, variants = lay_out(announcement, self.sessions.keys(), self.number, self._variant)
            self._last = (announcement.variants, (path, variants))
        return path and Path(announcement.prefix, path.attributes, path.tags), variants

    @property
    def is_laid_out(self) -> bool:
        """Tell whether `lay_out` has nothing left to do."""
        return not self._not_laid_out

    def number(self, address: IPAddress) -> int:
        """Give a peer's number, which tags carry."""
        return self._peer_numbers(address)

    def _variant(self, attributes: RouteAttributes) -> int:
        return self._variant_numbers(
            f"{attributes.local_pref} {[str(each) for each in attributes.communities]}"
            f" {[str(each) for each in attributes.large_communities]}"
        )

    def exports(self, neighbors: Iterable[Neighbor]) -> frozenset[Export]:
        """Give the rules that these sessions need for the paths of now."""
        variants = {tag: each for of_prefix in self._variants.values() for tag, each in of_prefix.items()}
        return exports(neighbors, self.number, variants)

    def compare_all(self, actual: Mapping[IPNetwork, Path]) -> None:
        """Remember to compare everything: what gobgpd has is another's work."""
        self._changed += (*self._paths, *actual)

    def difference(self, actual: Mapping[IPNetwork, Path]) -> tuple[list[Path], list[Path]]:
        """Give the paths to announce and those to withdraw, among what changed since it was last asked."""
        changed, self._changed = self._changed, []
        announced, withdrawn = [], []
        for prefix in dict.fromkeys(changed):
            wanted, has = self._paths.get(prefix), actual.get(prefix)
            if wanted is None:
                withdrawn += [has] if has else []
            elif wanted != has:
                announced.append(wanted)
        return announced, withdrawn

    def prefixes(self, address: IPAddress) -> int:
        """Count the prefixes that a peer is to have."""
        numbers = {EVERYBODY, self.number(address)}
        return sum(any(peer in numbers for _, peer in path.tags) for path in self._paths.values())


def grown(rules: frozenset[Export], before: frozenset[Export] | None) -> frozenset[Export]:
    """Give the rules to have while paths change over: the new ones, and the old ones that do not contradict."""
    keys = {(rule.tag, rule.family) for rule in rules}
    return rules | {rule for rule in before or () if (rule.tag, rule.family) not in keys}


def _put(table: dict[IPNetwork, Kept], prefix: IPNetwork, value: Kept | None) -> None:
    if value is None:
        table.pop(prefix, None)
    else:
        table[prefix] = value


def _with(announcement: Announcement, added: Iterable[Community]) -> Announcement:
    def more(attributes: RouteAttributes) -> RouteAttributes:
        communities = {each.value: each for each in (*attributes.communities, *added)}
        return replace(attributes, communities=tuple(each for _, each in sorted(communities.items())))

    return replace(
        announcement, variants=tuple((more(attributes), peers) for attributes, peers in announcement.variants)
    )
