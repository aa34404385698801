"""What a daemon is told when it starts."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metalpy.allocation.allocator import OnConflict
from metalpy.announcement.candidates import Rules
from metalpy.cluster.credentials import Reading
from metalpy.config.source import ConfigSource

if TYPE_CHECKING:
    import re
    from collections.abc import AsyncIterator
    from pathlib import Path

    from metalpy.cluster.interface import Cluster
    from metalpy.cluster.lease import Lease
    from metalpy.cluster.traffic import Traffic


DEFAULT_PORT = 7472


@dataclass(frozen=True, slots=True)
class Manifests:
    """A cluster in a directory of manifests, and the directory for what metalpy adds to it."""

    directory: Path
    state: Path


@dataclass(frozen=True, slots=True)
class ApiServer:
    """A cluster on an API server; without a kubeconfig the one that this pod belongs to."""

    kubeconfig: Path | None = None
    slices: bool = True
    """Whether EndpointSlices may be read; Endpoints are else."""


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Where the cluster lives, and where in it the configuration is."""

    home: Manifests | ApiServer
    namespace: str
    config_name: str | None = None
    """None: `config`, or `metallb-config` where only that one exists."""
    lb_class: str = ""
    """The `spec.loadBalancerClass` that is ours; empty: Services that name none are."""
    source: ConfigSource = ConfigSource.CONFIGMAP
    pod_name: str = ""
    pod_uid: str = ""
    """The Pod that this runs in; what is shown in objects of an API server goes with it."""

    def begin(self) -> Reading | None:
        """Have the credentials read for an API server, while the caller does something else."""
        return None if isinstance(self.home, Manifests) else Reading(self.home.kubeconfig)

    @asynccontextmanager
    async def open(self, traffic: Traffic, *, node: str = "", reading: Reading | None = None) -> AsyncIterator[Cluster]:
        """Open the cluster for a node's speaker, or for a controller; `traffic` counts what goes over an API server.

        `reading`: what `begin` gave, if that was called. Each kind of cluster is imported by who has it.
        """
        if isinstance(self.home, Manifests):
            from metalpy.cluster.manifests import ManifestCluster  # noqa: PLC0415 - see above

            yield ManifestCluster(
                self.home.directory,
                self.home.state,
                namespace=self.namespace,
                config_name=self.config_name,
                source=self.source,
                writer=not node,
            )
            return
        from metalpy.cluster.api_session import ApiSession  # noqa: PLC0415 - see above
        from metalpy.cluster.kubernetes import KubernetesCluster  # noqa: PLC0415 - see above
        from metalpy.cluster.state_objects import Writer  # noqa: PLC0415 - see above

        async with ApiSession(await (reading or Reading(self.home.kubeconfig)).credentials(), traffic) as session:
            await session.answers()
            yield KubernetesCluster(
                session,
                namespace=self.namespace,
                config_name=self.config_name,
                source=self.source,
                for_speaker=bool(node),
                slices=self.home.slices,
                writer=Writer(node, self.pod_name, self.pod_uid),
            )


@dataclass(frozen=True, slots=True)
class SecretSettings:
    """The memberlist secret to create, and the Deployment that owns it; an empty name: none."""

    name: str = ""
    deployment: str = ""


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """How a controller works; without `leadership` it works at once and alone."""

    on_conflict: OnConflict = OnConflict.REFUSE
    leadership: Lease | None = None
    secret: SecretSettings = field(default_factory=SecretSettings)


@dataclass(frozen=True, slots=True)
class Parting:
    """How routes go when the speaker is asked to end: after `drain_s` seconds, in which they may say so (RFC 8326)."""

    drain_s: float = 0.0
    graceful_shutdown: bool = False


@dataclass(frozen=True, slots=True)
class BGPSettings:
    """The gobgpd that a speaker drives: an executable to start, or the API of one that runs beside it."""

    gobgpd: Path | None = None
    directory: Path | None = None
    """Where a gobgpd of our own has its sockets."""
    target: str = ""
    """As gRPC writes it: `unix:///path`."""
    lease: Path | None = None
    """A file that says, by its age, to whoever runs that gobgpd whether a speaker is there."""
    restart_s: int = 0
    """How long routers keep the routes of a gobgpd that died; 0: no graceful restart but where a peer asks for it."""
    parting: Parting = field(default_factory=Parting)

    @property
    def is_offered(self) -> bool:
        """Tell whether there is a gobgpd at all."""
        return bool(self.gobgpd or self.target)


@dataclass(frozen=True, slots=True)
class SpeakerSettings:
    """Which node a speaker speaks for, on which interfaces (empty: all fit ones), beside which members."""

    node: str
    interfaces: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    layer2: Rules = field(default_factory=Rules)
    """Who may answer on the LAN: the same on every speaker."""
    excluded_interfaces: tuple[re.Pattern[str], ...] = ()
    """Interfaces in whose names one of these is found do not announce."""
    garp_interval_s: int = 0
    """How often addresses are announced on the LAN though nothing changed; 0: never."""
    probe_before_announce: bool = False
    """Whether the LAN is asked for an address before it is announced."""
    bgp: BGPSettings = field(default_factory=BGPSettings)


@dataclass(frozen=True, slots=True)
class HTTPSettings:
    """Where metrics and health are served; an empty host means all interfaces."""

    host: str = ""
    port: int = DEFAULT_PORT
