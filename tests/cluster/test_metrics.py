"""The metrics page of a real controller: the reference's names, types and labels, all of them, and what is ours."""

from __future__ import annotations

import re
import urllib.request
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cluster.controllers import CONVERGED_S, PATIENT, Site
from tests.lab.kube.server import free_ports
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prometheus_client import Metric

    from tests.lab.kube.control_plane import ControlPlane

REFERENCE = {
    "metallb_k8s_client_updates_total": ("counter", set()),
    "metallb_k8s_client_update_errors_total": ("counter", set()),
    "metallb_k8s_client_config_loaded_bool": ("gauge", set()),
    "metallb_k8s_client_config_stale_bool": ("gauge", set()),
    "metallb_allocator_addresses_total": ("gauge", {"pool"}),
    "metallb_allocator_addresses_in_use_total": ("gauge", {"pool"}),
    "metallb_allocator_services_allocated_total": ("gauge", {"pool"}),
}
"""What MetalLB 0.12's controller has, and the alerts and dashboards made for it read."""

OURS = {
    "metallb_k8s_client_requests_total": ("counter", {"verb", "resource", "code"}),
    "metallb_k8s_client_lists_total": ("counter", {"resource"}),
    "metallb_k8s_client_watches_ended_total": ("counter", {"resource", "cause"}),
    "metallb_controller_status_contested_total": ("counter", set()),
    "metallb_controller_contested_services": ("gauge", set()),
}


class Scraped:
    """A page of metrics."""

    def __init__(self, port: int) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=CONVERGED_S) as page:
            self.text: str = page.read().decode()
        families: list[Metric] = list(text_string_to_metric_families(self.text))
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }
        self.types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", self.text, re.MULTILINE))
        self.labels: dict[str, set[str]] = {}
        for name, labels in self.samples:
            self.labels.setdefault(name, set()).update(label for label, _ in labels)

    def value(self, name: str, **labels: str) -> float:
        """Read one sample; 0 where there is none."""
        return self.samples.get((name, frozenset(labels.items())), 0.0)


@pytest.fixture
def site(api_server: ControlPlane, tmp_path: Path) -> Iterator[Site]:
    with Site(api_server, tmp_path) as made:
        made.configure("address-pools:\n- {name: default, protocol: layer2, addresses: [10.60.0.0/24]}\n")
        yield made


def test_page_has_the_references_metrics_by_name_type_and_labels_and_ours_beside_them(site: Site) -> None:
    (port,) = free_ports(1)
    site.service("nginx")
    site.start("--port", str(port), *PATIENT)
    site.await_addresses("nginx", "10.60.0.0")
    site.api.restart(crash=True)
    site.service("second")
    site.await_addresses("second", "10.60.0.1")
    page = Scraped(port)

    expected = REFERENCE | OURS
    ours = {name: kind for name, kind in page.types.items() if name.startswith("metallb_")}
    assert ours == {name: kind for name, (kind, _) in expected.items()}
    assert {name: page.labels[name] for name in expected if name in page.labels} == {
        name: labels for name, (_, labels) in expected.items() if name in page.labels
    }
    assert REFERENCE.keys() <= page.labels.keys(), "each has a sample"


def test_operator_sees_requests_by_kind_and_answer_and_why_watches_ended(site: Site) -> None:
    (port,) = free_ports(1)
    site.service("nginx")
    site.start("--port", str(port), "--leader-elect=false")
    site.await_addresses("nginx", "10.60.0.0")
    before = Scraped(port)
    assert before.value("metallb_k8s_client_requests_total", verb="patch", resource="services/status", code="200") == 1
    assert before.value("metallb_k8s_client_requests_total", verb="watch", resource="services", code="200") == 1
    assert before.value("metallb_k8s_client_lists_total", resource="services") == 1

    site.api.stop(crash=True)
    refused = {"verb": "list", "resource": "services", "code": "unreachable"}
    try:
        wait_until(
            lambda: Scraped(port).value("metallb_k8s_client_requests_total", **refused),
            CONVERGED_S,
            "requests that nobody answers are counted",
        )
    finally:
        site.api.start()
    assert Scraped(port).value("metallb_k8s_client_watches_ended_total", resource="services", cause="error") >= 1
