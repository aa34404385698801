"""The converter on a real API server: the ConfigMap out of it, the proof by what it holds, and the result into it."""

from __future__ import annotations

import io
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from configmaptocrs.cli import run
from tests.lab.crds import install_crds, install_our_crds
from tests.lab.kube.control_plane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.lab.kube.client import Client

CONFIG = """
peers:
- {my-asn: 64700, peer-asn: 64701, peer-address: 192.0.2.1, password: geheim}
address-pools:
- {name: lan, protocol: layer2, addresses: [192.0.2.64/27]}
- {name: wan, protocol: bgp, addresses: [203.0.113.0/26]}
"""
PASSWORD = "geheim"  # noqa: S105 - of nobody
SERVICES = "/api/v1/namespaces/default/services"
FOREIGN = {"metadata": {"name": "foreign"}, "apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement", "spec": {}}
_numbers = itertools.count(1)


class Desk:
    """Runs the converter against an API server, in a namespace of its own, and reads what it holds then."""

    def __init__(self, api: ControlPlane, capsys: pytest.CaptureFixture[str], namespace: str) -> None:
        self.api = api
        self.admin: Client = api.admin
        self.namespace = namespace
        self._capsys = capsys
        self.admin.create("/api/v1/namespaces", {"metadata": {"name": namespace}})

    def configure(self, text: str, name: str = "config") -> None:
        path = f"/api/v1/namespaces/{self.namespace}/configmaps"
        names = {each["metadata"]["name"] for each in self.admin.get(path)["items"]}
        body = {"metadata": {"name": name}, "data": {"config": text}}
        if name in names:
            self.admin.replace(f"{path}/{name}", body)
        else:
            self.admin.create(path, body)

    def __call__(self, *flags: str, kubeconfig: Path | None = None) -> tuple[int, str, str]:
        """Give status, standard output and messages."""
        place = ["-kubeconfig", str(kubeconfig or self.api.kubeconfig), "-namespace", self.namespace, "-names", "keep"]
        status = run([*place, "-from-cluster", *flags])
        captured = self._capsys.readouterr()
        return int(status), captured.out, captured.err

    def path(self, kind: str) -> str:
        version = "v1beta2" if kind == "bgppeers" else "v1beta1"
        return f"/apis/metallb.io/{version}/namespaces/{self.namespace}/{kind}"

    def held(self, kind: str) -> dict[str, Any]:
        return {each["metadata"]["name"]: each["spec"] for each in self.admin.get(self.path(kind))["items"]}

    def count(self) -> int:
        kinds = ("ipaddresspools", "bgppeers", "bgpadvertisements", "l2advertisements")
        return sum(len(self.held(kind)) for kind in kinds)


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    with ControlPlane() as api:
        install_crds(api, with_long_asns=True)
        api.admin.create("/api/v1/nodes", {"metadata": {"name": "n1", "labels": {"rack": "1"}}})
        yield api


