"""A speaker sees which speakers' Pods are ready, with the rights of deploy/, and does without where it may not look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from metalpy.cluster.api_session import ApiSession
from metalpy.cluster.interface import SpeakerPodChanged
from metalpy.cluster.kubernetes import KubernetesCluster
from metalpy.model import ObjectKey, SpeakerPod
from metalpy.observe.metrics import ApiMetrics
from tests.cluster.controllers import NAMESPACE, Site, deployed
from tests.unit.cluster.streams import Stream

if TYPE_CHECKING:
    from tests.lab.kube.control_plane import ControlPlane

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
LABELS = {"app": "metallb", "component": "speaker"}


def create_pod(api: ControlPlane, name: str, labels: dict[str, str]) -> None:
    spec = {"nodeName": "node1", "containers": [{"name": "speaker", "image": "speaker"}]}
    api.admin.create(PODS, {"metadata": {"name": name, "labels": labels}, "spec": spec})


def set_ready(api: ControlPlane, name: str, *, ready: bool) -> None:
    condition = {"type": "Ready", "status": str(ready)}
    api.admin.patch(f"{PODS}/{name}/status", {"status": {"conditions": [condition]}})


async def test_readiness_of_speakers_pods_is_followed(site: Site) -> None:
    create_pod(site.api, "speaker-1", LABELS)
    create_pod(site.api, "controller-1", {"app": "metallb", "component": "controller"})
    key, seen = ObjectKey(NAMESPACE, "speaker-1"), list[Any]()
    kubeconfig = site.api.service_account_kubeconfig(NAMESPACE, "speaker")
    async with await ApiSession.open(kubeconfig, ApiMetrics(CollectorRegistry())) as session:
        cluster = KubernetesCluster(session, namespace=NAMESPACE, for_speaker=True)
        async with Stream(cluster) as stream:

            async def until(pod: SpeakerPod | None) -> None:
                await stream.until(lambda: SpeakerPodChanged(key, pod) in stream.seen)
                seen.extend(change for change in stream.seen if isinstance(change, SpeakerPodChanged))
                stream.seen.clear()

            await until(SpeakerPod("node1", ready=False))
            set_ready(site.api, "speaker-1", ready=True)
            await until(SpeakerPod("node1"))
            site.api.admin.delete(f"{PODS}/speaker-1?gracePeriodSeconds=0")
            await until(None)

    assert {change.key for change in seen} == {key}


async def test_speaker_that_may_not_watch_pods_says_so_and_sees_the_rest(site: Site) -> None:
    roles = {each["metadata"]["name"]: each for each in deployed("rbac.yaml") if each["kind"] == "Role"}
    site.api.apply({**roles["pod-lister"], "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]})
    site.api.admin.create("/api/v1/nodes", {"metadata": {"name": "node1"}})
    kubeconfig = site.api.service_account_kubeconfig(NAMESPACE, "speaker")
    with capture_logs() as logs:
        async with await ApiSession.open(kubeconfig, ApiMetrics(CollectorRegistry())) as session:
            cluster = KubernetesCluster(session, namespace=NAMESPACE, for_speaker=True)
            async with Stream(cluster) as stream:
                await stream.synced()
                assert set(stream.nodes) == {"node1"}

    assert [line for line in logs if line["event"].startswith("watching pods is not granted")]
