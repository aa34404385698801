from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from metalpy.cluster.manifest_text import documents_of
from metalpy.cluster.objects import (
    config_from,
    endpoints_from_endpoints,
    endpoints_from_slice,
    ingress_from,
    ingress_to,
    node_from,
    service_from,
    speaker_pod_from,
    status_from,
    status_managers,
    status_to,
)
from metalpy.cluster.reading import key_from
from metalpy.errors import ManifestError
from metalpy.model import Endpoint, Ingress, NewerWishes, Node, ObjectKey, Service, ServicePort, SpeakerPod
from tests.unit.cluster.dumps import ENDPOINTS, NODE, SERVICE_DUMP, SLICE_DUMP


def minimal(**spec: Any) -> dict[str, Any]:
    return {"kind": "Service", "metadata": {"name": "nginx"}, "spec": spec}


def test_dumped_service_gives_every_field_that_a_load_balancer_reads() -> None:
    service = service_from(next(documents_of(SERVICE_DUMP)))

    extra = '{"ipMode":"VIP","ports":[{"port":80,"protocol":"TCP"}]}'
    assert service == Service(
        key=ObjectKey("shop", "nginx"),
        labels=(("app", "nginx"),),
        uid="0b5c9a4e-7a3c-4b53-9c39-52d5ad01d2b1",
        resource_version="18204",
        created="2022-03-01T09:12:44Z",
        type="LoadBalancer",
        load_balancer_class="metallb.io/bare",
        cluster_ips=("10.96.14.7",),
        ports=(ServicePort("TCP", 80), ServicePort("UDP", 443)),
        selector=(("app", "nginx"), ("tier", "front")),
        external_traffic_policy="Local",
        wanted_pool="lbpool",
        wanted_ips="11.11.11.151",
        sharing_key="dns",
        ingress=(Ingress(ip="11.11.11.151", extra=extra),),
    )


def test_absent_service_fields_have_the_defaults_of_kubernetes() -> None:
    service = service_from(minimal(ports=[{"port": 53}]))

    assert service == Service(key=ObjectKey("default", "nginx"), type="ClusterIP", ports=(ServicePort("TCP", 53),))


def test_null_is_the_same_as_absent() -> None:
    nulls = dict.fromkeys(("type", "ports", "selector", "clusterIP", "clusterIPs", "loadBalancerClass"))

    assert service_from({**minimal(**nulls), "status": None}) == service_from(minimal())


def test_service_without_ports_is_legal() -> None:
    assert service_from(minimal()).ports == ()


