"""What a daemon needs of a cluster, wherever the cluster lives: changes come in, results go out.

A cluster is read as one stream of batches. The first batches hold everything that there is, in any order,
then comes `Synced`, then every later change. `ConfigSynced` may come before that. An object that could not be
read is reported once in the log and keeps its last readable form. Nothing here decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from metalpy.announcement.states import Shown
    from metalpy.model import Endpoint, Event, Ingress, Node, ObjectKey, Service, SpeakerPod


@dataclass(frozen=True, slots=True)
class ServiceChanged:
    """A Service came, changed or, with None, went."""

    key: ObjectKey
    service: Service | None


@dataclass(frozen=True, slots=True)
class EndpointsChanged:
    """All endpoints behind one Service; None where the cluster has no object for them."""

    service: ObjectKey
    endpoints: tuple[Endpoint, ...] | None


@dataclass(frozen=True, slots=True)
class NodeChanged:
    """A node came, changed or, with None, went."""

    name: str
    node: Node | None


@dataclass(frozen=True, slots=True)
class SpeakerPodChanged:
    """A speaker's Pod came, changed or, with None, went. A cluster may know of none."""

    key: ObjectKey
    pod: SpeakerPod | None


@dataclass(frozen=True, slots=True)
class ConfigChanged:
    """The ConfigMap came, changed or, with `data` None, went. `data` are its keys and texts."""

    key: ObjectKey
    data: Mapping[str, str] | None
    uid: str = ""


@dataclass(frozen=True, slots=True)
class ResourcesChanged:
    """The custom resources of `metallb.io` came, changed or went: all that there are, as one set, by kind and name.

    `objects` are decoded JSON, those Secrets among them that BGPPeers name, and all Namespaces if a pool selects some
    by their labels. Where `secrets_unseen`, Secrets could not be looked at: those that are named are taken to be
    there. Where `namespaces_unseen`, Namespaces should have been looked at and could not.
    """

    namespace: str
    objects: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    secrets_unseen: bool = False
    namespaces_unseen: bool = False


@dataclass(frozen=True, slots=True)
class ConfigSynced:
    """The configuration and the nodes that were there at the start have been reported, Services perhaps not yet."""


@dataclass(frozen=True, slots=True)
class Synced:
    """Everything that was there at the start has been reported."""


AnyConfigChanged = ConfigChanged | ResourcesChanged
Change = ServiceChanged | EndpointsChanged | NodeChanged | SpeakerPodChanged | AnyConfigChanged | ConfigSynced | Synced


class Cluster(Protocol):
    """One cluster. Calls raise `ClusterError` when it cannot be reached just now."""

    def changes(self) -> AsyncIterator[Sequence[Change]]:
        """Yield batches of changes for ever, the present state first."""
        ...

    async def write_ingress(self, service: Service, ingress: tuple[Ingress, ...]) -> None:
        """Make `ingress` the Service's `status.loadBalancer.ingress`; everything else of it stays."""
        ...

    async def status_writers(self, key: ObjectKey) -> tuple[str, ...]:
        """Name who wrote a Service's `status.loadBalancer` as it is now; empty where nobody knows."""
        ...

    def show(self, shown: Shown) -> None:
        """Let objects of the cluster say this of the daemon, soon, where it has kinds for that."""
        ...

    async def emit(self, event: Event) -> None:
        """Tell the users of an object something; equal events are counted, not repeated."""
        ...
