"""Why an address changed hands: for the operator who was woken by it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalpy.announcement.candidates import EVEN, Obstacle

if TYPE_CHECKING:
    from collections.abc import Collection

    from metalpy.announcement.candidates import Scores


class Cause(enum.StrEnum):
    """What gave an address to its owner of now."""

    FIRST_ASSIGNMENT = "firstAssignment"
    """Nobody had it."""
    MEMBER_GONE = Obstacle.NODE_GONE.value
    """The former owner's speaker is not there any more, or no node of that name is."""
    NODE_NOT_READY = Obstacle.NODE_NOT_READY.value
    NODE_NETWORK_UNAVAILABLE = Obstacle.NODE_WITHOUT_NETWORK.value
    NODE_EXCLUDED = Obstacle.NODE_EXCLUDED.value
    ENDPOINTS_MOVED = Obstacle.NO_ENDPOINT.value
    """With externalTrafficPolicy Local: the former owner has no usable endpoint any more."""
    CONFIG_CHANGED = Obstacle.NOT_SELECTED.value
    """The pool, or the subnets that nodes list, no longer admit the former owner, or other nodes are preferred."""
    PREFERRED_NODE = "preferredNode"
    """The Service prefers the new owner, or the former one no longer."""
    MEMBER_JOINED = "memberJoined"
    """The new owner could not have had it before, and comes before the former one."""
    SPREAD = "spread"
    """Both could have had it: the addresses are spread anew."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with an address: who answers, who could, whom its Services prefer."""

    owner: str | None = None
    present: Collection[str] = ()
    preferred: str = ""
    scores: Scores = EVEN


def cause(before: Standing, after: Standing, obstacle: Obstacle | None) -> Cause:
    """Name what gave an address to its owner of now; `obstacle` is what keeps the former one from it."""
    if before.owner is None:
        return Cause.FIRST_ASSIGNMENT
    if obstacle:
        return Cause(obstacle.value)
    if before.preferred != after.preferred and {before.preferred, after.preferred} & {before.owner, after.owner}:
        return Cause.PREFERRED_NODE
    if before.scores != after.scores:
        return Cause.CONFIG_CHANGED
    if after.owner not in before.present:
        return Cause.MEMBER_JOINED
    return Cause.SPREAD
