"""From the ConfigMap to MetalLB 0.15.2: what is converted is taken by its CRDs, and no Service's address changes."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from configmaptocrs.cli import run
from tests.cluster.controllers import NAMESPACE, Site
from tests.lab.crds import install_crds
from tests.lab.kube.control_plane import ControlPlane
from tests.lab.kube.server import Server, free_ports
from tests.lab.parts import lab_binary
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVICES = "/api/v1/namespaces/default/services"
COUNT = int(os.environ.get("METALPY_MOVED", "60"))
"""Services that move; a multiple of 5. `make test-long` moves 200."""
CONVERGED_S = 60

CONFIG = """
peers:
- {my-asn: 64700, peer-asn: 64701, peer-address: 192.0.2.1, peer-port: 1790, source-address: 192.0.2.9,
   router-id: 192.0.2.9, ebgp-multihop: true, password: 0755, hold-time: 45s,
   node-selectors: [{match-labels: {rack: 012, edge: on}}, {match-expressions: [{key: spot, operator: Exists}]}]}
- {my-asn: 64700, peer-asn: 64700, peer-address: "2001:db8::1", router-id: 192.0.2.9, bfd-profile: 10-fast,
   hold-time: 0}
bfd-profiles:
- {name: 10-fast, receive-interval: 90, transmit-interval: 95, detect-multiplier: 4, minimum-ttl: 250}
bgp-communities: {ZETA: "64700:7", alpha: 64700:65000}
address-pools:
- {name: 7-edge, protocol: layer2, addresses: [10.20.0.0/26, 10.20.1.10-10.20.1.60], avoid-buggy-ips: true}
- {name: "42", protocol: layer2, addresses: [10.21.0.0/24], auto-assign: false}
- name: shop/front
  protocol: bgp
  addresses: [10.22.0.0/24]
  bgp-advertisements:
  - {aggregation-length: 32, localpref: 100, communities: [ZETA, 64700:8]}
  - {aggregation-length: 24}
"""


class _Throwaway(Site):
    """A site that nobody comes after: it is not emptied, which an API server with new CRDs is slow to allow."""

    def __exit__(self, *_: object) -> None:
        for controller in self._controllers:
            controller.kill()
        self._stack.close()


@pytest.fixture
def cluster() -> Iterator[ControlPlane]:
    with ControlPlane() as api:
        yield api


def _service(index: int) -> dict[str, Any]:
    annotations = {
        1: {"metallb.universe.tf/address-pool": "42"},
        2: {"metallb.universe.tf/allow-shared-ip": f"group-{index // 40}"},
        3: {"metallb.universe.tf/address-pool": "shop/front", "metallb.io/address-pool": "shop-front"},
    }.get(index % 5, {})
    spec: dict[str, Any] = {"type": "LoadBalancer", "ports": [{"port": 1000 + index}]}
    if index % 5 == 4:
        spec["loadBalancerIP"] = f"10.22.0.{index + 1}"
    return {"metadata": {"name": f"s{index}", "annotations": annotations}, "spec": spec}


def _addresses(api: ControlPlane) -> dict[str, list[str]]:
    return {
        one["metadata"]["name"]: [entry["ip"] for entry in one["status"].get("loadBalancer", {}).get("ingress", ())]
        for one in api.admin.get(SERVICES)["items"]
        if one["spec"]["type"] == "LoadBalancer"
    }


@pytest.mark.timeout(600)  # three controllers, one after the other, and Services made one by one
def test_every_service_of_a_cluster_keeps_its_address_when_metallb_takes_over(
    cluster: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with _Throwaway(cluster, tmp_path) as site:
        site.configure(CONFIG)
        for name, labels in (("n1", {"rack": "012", "edge": "on"}), ("n2", {"spot": "yes"}), ("n3", {})):
            cluster.admin.create("/api/v1/nodes", {"metadata": {"name": name, "labels": labels}})
        before = _given_by_metalpy(site)
        directory = ["-dir", str(tmp_path), "-names", "keep", "-target", "0.15.2", "-target-mode", "frr", "-fix"]
        for file, objects in (
            ("config.yaml", "configmap/config"),
            ("services.yaml", "services"),
            ("nodes.yaml", "nodes"),
        ):
            everywhere = ("-n", NAMESPACE) if file == "config.yaml" else ("-n", "default")
            (tmp_path / file).write_text(cluster.kubectl("get", objects, *everywhere, "-o", "yaml"), encoding="utf-8")
        files = ["-services", str(tmp_path / "services.yaml"), "-nodes", str(tmp_path / "nodes.yaml")]
        assert run([*directory, "-verify", *files]) == 0, capsys.readouterr().out
        assert run(directory) == 0, capsys.readouterr().err

        install_crds(cluster, with_long_asns=True)
        cluster.kubectl("apply", "--server-side", "-f", str(tmp_path / "resources.yaml"))
        _prove_what_the_api_server_holds(cluster, tmp_path, directory, capsys)

        controller = _start_metallb(cluster, tmp_path)
        try:
            cluster.admin.create(SERVICES, _service(COUNT))
            wait_until(lambda: _addresses(cluster)[f"s{COUNT}"], CONVERGED_S, "MetalLB serves a new Service")
            # It has looked at all the others by then, or does at its next pass over them, which the restart is.
            controller.kill()
            controller = _start_metallb(cluster, tmp_path)
            cluster.admin.create(SERVICES, _service(COUNT + 5))
            wait_until(lambda: _addresses(cluster)[f"s{COUNT + 5}"], CONVERGED_S, "MetalLB serves another one")
            after = _addresses(cluster)
        finally:
            controller.kill()
    assert {name: after[name] for name in before} == before


def _given_by_metalpy(site: Site) -> dict[str, list[str]]:
    controller = site.start()
    for index in range(COUNT):
        site.api.admin.create(SERVICES, _service(index))
    wait_until(lambda: all(_addresses(site.api).values()), CONVERGED_S, "every Service has an address")
    controller.kill()
    return _addresses(site.api)


def _prove_what_the_api_server_holds(
    cluster: ControlPlane, tmp_path: Path, directory: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = "ipaddresspools,bgppeers,bgpadvertisements,l2advertisements,bfdprofiles,communities"
    held = cluster.kubectl("get", f"{kinds}", "-n", NAMESPACE, "-o", "json")
    assert len(json.loads(held)["items"]) == 2 + 3 + 2 + 2 + 1 + 1
    (tmp_path / "held.json").write_text(held, encoding="utf-8")
    capsys.readouterr()
    assert run([*directory, "-verify", "-crs", str(tmp_path / "held.json")]) == 0, capsys.readouterr().out


def _start_metallb(api: ControlPlane, tmp_path: Path) -> Server:
    binary = str(lab_binary("metallb-0.15-controller"))
    alone = ["-webhook-mode", "disabled", "-disable-cert-rotation"]
    port = str(free_ports(1)[0])
    server = Server(
        [binary, "-kubeconfig", str(api.kubeconfig), "-namespace", NAMESPACE, "-port", port, *alone],
        tmp_path / f"metallb-{port}.log",
    )
    server.start(lambda: True, 1)
    return server
