from __future__ import annotations

import pytest

from metalpy.cluster.interface import ConfigChanged
from metalpy.cluster.manifest_objects import ConfigScope, FileContent, Level, content_of
from metalpy.errors import ManifestError
from metalpy.model import ObjectKey, Service
from tests.unit.cluster.dumps import (
    ENDPOINTS,
    NAMESPACE,
    NODE,
    SERVICE_DUMP,
    SLICE_DUMP,
    config_map,
    list_of,
    service,
)


def content(text: str, file: str = "a.yaml", *, name: str | None = None) -> FileContent:
    return content_of(text, file, ConfigScope(NAMESPACE, name))


def one_service(text: str) -> Service:
    (found,) = content(text).objects
    assert isinstance(found.value, Service)
    return found.value


def notices(text: str, file: str = "a.yaml") -> list[tuple[str, str, str]]:
    return [(notice.level.value, notice.text, notice.place) for notice in content(text, file).notices]


@pytest.mark.parametrize(
    ("spec", "cluster_ips", "policy"),
    [
        ("", ("0.0.0.0",), "SingleStack"),
        ("  ipFamilies: [IPv6]\n", ("::",), "SingleStack"),
        ("  ipFamilies: [IPv6, IPv4]\n", ("::", "0.0.0.0"), "RequireDualStack"),
        ("  ipFamilyPolicy: RequireDualStack\n", ("0.0.0.0", "::"), "RequireDualStack"),
        ("  ipFamilyPolicy: PreferDualStack\n", ("0.0.0.0", "::"), "PreferDualStack"),
        (
            "  ipFamilyPolicy: PreferDualStack\n  ipFamilies: [IPv6]\n",
            ("::", "0.0.0.0"),
            "PreferDualStack",
        ),
        ("  clusterIP: None\n", ("None",), "SingleStack"),
        ("  clusterIP: 10.96.0.9\n", ("10.96.0.9",), "SingleStack"),
        ("  clusterIPs: [fd00::9]\n", ("fd00::9",), "SingleStack"),
    ],
)
def test_service_without_cluster_ips_gets_placeholders_of_its_families(
    spec: str, cluster_ips: tuple[str, ...], policy: str
) -> None:
    found = one_service(service(spec=spec))

    assert (found.cluster_ips, found.ip_family_policy) == (cluster_ips, policy)


def test_unknown_ip_family_is_refused() -> None:
    assert notices(service(spec="  ipFamilies: [ipv4]\n")) == [
        (
            "error",
            'Service default/web: spec.ipFamilies: ["ipv4"]: must be of IPv4 and IPv6, each once',
            "a.yaml:1",
        )
    ]


def test_object_without_namespace_is_in_the_default_one() -> None:
    assert one_service(service()).key == ObjectKey("default", "web")


def test_kubectl_dump_of_each_kind_is_read() -> None:
    text = list_of(SERVICE_DUMP, SLICE_DUMP, NODE.format(ready="True"), ENDPOINTS, config_map())

    found = content(text)

    assert [entry.identity[0] for entry in found.objects] == [
        "Service",
        "EndpointSlice",
        "Node",
        "Endpoints",
        "ConfigMap",
    ]
    assert not found.notices
    assert found.objects[0].place == "a.yaml:3"


def test_items_of_a_typed_list_need_no_kind() -> None:
    bare = service().replace("apiVersion: v1\nkind: Service\n", "")

    assert one_service(list_of(bare, kind="ServiceList")).key.name == "web"


def test_list_in_a_list_is_read_and_an_empty_list_is_fine() -> None:
    assert one_service(list_of(list_of(service()), list_of())).key.name == "web"


def test_json_file_is_read_and_its_items_are_numbered() -> None:
    text = '{"kind":"List","apiVersion":"v1","items":[{"kind":"Pod","apiVersion":"v1"},{}]}'

    assert notices(text, "a.json") == [
        ("info", "Pod (v1) is not read here: ignored", "a.json item 1"),
        ("warning", "no Kubernetes object: kind or apiVersion is missing", "a.json item 2"),
    ]


def test_unknown_kind_is_noted_once_a_file() -> None:
    deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n"

    assert notices(f"{deployment}---\n{service()}---\n{deployment}") == [
        ("info", "Deployment (apps/v1) is not read here: ignored", "a.yaml:1")
    ]


def test_kind_of_another_api_group_is_unknown() -> None:
    knative = "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\n"

    assert not content(knative).objects
    assert notices(knative)[0][0] == Level.INFO


@pytest.mark.parametrize("text", ["a: 1\n", "- 1\n", "text\n", "kind: Service\n", "apiVersion: v1\nkind: 7\n"])
def test_document_that_is_no_object_is_warned_of(text: str) -> None:
    assert notices(f"{service()}---\n{text}")[0][:2] == (
        "warning",
        "no Kubernetes object: kind or apiVersion is missing",
    )


def test_service_without_ports_is_warned_of_and_refused() -> None:
    found = content(service().split("  ports:")[0])

    assert not found.objects
    assert found.refused == {("Service", ObjectKey("default", "web"))}
    assert found.notices[0].text == "Service default/web has no ports: an API server would refuse it"
    assert found.notices[0].level is Level.WARNING


@pytest.mark.parametrize("spec", ["clusterIP: None", "type: ExternalName"])
def test_headless_and_external_services_need_no_ports(spec: str) -> None:
    one_service(f"apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec: {{{spec}}}\n")


def test_bad_object_does_not_hinder_the_others() -> None:
    found = content("---\n".join([service("a"), service("b").replace("80", "http"), service("c")]))

    assert [entry.identity[1].name for entry in found.objects] == ["a", "c"]
    assert [(notice.text, notice.place) for notice in found.notices] == [
        ('Service default/b: spec.ports[0].port: "http": must be a number from 1 to 65535', "a.yaml:10")
    ]


def test_name_that_would_leave_the_directory_is_refused() -> None:
    assert notices(service("../../etc/passwd"))[0][1].startswith('Service: metadata.name: "../../etc/passwd"')


def test_config_map_counts_only_in_its_namespace_and_by_its_name() -> None:
    text = "---\n".join(
        [
            config_map(),
            config_map(name="metallb-config"),
            config_map(name="other"),
            config_map(namespace="default"),
        ]
    )

    assert [str(entry.identity[1]) for entry in content(text).objects] == [
        "metallb-system/config",
        "metallb-system/metallb-config",
    ]
    (other,) = content(text, name="other").objects
    assert other.value == ConfigChanged(ObjectKey(NAMESPACE, "other"), {"config": "address-pools: []\n"})


def test_config_map_of_somebody_else_may_hold_anything() -> None:
    foreign = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: 1}\n"

    assert content(foreign) == FileContent()


def test_syntax_error_is_one_line_with_file_line_and_column() -> None:
    with pytest.raises(ManifestError) as caught:
        content("a: 1\nb: [\n")

    assert str(caught.value) == "a.yaml:3:1: did not find expected node content"


def test_json_nested_without_end_is_refused() -> None:
    with pytest.raises(ManifestError, match=r"a\.json:1:1: nested too deep"):
        content("[" * 100_000, "a.json")
