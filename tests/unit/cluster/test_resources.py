"""Custom resources in a directory of manifests, in one set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalpy.cluster.interface import ConfigChanged, ResourcesChanged
from metalpy.cluster.manifests import ManifestCluster
from metalpy.config.source import ConfigSource
from metalpy.model import ObjectKey
from tests.unit.cluster.dumps import NAMESPACE, config_map
from tests.unit.cluster.streams import Stream

if TYPE_CHECKING:
    from pathlib import Path

CONFIGMAP = ConfigChanged(ObjectKey(NAMESPACE, "config"), {"config": ""})

POOL = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: first, namespace: metallb-system, labels: {a: b}, resourceVersion: "7"}
spec: {addresses: [10.0.0.0/24]}
status: {assignedIPv4: 7}
"""
PEER = """\
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: router, namespace: metallb-system}
spec: {myASN: 1, peerASN: 2, peerAddress: 10.9.0.1, passwordSecret: {name: wanted}}
"""
BASIC_AUTH = """\
---
apiVersion: v1
kind: Secret
type: kubernetes.io/basic-auth
metadata: {{name: {name}, namespace: {namespace}}}
stringData: {{password: x}}
"""


def following(directory: Path, state: Path, source: ConfigSource) -> ManifestCluster:
    return ManifestCluster(directory, state, namespace=NAMESPACE, source=source)


def names(change: object) -> list[str]:
    assert isinstance(change, ResourcesChanged)
    return [f"{obj['kind']}/{obj['metadata']['name']}" for obj in change.objects]


async def test_set_holds_the_resources_and_the_secrets_that_they_name(directory: Path, state: Path) -> None:
    secrets = (("wanted", NAMESPACE), ("other", NAMESPACE), ("wanted", "default"))
    (directory / "a.yaml").write_text(PEER + "".join(BASIC_AUTH.format(name=n, namespace=ns) for n, ns in secrets))
    (directory / "b.yaml").write_text(POOL)

    async with Stream(following(directory, state, ConfigSource.CRS)) as stream:
        await stream.synced()

        assert names(stream.config) == ["BGPPeer/router", "IPAddressPool/first", "Secret/wanted"]
        assert isinstance(stream.config, ResourcesChanged)
        pool = stream.config.objects[1]
        assert pool["metadata"] == {"name": "first", "namespace": NAMESPACE, "labels": {"a": "b"}}
        assert "status" not in pool


async def test_status_of_a_pool_is_no_change_and_its_spec_is(directory: Path, state: Path) -> None:
    (directory / "a.yaml").write_text(POOL)
    async with Stream(following(directory, state, ConfigSource.CRS)) as stream:
        await stream.synced()
        seen = len(stream.seen)
        (directory / "a.yaml").write_text(POOL.replace("assignedIPv4: 7", "assignedIPv4: 8"))
        (directory / "b.yaml").write_text(PEER)

        await stream.until(lambda: names(stream.config) == ["BGPPeer/router", "IPAddressPool/first"])

        assert len(stream.seen) == seen + 1


async def test_namespaces_are_in_the_set_where_a_pool_selects_some(directory: Path, state: Path) -> None:
    namespaces = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
    selecting = POOL.replace("10.0.0.0/24]", "10.0.0.0/24], serviceAllocation: {namespaceSelectors: [{}]}")
    (directory / "a.yaml").write_text(POOL + namespaces)

    async with Stream(following(directory, state, ConfigSource.CRS)) as stream:
        await stream.synced()
        assert names(stream.config) == ["IPAddressPool/first"]

        (directory / "a.yaml").write_text(selecting + namespaces)
        await stream.until(lambda: names(stream.config) == ["IPAddressPool/first", "Namespace/shop"])
        assert isinstance(stream.config, ResourcesChanged)
        assert stream.config.objects[1]["metadata"]["labels"] == {"kubernetes.io/metadata.name": "shop"}


async def test_object_without_a_namespace_is_in_the_default_one(directory: Path, state: Path) -> None:
    (directory / "a.yaml").write_text(POOL.replace("namespace: metallb-system, ", ""))

    async with Stream(following(directory, state, ConfigSource.CRS)) as stream:
        await stream.synced()

        assert isinstance(stream.config, ResourcesChanged)
        assert [obj["metadata"]["namespace"] for obj in stream.config.objects] == ["default"]


async def test_by_default_only_the_configmap_is_read(directory: Path, state: Path) -> None:
    (directory / "a.yaml").write_text(POOL)
    async with Stream(following(directory, state, ConfigSource.CONFIGMAP)) as stream:
        await stream.synced()
        assert stream.config is None


async def test_auto_goes_from_the_configmap_to_the_resources_and_back(directory: Path, state: Path) -> None:
    (directory / "a.yaml").write_text(POOL)
    (directory / "config.yaml").write_text(config_map())
    async with Stream(following(directory, state, ConfigSource.AUTO)) as stream:
        await stream.synced()
        assert isinstance(stream.config, ConfigChanged)

        (directory / "config.yaml").unlink()
        await stream.until(lambda: isinstance(stream.config, ResourcesChanged))
        (directory / "config.yaml").write_text(config_map())
        await stream.until(lambda: isinstance(stream.config, ConfigChanged))
        (directory / "config.yaml").unlink()
        await stream.until(lambda: isinstance(stream.config, ResourcesChanged))
        (directory / "a.yaml").write_text(PEER)
        await stream.until(lambda: stream.config == ResourcesChanged(NAMESPACE))
