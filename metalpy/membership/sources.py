"""Where it is known from which nodes' speakers are alive."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from metalpy.announcement.speakers import Speakers, shown_alive

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from metalpy.model import Node, SpeakerPod


class Membership(Protocol):
    """One source of that knowledge."""

    def speakers(self, nodes: Mapping[str, Node], pods: Collection[SpeakerPod]) -> Speakers:
        """Tell who is alive now, given what the cluster shows of nodes and of speakers' Pods."""
        ...

    async def changed(self) -> None:
        """Return when `speakers` may be another for a reason that is not in the cluster; never, if there is none."""
        ...


class StaticMembers:
    """The nodes that the operator named, dead or alive, and no others."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    def speakers(self, nodes: Mapping[str, Node], pods: Collection[SpeakerPod]) -> Speakers:
        """Give the names, whatever the cluster shows."""
        del pods
        return Speakers(self._names, dict(nodes))

    async def changed(self) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()


class ClusterMembers:
    """Whom the cluster itself shows alive: ready nodes with a ready speaker's Pod.

    What readiness of a Pod adds to the node's: a node on which no speaker runs, or one that hangs, is no candidate.
    It needs `list` and `watch` on Pods in the speakers' namespace. Under the rights of MetalLB up to 0.12, which
    granted `list` alone, no Pods are followed and readiness of nodes has to do.

    Every node that the cluster shows keeps its place while it is away. Nodes on which no speaker is ever to run are
    best labelled out of load balancing.
    """

    def __init__(self, own: str) -> None:
        self._own = own

    def speakers(self, nodes: Mapping[str, Node], pods: Collection[SpeakerPod]) -> Speakers:
        """Read it off the nodes and Pods."""
        return Speakers(shown_alive(nodes, pods, self._own), dict(nodes), frozenset(nodes))

    async def changed(self) -> None:
        """Wait for ever: the cluster tells by itself."""
        await asyncio.Event().wait()
