"""Which nodes there are, and on which of them a speaker is alive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metalpy.model import Node, SpeakerPod


@dataclass(frozen=True, slots=True)
class Speakers:
    """The nodes whose speakers are alive, what the cluster says of nodes, and those that may become alive again.

    A node of which `nodes` says nothing has no labels and a network.
    """

    alive: frozenset[str]
    nodes: Mapping[str, Node]
    away: frozenset[str] = frozenset()
    """Their places are kept for them."""

    @property
    def names(self) -> frozenset[str]:
        """Every node that counts, alive or away."""
        return self.alive | self.away

    def labels(self, name: str) -> dict[str, str]:
        """Give the labels of a node."""
        node = self.nodes.get(name)
        return dict(node.labels) if node else {}


def shown_alive(nodes: Mapping[str, Node], pods: Iterable[SpeakerPod], own: str) -> frozenset[str]:
    """Name the nodes whose speakers a cluster shows alive.

    These are the nodes that are ready and have a ready speaker's Pod. While no such Pod is ready at all (the
    cluster shows none, or their probes are wrong) readiness of Pods says nothing, and all nodes that are ready
    count: better a node too many than an address without any. A cluster that shows no nodes is this node alone.
    """
    with_pod = {pod.node for pod in pods if pod.ready}
    if not nodes:
        return frozenset(with_pod or (own,))
    ready = frozenset(name for name, node in nodes.items() if node.ready)
    return ready & with_pod if with_pod else ready