@pytest.fixture
def desk(cluster: ControlPlane, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    yield Desk(cluster, capsys, f"lb-{next(_numbers)}")
    for service in cluster.admin.get(SERVICES)["items"]:
        if service["spec"]["type"] == "LoadBalancer":
            cluster.admin.delete(f"{SERVICES}/{service['metadata']['name']}")


def test_the_daemons_config_map_is_converted(desk: Desk) -> None:
    desk.configure(CONFIG, "metallb-config")
    status, output, messages = desk("-stdout")
    assert status == 0, messages
    assert f"namespace: {desk.namespace}" in output
    assert "name: wan" in output

    desk.configure("address-pools: [{name: first, protocol: layer2, addresses: [192.0.2.0/28]}]")
    assert "name: first" in desk("-stdout")[1], "config counts where both are there"
    assert "name: wan" in desk("-stdout", "-config", "metallb-config")[1]


def test_its_namespace_may_be_another_than_the_objects(desk: Desk) -> None:
    desk.configure(CONFIG)
    status, output, messages = desk("-stdout", "-namespace", "elsewhere", "-config-namespace", desk.namespace)
    assert status == 0, messages
    assert "namespace: elsewhere" in output


@pytest.mark.parametrize(
    ("flags", "told"),
    [((), "there is no ConfigMap {ns}/config or {ns}/metallb-config"), (("-config", "odd"), "ConfigMap {ns}/odd")],
)
def test_a_config_map_that_is_missing_is_named(desk: Desk, flags: tuple[str, ...], told: str) -> None:
    status, output, messages = desk("-stdout", *flags)
    assert (status, output) == (1, "")
    assert told.format(ns=desk.namespace) in messages


def test_what_may_not_be_read_is_named(desk: Desk) -> None:
    desk.configure(CONFIG)
    status, _, messages = desk("-apply", "-yes", kubeconfig=desk.api.kubeconfig_for("nobody-in-particular"))
    assert status == 1
    assert "configmaps is forbidden" in messages.replace('"config" ', "")
    assert desk.count() == 0


def test_apply_shows_what_it_writes_and_writes_nothing_twice(desk: Desk) -> None:
    desk.configure(CONFIG)
    status, output, messages = desk("-apply", "-yes")
    assert status == 0, messages
    assert "wrote 5 of 5 objects" in messages
    assert f"create IPAddressPool {desk.namespace}/lan\n+ spec:\n+   addresses:\n+   - 192.0.2.64/27\n" in output
    assert PASSWORD not in output
    assert desk.held("bgppeers")["peer1"].get("password") == PASSWORD

    status, output, messages = desk("-apply")
    assert (status, output) == (0, ""), messages
    assert "nothing to write: all 5 objects are there" in messages

    desk.configure(CONFIG.replace("64/27", "96/27").replace("geheim", "another"))
    status, output, messages = desk("-apply", "-yes")
    assert status == 0, messages
    assert f"change IPAddressPool {desk.namespace}/lan\n" in output
    assert "-   - 192.0.2.64/27\n+   - 192.0.2.96/27\n" in output
    assert "(hidden, another one)" in output
    assert "wrote 2 of 5 objects" in messages
    assert desk.held("ipaddresspools")["lan"]["addresses"] == ["192.0.2.96/27"]


def test_what_others_set_in_a_spec_goes_and_their_labels_stay(desk: Desk) -> None:
    desk.configure(CONFIG)
    spec = {"addresses": ["198.51.100.0/24"], "serviceAllocation": {"priority": 1}}
    metadata = {"name": "lan", "labels": {"zone": "a"}}
    foreign = {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": metadata, "spec": spec}
    desk.admin.create(desk.path("ipaddresspools"), foreign)

    status, output, messages = desk("-apply", "-yes")

    assert status == 0, messages
    assert "-   serviceAllocation:\n-     priority: 1\n" in output
    held = desk.admin.get(f"{desk.path('ipaddresspools')}/lan")
    assert held["metadata"]["labels"] == {"zone": "a"}
    assert "serviceAllocation" not in held["spec"]


@pytest.mark.parametrize(("answer", "expected"), [("y\n", (0, 5)), ("n\n", (1, 0)), ("", (1, 0))])
def test_nothing_is_written_without_a_yes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, answer: str, expected: tuple[int, int]
) -> None:
    desk.configure(CONFIG)
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    status, output, messages = desk("-apply")
    assert "write these 5 objects? [y/N]" in messages
    assert output.count("create ") == 5
    assert (status, desk.count()) == expected


class _Answer:
    """Says yes, after something has happened."""

    def __init__(self, happen: Callable[[], Any]) -> None:
        self._happen = happen

    def readline(self) -> str:
        self._happen()
        return "y\n"


def test_an_object_that_changed_since_it_was_shown_is_not_covered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.configure(CONFIG)
    assert desk("-apply", "-yes")[0] == 0
    desk.configure(CONFIG.replace("64/27", "96/27"))
    lan = f"{desk.path('ipaddresspools')}/lan"
    theirs = {"spec": {"addresses": ["192.0.2.0/28"]}}
    monkeypatch.setattr("sys.stdin", _Answer(lambda: desk.admin.patch(lan, theirs)))

    status, _, messages = desk("-apply")

    assert status == 1
    assert f"D-APPLY IPAddressPool {desk.namespace}/lan has changed since it was shown" in messages
    assert desk.held("ipaddresspools")["lan"]["addresses"] == ["192.0.2.0/28"]


@pytest.fixture
def bare(capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    """Give a cluster without definitions, which nobody comes after."""
    with ControlPlane() as api:
        yield Desk(api, capsys, "bare")


def test_one_refusal_is_enough_that_nothing_is_written(bare: Desk, tmp_path: Path) -> None:
    """MetalLB's definitions up to 0.15 have an AS number's maximum beyond its format: Kubernetes 1.36 refuses it."""
    install_crds(bare.api)
    bare.configure(CONFIG)
    report = tmp_path / "report.json"

    status, output, messages = bare("-apply", "-yes", "-report", str(report))

    assert (status, output) == (1, "")
    assert "D-APPLY BGPPeer bare/peer1 is refused" in messages
    assert "nothing was written: 1 of 5 objects are refused" in messages
    assert "D-APPLY" in {each["code"] for each in json.loads(report.read_text(encoding="utf-8"))}
    assert bare.count() == 0


def test_our_own_definitions_take_everything_and_a_lack_of_any_is_told(bare: Desk) -> None:
    bare.configure(CONFIG)
    status, _, messages = bare("-apply", "-yes", "-passwords", "secret")
    assert status == 1
    assert "is not served by this API server" in messages

    install_our_crds(bare.api)
    status, output, messages = bare("-apply", "-yes", "-passwords", "secret")
    assert status == 0, messages
    assert "create Secret bare/bgp-peer1" in output
    assert "Z2VoZWlt" not in output
    assert bare("-apply", "-passwords", "secret")[:2] == (0, "")
    status, _, messages = bare("-verify", "-held")
    assert status == 1
    assert "the cluster has no nodes" in messages


def test_the_proof_takes_nodes_and_services_from_the_cluster(desk: Desk) -> None:
    desk.configure(CONFIG.replace("name: lan", "name: Lan"))
    metadata = {"name": "web", "annotations": {"metallb.universe.tf/address-pool": "Lan"}}
    desk.admin.create(SERVICES, {"metadata": metadata, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}})

    status, output, messages = desk("-verify")

    assert status == 3, messages
    assert "D-NAME Service default/web asks for pool Lan, which is named lan now" in output
    assert "W-1" not in output
    desk.configure(CONFIG.replace("}\naddress", ", node-selectors: [{match-labels: {rack: '2'}}]}\naddress"))
    assert desk("-verify")[0] == 0


def test_the_proof_counts_what_is_in_the_cluster_besides(desk: Desk) -> None:
    desk.configure(CONFIG)
    assert desk("-verify")[0] == 0
    desk.admin.create(desk.path("l2advertisements"), FOREIGN)

    status, output, _ = desk("-verify")

    assert status == 3
    assert f"W-HELD L2Advertisement {desk.namespace}/foreign is in the cluster besides" in output
    assert "D-L2 pool wan is answered for, and was not, by ARP and NDP on n1" in output


def test_the_proof_reads_what_the_cluster_holds_with_its_secrets(desk: Desk) -> None:
    desk.configure(CONFIG)
    status, _, messages = desk("-verify", "-held")
    assert status == 1
    assert "holds no custom resources" in messages
    assert desk("-apply", "-yes", "-passwords", "secret")[0] == 0
    status, output, messages = desk("-verify", "-held")
    assert status == 0, output + messages

    desk.admin.patch(f"{desk.path('ipaddresspools')}/lan", {"spec": {"autoAssign": False}})
    status, output, _ = desk("-verify", "-held")
    assert status == 3
    assert "D-AUTO pool lan" in output
    secret = f"/api/v1/namespaces/{desk.namespace}/secrets/bgp-peer1"
    desk.admin.patch(secret, {"stringData": {"password": "another"}})
    assert "D-SESS peer 192.0.2.1 has another password" in desk("-verify", "-held")[1]
