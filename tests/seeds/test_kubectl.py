"""Stories T2 and T4 by kubectl commands alone, `kubectl edit` with an editor included."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.lab.wait import wait_until
from tests.seeds.api_story import ApiStory
from tests.seeds.story import CONVERGED_S, App
from tests.seeds.test_two_pools import DEFAULT_POOL, EXPENSIVE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.kube.control_plane import ControlPlane

NAMESPACE = "without-istio"
NGINX = App("nginx", NAMESPACE)
SHARING = "metallb.universe.tf/allow-shared-ip"
SHARED = {SHARING: "dns"}
TCP, UDP = ({"port": 53, "protocol": protocol} for protocol in ("TCP", "UDP"))
DNS_POOL = "address-pools:\n- {name: first-pool, protocol: layer2, addresses: [192.168.0.10-192.168.0.99]}\n"
DNS_ADDRESS = "192.168.0.20"
SECOND = "second"


class Editor:
    """What `kubectl edit` opens: a script that adds lines below one, or replaces words."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._script = directory / "editor"
        self._lines = directory / "lines"
        monkeypatch.setenv("KUBE_EDITOR", str(self._script))

    def adds(self, text: str, *, below: str) -> None:
        """Add lines, indented as a ConfigMap's text is in YAML."""
        self._lines.write_text("".join(f"    {line}\n" for line in text.splitlines()), encoding="utf-8")
        self._sed(f"/{below}/r {self._lines}")

    def replaces(self, old: str, new: str) -> None:
        """Replace words."""
        self._sed(f"s/{old}/{new}/")

    def _sed(self, program: str) -> None:
        self._script.write_text(f"#!/bin/sh\nexec sed -i '{program}' \"$1\"\n", encoding="utf-8")
        self._script.chmod(0o755)


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Editor:
    return Editor(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def first_of_two(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiStory]:
    """Give story T2's cluster, with the first of the Services that share an address."""
    with ApiStory(control_plane, tmp_path_factory.mktemp("dns"), ["192.168.0.0/24"], nodes=["node1"]) as story:
        story.configure(DNS_POOL)
        story.start_controller()
        apply(story, "dns-tcp", [TCP])
        story.await_address(App("dns-tcp"), DNS_ADDRESS)
        yield story


@pytest.fixture
def dns(first_of_two: ApiStory) -> Iterator[ApiStory]:
    """Give the same, and delete the second Service afterwards."""
    yield first_of_two
    first_of_two.api.kubectl("delete", "service", SECOND)
    first_of_two.api.kubectl("delete", "events", "--field-selector", f"involvedObject.name={SECOND}")


def test_edits_of_the_configmap_are_taken_at_once_and_a_bad_one_is_told_with_its_place(
    control_plane: ControlPlane, tmp_path: Path, editor: Editor
) -> None:
    with ApiStory(control_plane, tmp_path, ["10.206.65.0/24"], nodes=["node1"]) as story:
        kubectl = story.api.kubectl
        story.configure(DEFAULT_POOL)
        story.deploy(NGINX)
        story.start()
        story.await_address(NGINX, "10.206.65.234")

        editor.adds(EXPENSIVE.format(addresses="10.206.65.224-10.206.65.233"), below="- 10.206.65.234-")
        kubectl("-n", "metallb-system", "edit", "cm", "config")
        kubectl("-n", NAMESPACE, "create", "service", "loadbalancer", "nginx-manual", "--tcp=80:80")
        annotation = "metallb.universe.tf/address-pool=expensive"
        kubectl("-n", NAMESPACE, "annotate", "service", "nginx-manual", annotation)
        await_column(story, "nginx-manual", "10.206.65.224")
        await_column(story, "nginx", "10.206.65.234")
        kubectl(
            "-n", NAMESPACE, "patch", "service", "nginx-manual", "-p", '{"spec":{"loadBalancerIP":"10.206.65.225"}}'
        )
        await_column(story, "nginx-manual", "10.206.65.225")

        editor.replaces("auto-assign: false", "auto-asign: false")
        kubectl("-n", "metallb-system", "edit", "cm", "config")
        story.await_event("metallb-system", "config", "ConfigInvalid", "config:8:3")
        for command in (("get", "events"), ("describe", "cm", "config")):
            shown = kubectl("-n", "metallb-system", *command)
            assert "ConfigInvalid" in shown
            assert "config:8:3: address-pools[1].auto-asign" in shown

        kubectl("-n", NAMESPACE, "create", "service", "loadbalancer", "later", "--tcp=80:80")
        await_column(story, "later", "10.206.65.235")
        assert story.fetch("10.206.65.234").startswith("Welcome to nginx")
        events = [line.get("event") for line in story.log("controller")]
        assert events.count("configLoaded") == 2
        assert events.count("stateSynced") == 1, "nothing restarted"


def test_services_of_one_key_share_an_address_by_different_ports(dns: ApiStory) -> None:
    apply(dns, SECOND, [UDP])

    dns.await_address(App(SECOND), DNS_ADDRESS)


@pytest.mark.parametrize(
    ("annotations", "port", "spec", "why"),
    [
        (SHARED, TCP, {}, "port TCP/53 is already in use"),
        ({SHARING: "web"}, UDP, {}, "sharing key"),
        ({}, UDP, {}, "sharing key"),
        (SHARED, UDP, {"externalTrafficPolicy": "Local"}, "sharing key"),
    ],
    ids=["same port", "another key", "no key", "other backends"],
)
def test_broken_rule_of_sharing_leaves_the_second_service_pending_and_says_why(
    dns: ApiStory, annotations: dict[str, str], port: dict[str, Any], spec: dict[str, Any], why: str
) -> None:
    apply(dns, SECOND, [port], annotations, **spec)

    event = dns.await_event("default", SECOND, "AllocationFailed", why)
    assert event["type"] == "Warning"
    assert "default/dns-tcp" in event["message"]
    assert "AllocationFailed" in dns.api.kubectl("describe", "service", SECOND)
    assert "<pending>" in dns.api.kubectl("get", "service", SECOND)


def test_service_without_node_ports_gets_its_address(dns: ApiStory) -> None:
    apply(dns, SECOND, [{"port": 8080}], allocateLoadBalancerNodePorts=False)

    dns.await_address(App(SECOND), DNS_ADDRESS)
    service = json.loads(dns.api.kubectl("get", "service", SECOND, "-o", "json"))
    assert "nodePort" not in service["spec"]["ports"][0]


def apply(
    story: ApiStory, name: str, ports: list[dict[str, Any]], annotations: dict[str, str] | None = None, **spec: Any
) -> None:
    """Create a Service that asks for the shared address, by `kubectl apply`; it shares unless told otherwise."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": SHARED if annotations is None else annotations},
        "spec": {
            "type": "LoadBalancer",
            "loadBalancerIP": DNS_ADDRESS,
            "selector": {"app": name},
            "ports": ports,
            **spec,
        },
    }
    story.api.kubectl("apply", "-f", "-", input=yaml.safe_dump(service))


def await_column(story: ApiStory, name: str, expected: str) -> None:
    """Wait until `kubectl get service` shows this EXTERNAL-IP."""

    def shown() -> bool:
        row = story.api.kubectl("-n", NAMESPACE, "get", "service", name, "--no-headers").split()
        return row[3] == expected

    wait_until(shown, CONVERGED_S, f"EXTERNAL-IP of {name} is {expected}")
