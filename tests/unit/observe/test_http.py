"""The HTTP port: the reference's metric names, and health that means something."""

from __future__ import annotations

from ipaddress import ip_address

import aiohttp
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from metalpy.model import ObjectKey, Protocol
from metalpy.observe import http
from metalpy.observe.metrics import AllocatorMetrics, ClientMetrics, Layer2Metrics, SpeakerMetrics
from tests.lab.kube.server import free_ports


async def _get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def test_metrics_have_the_reference_names_and_types() -> None:
    registry = CollectorRegistry()
    client = ClientMetrics(registry)
    AllocatorMetrics(registry)
    SpeakerMetrics(registry, "node1").read(
        {Protocol.LAYER2: {ObjectKey("default", "nginx"): (ip_address("10.0.0.1"),)}}
    )
    layer2 = Layer2Metrics(registry)
    page = http.Page(registry)
    (port,) = free_ports(1)

    async def count() -> None:
        layer2.show({"10.0.0.1": (7, 6, 5)}, {"10.0.0.1": 2})

    page.asks(count)
    client.updates.inc()
    async with http.serving(page, http.Readiness(), "127.0.0.1", port):
        status, text = await _get(port, "/metrics")

    assert status == 200
    lines = text.splitlines()
    assert "metallb_k8s_client_updates_total 1.0" in lines
    assert "# TYPE metallb_k8s_client_updates_total counter" in lines
    assert "# TYPE metallb_allocator_addresses_in_use_total gauge" in lines
    announced = 'metallb_speaker_announced{ip="10.0.0.1",node="node1",protocol="layer2",service="default/nginx"} 1.0'
    assert announced in lines
    for name, value in (("requests_received", 7), ("responses_sent", 6), ("gratuitous_sent", 5)):
        assert f"# TYPE metallb_layer2_{name} counter" in lines
        assert f'metallb_layer2_{name}{{ip="10.0.0.1"}} {value}.0' in lines
    assert 'metalpy_layer2_address_conflicts_total{ip="10.0.0.1"} 2.0' in lines


async def test_ready_only_when_nothing_is_waited_for() -> None:
    synced = False
    readiness = http.Readiness()
    readiness.waits_for("caches synced", lambda: synced)
    (port,) = free_ports(1)

    async with http.serving(http.Page(CollectorRegistry()), readiness, "127.0.0.1", port):
        assert await _get(port, "/healthz") == (200, "ok\n")
        assert await _get(port, "/readyz") == (503, "not yet: caches synced\n")
        synced = True
        assert await _get(port, "/readyz") == (200, "ok\n")


async def test_port_in_use_is_told_and_the_program_goes_on() -> None:
    (port,) = free_ports(1)
    page, readiness = http.Page(CollectorRegistry()), http.Readiness()

    async with http.serving(page, readiness, "127.0.0.1", port):
        with capture_logs() as logs:
            async with http.serving(page, readiness, "127.0.0.1", port):
                pass

    assert [(line["op"], line["address"]) for line in logs] == [("listenAndServe", f"127.0.0.1:{port}")]
