"""What a run reads from an API server: the ConfigMap, nodes, Services, and the custom resources that there are."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from configmaptocrs.cluster_files import known_services, nodes_of
from configmaptocrs.failure import ConversionError
from configmaptocrs.source import Source
from metalpy.cluster.api_session import ApiSession
from metalpy.cluster.lists import objects_in
from metalpy.cluster.objects import config_from
from metalpy.cluster.resources import resource_from, resource_set
from metalpy.cluster.served import served_kinds
from metalpy.cluster.traffic import Uncounted
from metalpy.config.configmap import config_text, possible_names
from metalpy.config.document import compose
from metalpy.config.references import secret_named_by
from metalpy.config.resource_objects import BASIC_AUTH
from metalpy.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from configmaptocrs.cluster_files import KnownNode
    from configmaptocrs.objects import Object
    from metalpy.model import Service


@asynccontextmanager
async def connected(kubeconfig: str) -> AsyncIterator[ApiSession]:
    """Open a session by a kubeconfig, or by the pod's credentials, as the daemons do. Raises `ClusterError`."""
    async with await ApiSession.open(Path(kubeconfig) if kubeconfig else None, Uncounted()) as session:
        yield session


async def source_in(session: ApiSession, namespace: str, name: str) -> Source:
    """Read the ConfigMap; without a name the one that the daemons would take. Raises `ConversionError`."""
    names = possible_names(name)
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for each in names:
        # A list of one, since the daemons are granted no more.
        for found in await objects_in(session, path, {"fieldSelector": f"metadata.name={each}"}):
            try:
                return Source(compose(config_text(config_from(found).data or {})), namespace)
            except ConfigError as error:
                where = f"ConfigMap {namespace}/{each}"
                raise ConversionError(*(problem.describe(where) for problem in error.problems)) from None
    raise ConversionError(f"there is no ConfigMap {' or '.join(f'{namespace}/{each}' for each in names)}")


async def cluster_nodes(session: ApiSession) -> list[KnownNode]:
    """Read the nodes. Raises `ConversionError`, also for none."""
    nodes = nodes_of(await objects_in(session, "/api/v1/nodes"), "the cluster")
    if not nodes:
        raise ConversionError("the cluster has no nodes: nothing would be compared")
    return nodes


async def cluster_services(session: ApiSession) -> list[Service]:
    """Read the Services of type LoadBalancer."""
    return known_services(await objects_in(session, "/api/v1/services"), "the cluster")


async def held_resources(session: ApiSession, namespace: str, *, with_secrets: bool) -> list[Object]:
    """Read the custom resources of a namespace, and the Secrets that its BGPPeers name if asked to."""
    resources: list[Object] = []
    for kind, served in sorted((await served_kinds(session)).items()):
        found = await objects_in(session, served.path(namespace))
        resources += [resource_from(obj, kind, served.api_version) for obj in found]
    secrets: list[Object] = []
    if with_secrets and any(map(secret_named_by, resources)):
        path = f"/api/v1/namespaces/{namespace}/secrets"
        found = await objects_in(session, path, {"fieldSelector": f"type={BASIC_AUTH}"})
        secrets = [resource_from(obj, "Secret", "v1") for obj in found]
    return [dict(obj) for obj in resource_set(namespace, resources, secrets).objects]