@pytest.mark.parametrize(
    ("spec", "cluster_ips"),
    [
        ({"clusterIP": "10.0.0.1"}, ("10.0.0.1",)),
        ({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"]}, ("10.0.0.1", "fd00::1")),
        ({"clusterIP": "None"}, ("None",)),
        ({"clusterIP": ""}, ()),
        ({}, ()),
    ],
)
def test_cluster_ips_fall_back_to_the_single_cluster_ip(spec: dict[str, Any], cluster_ips: tuple[str, ...]) -> None:
    assert service_from(minimal(**spec)).cluster_ips == cluster_ips


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (
            minimal(ports=[{"port": "http"}]),
            'Service default/nginx: spec.ports[0].port: "http": must be a number from 1 to 65535',
        ),
        (
            minimal(ports=[{"port": 80}, {"port": 65536}]),
            "Service default/nginx: spec.ports[1].port: 65536: must be a number from 1 to 65535",
        ),
        (minimal(ports=[{}]), "Service default/nginx: spec.ports[0].port: must be a number from 1 to 65535"),
        (
            minimal(ports=[{"port": True}]),
            "Service default/nginx: spec.ports[0].port: true: must be a number from 1 to 65535",
        ),
        (minimal(ports={}), "Service default/nginx: spec.ports: {}: must be a list"),
        (minimal(ports=["x"]), 'Service default/nginx: spec.ports[0]: "x": must be a mapping'),
        (
            minimal(ports=[{"port": 1, "protocol": "tcp"}]),
            'Service default/nginx: spec.ports[0].protocol: "tcp": must be TCP, UDP or SCTP',
        ),
        (
            minimal(type="Loadbalancer"),
            (
                'Service default/nginx: spec.type: "Loadbalancer": '
                "must be ClusterIP, NodePort, LoadBalancer or ExternalName"
            ),
        ),
        (
            minimal(externalTrafficPolicy="local"),
            'Service default/nginx: spec.externalTrafficPolicy: "local": must be Cluster or Local',
        ),
        (
            minimal(clusterIPs=[1]),
            "Service default/nginx: spec.clusterIPs[0]: 1: must be a text, in quotes if it looks like something else",
        ),
        (
            minimal(selector={"app": True}),
            "Service default/nginx: spec.selector.app: true: must be a text, in quotes if it looks like something else",
        ),
        (
            {"metadata": {"name": "nginx", "annotations": {"metallb.universe.tf/allow-shared-ip": 7}}},
            (
                "Service default/nginx: metadata.annotations[metallb.universe.tf/allow-shared-ip]: 7: "
                "must be a text, in quotes if it looks like something else"
            ),
        ),
        (
            {**minimal(), "status": {"loadBalancer": {"ingress": [{"ip": 1}]}}},
            (
                "Service default/nginx: status.loadBalancer.ingress[0].ip: 1: "
                "must be a text, in quotes if it looks like something else"
            ),
        ),
        ({**minimal(), "spec": "x" * 99}, f'Service default/nginx: spec: "{"x" * 59}...: must be a mapping'),
        ([], "Service: []: must be a mapping"),
    ],
)
def test_wrong_type_names_the_object_the_field_and_the_remedy(obj: object, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        service_from(obj)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"name": ""},
        {"name": "../x"},
        {"name": "a/b"},
        {"name": "."},
        {"name": ".."},
        {"name": "a.b"},
        {"name": "A"},
        {"name": "-a"},
        {"name": "a\n"},
        {"name": "a" * 64},
        {"name": 1},
        {"name": "a", "namespace": "../.."},
        {"name": "a", "namespace": "a.b"},
    ],
)
def test_name_that_kubernetes_does_not_allow_is_refused(metadata: dict[str, Any]) -> None:
    with pytest.raises(ManifestError, match=r"metadata\.name"):
        key_from("Service", {"metadata": metadata})


def test_node_has_no_namespace_and_may_have_dots() -> None:
    assert key_from("Node", {"metadata": {"name": "a.b.c", "namespace": "x"}}) == ObjectKey("", "a.b.c")


@pytest.mark.parametrize(("status", "ready"), [("True", True), ("False", False), ("Unknown", False)])
def test_node_is_ready_by_its_ready_condition(status: str, ready: bool) -> None:
    node = node_from(yaml.safe_load(NODE.format(ready=status)))

    assert node == Node("node1", (("kubernetes.io/hostname", "node1"), ("rack", "r1")), ready)


def test_node_tells_that_its_network_is_unavailable() -> None:
    conditions = [{"type": "Ready", "status": "True"}, {"type": "NetworkUnavailable", "status": "True"}]
    node = node_from({"metadata": {"name": "n"}, "status": {"conditions": conditions}})

    assert (node.ready, node.network_unavailable) == (True, True)


def test_node_without_a_condition_is_ready() -> None:
    assert node_from({"metadata": {"name": "n"}}) == Node("n")


def test_dumped_slice_gives_its_service_and_endpoints() -> None:
    assert endpoints_from_slice(yaml.safe_load(SLICE_DUMP)) == (
        ObjectKey("shop", "nginx"),
        (
            Endpoint("10.244.1.12", True, "node1", serving=True),
            Endpoint("10.244.2.9", False, "node2", serving=True),
        ),
    )


def test_slice_endpoint_is_ready_when_it_does_not_say() -> None:
    entries = [{"addresses": ["a"]}, {"addresses": ["b"], "conditions": {"ready": None}}]

    _, endpoints = endpoints_from_slice({"metadata": {"name": "s"}, "endpoints": entries})

    assert endpoints == (Endpoint("a"), Endpoint("b"))


def test_slice_of_v1beta1_names_the_node_in_its_topology() -> None:
    entry = {"addresses": ["a"], "topology": {"kubernetes.io/hostname": "node7"}}

    _, endpoints = endpoints_from_slice({"metadata": {"name": "s"}, "endpoints": [entry]})

    assert endpoints == (Endpoint("a", node="node7"),)


