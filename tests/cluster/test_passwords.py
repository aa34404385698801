"""A speaker reads the Secrets that BGPPeers name, where that is granted, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from metalpy.cluster.api_session import ApiSession
from metalpy.cluster.interface import ConfigSynced, ResourcesChanged
from metalpy.cluster.kubernetes import KubernetesCluster
from metalpy.config.resource_peers import Surroundings
from metalpy.config.resources import parse_resource_objects
from metalpy.config.source import ConfigSource
from metalpy.observe.metrics import ApiMetrics
from tests.cluster.controllers import DEPLOY, NAMESPACE, Site
from tests.unit.cluster.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.kube.control_plane import ControlPlane


@pytest.fixture
def site(defining: ControlPlane, tmp_path: Path) -> Iterator[Site]:
    with Site(defining, tmp_path, definitions=()) as made:
        yield made


def secret(name: str, password: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/basic-auth",
        "metadata": metadata,
        "stringData": {"username": "", "password": password},
    }


def peer() -> dict[str, Any]:
    spec = {"myASN": 1, "peerASN": 2, "peerAddress": "10.9.0.1", "passwordSecret": {"name": "router"}}
    metadata = {"name": "router", "namespace": NAMESPACE}
    return {"apiVersion": "metallb.io/v1beta2", "kind": "BGPPeer", "metadata": metadata, "spec": spec}


def passwords(change: object) -> list[str]:
    assert isinstance(change, ResourcesChanged)
    parsed = parse_resource_objects(change.objects, Surroundings(NAMESPACE))
    return [each.password for each in parsed.config.peers]


def kinds(change: object) -> list[str]:
    assert isinstance(change, ResourcesChanged)
    return [obj["kind"] for obj in change.objects]


async def test_password_is_read_and_its_change_too(site: Site) -> None:
    site.api.apply(*yaml.safe_load_all((DEPLOY / "passwords" / "rbac.yaml").read_text(encoding="utf-8")))
    site.api.apply(peer(), secret("router", "first"), secret("other", "not ours"))
    kubeconfig = site.api.service_account_kubeconfig(NAMESPACE, "speaker")
    async with await ApiSession.open(kubeconfig, ApiMetrics(CollectorRegistry())) as session:
        cluster = KubernetesCluster(session, namespace=NAMESPACE, source=ConfigSource.CRS, for_speaker=True)
        async with Stream(cluster) as stream:
            await stream.synced()
            assert kinds(stream.config) == ["BGPPeer", "Secret"]
            assert passwords(stream.config) == ["first"]
            # Sessions may begin when the configuration is complete, passwords included.
            assert stream.config in stream.seen[: stream.seen.index(ConfigSynced())]

            site.api.apply(secret("router", "second"))
            await stream.until(lambda: passwords(stream.config) == ["second"])


async def test_without_the_right_no_secret_is_there_and_the_rest_is(site: Site) -> None:
    site.api.apply(peer(), secret("router", "first"))
    kubeconfig = site.api.service_account_kubeconfig(NAMESPACE, "speaker")
    async with await ApiSession.open(kubeconfig, ApiMetrics(CollectorRegistry())) as session:
        cluster = KubernetesCluster(session, namespace=NAMESPACE, source=ConfigSource.CRS, for_speaker=True)
        async with Stream(cluster) as stream:
            await stream.synced()
            assert kinds(stream.config) == ["BGPPeer"]
