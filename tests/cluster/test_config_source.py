"""Custom resources as the configuration, on a real API server, under the rights that deploy/ grants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.controllers import CONVERGED_S, NAMESPACE, Site
from tests.lab.crds import install_our_crds
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.kube.control_plane import ControlPlane

CRS, AUTO = "--config-source=crs", "--config-source=auto"
POOLS = f"/apis/metallb.io/v1beta1/namespaces/{NAMESPACE}/ipaddresspools"
CONFIGMAP = f"/api/v1/namespaces/{NAMESPACE}/configmaps/config"
TEXT = "address-pools:\n- {name: legacy, protocol: layer2, addresses: [10.8.0.0/24]}\n"


@pytest.fixture
def site(defining: ControlPlane, tmp_path: Path) -> Iterator[Site]:
    with Site(defining, tmp_path, definitions=()) as made:
        yield made


def resource(kind: str, name: str, version: str = "v1beta1", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": f"metallb.io/{version}", "kind": kind, "metadata": metadata, "spec": spec}


def pool(name: str, *addresses: str, **spec: Any) -> dict[str, Any]:
    return resource("IPAddressPool", name, addresses=list(addresses), **spec)


def test_pool_applied_with_kubectl_gives_addresses_and_an_edit_is_in_force(site: Site) -> None:
    site.service("nginx")
    site.start(CRS).await_event("stateSynced")

    site.api.apply(pool("first-pool", "192.168.10.200-192.168.10.201"), resource("L2Advertisement", "example"))
    site.await_addresses("nginx", "192.168.10.200")
    site.service("second")
    site.await_addresses("second", "192.168.10.201")
    site.service("third")
    site.await_event("Service", "third", "AllocationFailed", 'pool "first-pool" is full')

    site.api.apply(pool("first-pool", "192.168.10.200-192.168.10.250"))
    site.await_addresses("third", "192.168.10.202")


def test_objects_applied_at_once_are_one_load(site: Site) -> None:
    controller = site.start(CRS)
    controller.await_event("stateSynced")

    site.api.apply(*(pool(f"pool-{number}", f"10.9.{number}.0/24") for number in range(20)))
    controller.await_event("configLoaded")
    site.service("last", annotations={"metallb.universe.tf/address-pool": "pool-19"})
    site.await_addresses("last", "10.9.19.0")

    loads = [line for line in controller.log() if line.get("event") == "configLoaded"]
    assert len(loads) < 5, "twenty objects are few changes"


def test_bad_object_is_told_on_it_and_the_last_good_set_stays(site: Site) -> None:
    site.api.apply(pool("good", "10.8.0.0/24"))
    site.service("nginx")
    site.start(CRS)
    site.await_addresses("nginx", "10.8.0.0")

    site.api.apply(pool("later-bad", "10.8.0.128/25"))
    event = site.await_event("IPAddressPool", "later-bad", "ConfigInvalid", "spec.addresses[0]", namespace=NAMESPACE)
    assert event["involvedObject"]["apiVersion"] == "metallb.io/v1beta1"
    uid = site.api.admin.get(f"{POOLS}/later-bad")["metadata"]["uid"]
    assert event["involvedObject"]["uid"] == uid
    site.service("second")
    site.await_addresses("second", "10.8.0.1")

    site.api.kubectl("-n", NAMESPACE, "delete", "ipaddresspool", "later-bad")
    site.api.apply(resource("L2Advertisement", "odd", ipAddressPools=["good", "good"]))
    site.await_event("L2Advertisement", "odd", "ConfigInvalid", "spec.ipAddressPools[1]", namespace=NAMESPACE)


def test_pool_follows_the_labels_of_namespaces(site: Site) -> None:
    site.api.apply(
        pool("red", "10.8.0.0/24", serviceAllocation={"namespaceSelectors": [{"matchLabels": {"tint": "red"}}]})
    )
    site.service("nginx")
    controller = site.start(CRS)
    controller.await_event("configLoaded")
    site.await_event("Service", "nginx", "AllocationFailed", "")

    site.api.kubectl("label", "namespace", "default", "tint=red")
    site.await_addresses("nginx", "10.8.0.0")
    site.api.kubectl("label", "namespace", "default", "tint-")


def test_set_that_drops_an_assigned_address_is_refused(site: Site) -> None:
    site.api.apply(pool("first", "10.8.0.0/24"))
    site.service("nginx")
    site.start(CRS)
    site.await_addresses("nginx", "10.8.0.0")

    site.api.apply(pool("first", "10.9.0.0/24"))
    site.await_event("IPAddressPool", "first", "ConfigConflict", "default/nginx", namespace=NAMESPACE)
    assert site.addresses("nginx") == ["10.8.0.0"]

    site.api.admin.delete("/api/v1/namespaces/default/services/nginx")
    site.service("next")
    site.await_addresses("next", "10.9.0.0")


@pytest.mark.parametrize("flag", ["--on-conflict=refuse", "--on-conflict=release"])
def test_deletion_of_all_pools_touches_no_service_nor_does_a_restart(site: Site, flag: str) -> None:
    site.api.apply(pool("first", "10.8.0.0/24"))
    site.service("nginx")
    before = len(site.writes())
    first = site.start(CRS, flag, "--leader-elect-identity=me")
    site.await_addresses("nginx", "10.8.0.0")
    site.await_writes(before + 1)

    site.api.kubectl("-n", NAMESPACE, "delete", "ipaddresspool", "first")
    first.await_event("configStale")
    first.kill()
    second = site.start(CRS, flag, "--leader-elect-identity=me")
    second.await_log(lambda line: "configuration is missing" in line["msg"], "the lack of pools is told")
    site.api.apply(pool("other", "10.9.0.0/24"))
    site.service("fresh")
    site.await_addresses("fresh", "10.9.0.0")

    assert site.addresses("nginx") == ["10.8.0.0"], "within the grace: the rest of the pools may be on its way"
    site.await_writes(before + 2)
    assert len(site.writes()) == before + 2


def test_auto_reads_the_configmap_while_there_is_one_and_then_the_pools(site: Site) -> None:
    site.configure(TEXT)
    site.api.apply(pool("wide", "10.8.0.0/16", autoAssign=True))
    site.service("nginx")
    controller = site.start(AUTO)
    site.await_addresses("nginx", "10.8.0.0")
    (loaded,) = (line for line in controller.log() if line.get("event") == "configLoaded")
    assert loaded["configmap"] == f"{NAMESPACE}/config"

    site.api.admin.delete(CONFIGMAP)
    controller.await_log(lambda line: line.get("resources") == NAMESPACE, "the custom resources are loaded")
    site.service("asks", loadBalancerIP="10.8.200.1")
    site.await_addresses("asks", "10.8.200.1")
    assert site.addresses("nginx") == ["10.8.0.0"]


def test_definitions_that_are_installed_later_are_noticed(site: Site) -> None:
    site.api.kubectl("delete", "-f", "deploy/crds/")
    site.service("nginx")
    site.start(CRS).await_event("stateSynced")

    install_our_crds(site.api)
    site.api.apply(pool("first", "10.8.0.0/24"))

    site.await_addresses("nginx", "10.8.0.0")


def test_schema_refuses_what_is_out_of_range(site: Site) -> None:
    peer = {"myASN": 64700, "peerASN": 64701, "peerAddress": "192.0.2.1"}
    for kind, version, spec, words in (
        ("BGPPeer", "v1beta2", {**peer, "peerPort": 20179}, "peerPort"),
        ("BGPPeer", "v1beta2", {"peerASN": 64701}, "myASN"),
        ("BGPAdvertisement", "v1beta1", {"aggregationLength": 0}, "aggregationLength"),
        ("BFDProfile", "v1beta1", {"receiveInterval": 9}, "receiveInterval"),
        ("BFDProfile", "v1beta1", {"detectMultiplier": 256}, "detectMultiplier"),
        ("IPAddressPool", "v1beta1", {}, "addresses"),
    ):
        with pytest.raises(Exception, match=words):
            site.api.apply(resource(kind, "odd", version, **spec))
    site.api.apply(resource("BGPPeer", "even", "v1beta2", **{**peer, "myASN": 2**32 - 1}))

    held = site.api.admin.get(f"/apis/metallb.io/v1beta2/namespaces/{NAMESPACE}/bgppeers/even")
    assert held["spec"]["peerPort"] == 179


def test_controller_needs_no_password_of_a_peer(site: Site) -> None:
    secret = {"name": "router", "namespace": NAMESPACE}
    spec: dict[str, Any] = {"myASN": 64700, "peerASN": 64701, "peerAddress": "192.0.2.1", "passwordSecret": secret}
    site.api.apply(pool("first", "10.8.0.0/24"), resource("BGPPeer", "router", "v1beta2", **spec))
    site.service("nginx")
    site.start(CRS)

    site.await_addresses("nginx", "10.8.0.0")
    asked = [record for record in site.api.audited() if record.get("objectRef", {}).get("resource") == "secrets"]
    mine = [record for record in asked if record["user"].get("username", "").endswith(":controller")]
    wait_until(lambda: not [record for record in mine if record["verb"] == "watch"], CONVERGED_S, "no secret is read")