def test_slice_without_label_belongs_to_no_service() -> None:
    assert endpoints_from_slice({"metadata": {"name": "s"}, "endpoints": None}) == (None, ())


def test_endpoints_object_keeps_ready_and_not_ready_addresses() -> None:
    assert endpoints_from_endpoints(yaml.safe_load(ENDPOINTS)) == (
        ObjectKey("default", "web"),
        (Endpoint("10.244.1.12", True, "node1"), Endpoint("10.244.2.9", False, "")),
    )


@pytest.mark.parametrize(
    "entry",
    [
        {"ip": "10.0.0.1"},
        {"hostname": "lb.example.org"},
        {"ip": "fd00::1", "ipMode": "Proxy", "ports": [{"port": 80, "protocol": "TCP", "error": "x"}]},
        {"ip": "10.0.0.1", "hostname": "h", "future": {"deep": [1, None, True]}},
        {},
    ],
)
def test_ingress_is_written_as_it_was_read(entry: dict[str, Any]) -> None:
    assert ingress_to(ingress_from(entry)) == entry


def test_status_is_written_as_it_was_read() -> None:
    ingress = (Ingress("10.0.0.1", extra='{"ipMode":"VIP"}'), Ingress(hostname="h"))

    assert status_from("x", json.loads(json.dumps(status_to(ingress)))) == ingress
    assert status_to(()) == {"loadBalancer": {}}


def test_config_map_with_anything_but_texts_is_refused_in_one_line() -> None:
    with pytest.raises(ManifestError) as caught:
        config_from({"metadata": {"name": "config"}, "data": {"config": {"address-pools": []}}})

    assert str(caught.value) == (
        'ConfigMap default/config: data.config: {"address-pools": []}: '
        "must be a text, in quotes if it looks like something else"
    )


def test_managers_of_a_status_are_those_who_own_its_addresses() -> None:
    owns: dict[str, object] = {"f:status": {"f:loadBalancer": {"f:ingress": {}}}}
    service = {
        "metadata": {
            "managedFields": [
                {"manager": "kubectl", "fieldsV1": {"f:spec": {"f:ports": {}}}},
                {"manager": "rival", "subresource": "status", "fieldsV1": owns},
                {"manager": "conditions", "fieldsV1": {"f:status": {"f:conditions": {}}}},
            ]
        }
    }

    assert status_managers(service) == ("rival",)
    assert status_managers({"metadata": {}}) == ()


def test_node_and_service_are_read_with_metalpys_own_annotations() -> None:
    node = node_from({"metadata": {"name": "n", "annotations": {"metalpy.io/subnets": "10.0.0.0/24"}}})
    service = service_from({"metadata": {"name": "s", "annotations": {"metalpy.io/preferred-node": "n"}}})

    assert node.subnets == "10.0.0.0/24"
    assert service.preferred_node == "n"


@pytest.mark.parametrize(
    ("metadata", "status", "ready"),
    [
        pytest.param({}, {"conditions": [{"type": "Ready", "status": "True"}]}, True, id="ready"),
        pytest.param({}, {"conditions": [{"type": "Ready", "status": "False"}]}, False, id="not-ready"),
        pytest.param({}, {}, False, id="just-made"),
        pytest.param(
            {"deletionTimestamp": "2026-11-21T00:00:00Z"},
            {"conditions": [{"type": "Ready", "status": "True"}]},
            False,
            id="being-deleted",
        ),
    ],
)
def test_speakers_pod_is_read_with_its_node_and_readiness(
    metadata: dict[str, Any], status: dict[str, Any], ready: bool
) -> None:
    pod = {
        "metadata": {"name": "speaker-x7", "namespace": "m", **metadata},
        "spec": {"nodeName": "n"},
        "status": status,
    }

    assert speaker_pod_from(pod) == SpeakerPod("n", ready)


def test_newer_annotations_are_read_beside_the_older_ones() -> None:
    annotations = {
        "metallb.universe.tf/address-pool": "old",
        "metallb.io/address-pool": "new",
        "metallb.io/loadBalancerIPs": "10.0.0.1",
        "metallb.io/allow-shared-ip": "key",
    }
    service = service_from({"metadata": {"name": "s", "annotations": annotations}})

    assert (service.wanted_pool, service.newer) == ("old", NewerWishes("new", "10.0.0.1", "key"))
