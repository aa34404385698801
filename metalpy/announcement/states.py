"""What daemons show of themselves in objects of the cluster, and what is to be done about objects that say otherwise.

The objects are those of MetalLB's newest releases: a ServiceL2Status or ServiceBGPStatus for each Service that a
node announces, and a ConfigurationState for each daemon.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from metalpy.model import ObjectKey, Protocol


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a daemon makes of the newest configuration; `is_valid` is None as long as it has seen none."""

    is_valid: bool | None = None
    message: str = ""
    """What is wrong with it."""


Reach = tuple[str, ...]
"""Where a node announces a Service: names of interfaces (none for every one), or of BGP peers; ascending."""


@dataclass(frozen=True, slots=True)
class Shown:
    """All that one daemon shows. A controller announces nothing."""

    verdict: Verdict = field(default_factory=Verdict)
    announced: Mapping[Protocol, Mapping[ObjectKey, Reach]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """One object that says where a node announces a Service."""

    name: str
    node: str
    service: ObjectKey
    reach: Reach | None
    """None where it does not say yet."""
    owner: str = ""
    """The UID of the Pod that it goes with; empty for none."""


class Corrections(NamedTuple):
    """What makes objects say what is to be said: names to delete, objects to fill anew, Services without one."""

    delete: tuple[str, ...]
    change: tuple[tuple[str, ObjectKey], ...]
    create: tuple[ObjectKey, ...]


def corrections(node: str, owner: str, wanted: Mapping[ObjectKey, Reach], held: Iterable[Held]) -> Corrections:
    """Compare this node's objects with what it announces; those of other nodes are left alone.

    An object that goes with another Pod is of an earlier speaker here: it would vanish with that Pod, so another
    one takes its place. `owner` is empty for a speaker in no Pod, which takes what it finds.
    """
    delete, change, known = [], [], set()
    for each in held:
        if each.node != node:
            continue
        if each.service not in wanted or each.service in known or is_of_another(each.owner, owner):
            delete.append(each.name)
            continue
        known.add(each.service)
        if each.reach != wanted[each.service]:
            change.append((each.name, each.service))
    return Corrections(tuple(delete), tuple(change), tuple(sorted(wanted.keys() - known)))


def is_of_another(owner: str, own: str) -> bool:
    """Tell whether an object goes with another Pod than the daemon's own; a daemon in no Pod takes what it finds."""
    return own not in {"", owner}


def of_former_owners(node: str, gained: Collection[ObjectKey], held: Iterable[Held]) -> tuple[str, ...]:
    """Name the objects of other nodes for Services that one node alone announces and that this one has gained."""
    return tuple(each.name for each in held if each.node != node and each.service in gained)
