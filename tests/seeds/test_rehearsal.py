"""docs/migration.md as it is written, step by step, while the Services are probed all the time, by layer 2 and by BGP.

The limit is none: whoever is asked to end is followed by another one before anybody misses it.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from configmaptocrs.cli import run
from metalpy.cli.check import check
from tests.cluster.controllers import NAMESPACE
from tests.lab.crds import install_our_crds
from tests.lab.wait import wait_until
from tests.lan.node import exchange, request
from tests.seeds.edge import Edge
from tests.seeds.rehearsal import Probing, Rehearsal
from tests.seeds.story import CONVERGED_S, App
from tests.seeds.test_bgp import gobgpd

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.kube.control_plane import ControlPlane

CONFIG = """\
peers:
- {peer-address: 192.168.3.180, peer-asn: 65000, my-asn: 65001, hold-time: 9s}
address-pools:
- {name: lan, protocol: layer2, addresses: [192.168.3.203-192.168.3.219]}
- {name: wan, protocol: bgp, addresses: [192.168.0.10-192.168.0.29]}
"""


def _app(name: str, pool: str) -> App:
    return App(name, annotations={"metallb.universe.tf/address-pool": pool})


ON_LAN = [_app("lan-0", "lan"), _app("lan-1", "lan")]
BEYOND = [_app("wan-0", "wan"), _app("wan-1", "wan")]
TRIAL = _app("trial", "lan")


class Migration:
    """The cluster with a Service's address on the LAN and behind the router, as the runbook finds it."""

    def __init__(self, story: Rehearsal, edge: Edge, directory: Path) -> None:
        self.story = story
        self.edge = edge
        self._directory = directory
        self._sessions = dict.fromkeys(story.nodes, ("Established", len(BEYOND)))
        story.configure(CONFIG)
        for app in (*ON_LAN, *BEYOND):
            story.deploy(app)
        story.start_legacy()
        self.addresses = {app.name: self._address(app) for app in (*ON_LAN, *BEYOND)}
        self.await_sessions()
        self.on_lan = [self.addresses[app.name] for app in ON_LAN]
        self.beyond = [self.addresses[app.name] for app in BEYOND]
        self.fetch_all()

    def _address(self, app: App) -> str:
        address = wait_until(lambda: self.story.address(app), CONVERGED_S, f"{app.name} has an address")
        self.story.await_address(app, address)
        return address

    def await_sessions(self) -> None:
        """Wait until the router has all Services from all nodes."""
        self.edge.await_summary(self._sessions)

    def fetch_all(self) -> None:
        """Fetch a page from every Service."""
        for address in self.on_lan:
            assert self.story.fetch(address).startswith("Welcome to nginx")
        for address in self.beyond:
            self.edge.await_next_hops(address, *self.story.nodes)
            assert self.edge.fetch(address).startswith("Welcome to nginx")

    def check(self) -> None:
        """Let `metalpy check` read the ConfigMap."""
        file = self._directory / "config.yaml"
        file.write_text(self.story.api.kubectl("-n", NAMESPACE, "get", "configmap", "config", "-o", "yaml"))
        done = CliRunner().invoke(check, [str(file)])
        assert done.exit_code == 0, done.output

    def try_a_service(self) -> None:
        """Create a Service, see that it gets an address that nobody had, and delete it."""
        self.story.deploy(TRIAL)
        assert self._address(TRIAL) not in self.addresses.values()
        self.story.delete(TRIAL)

    def convert(self, *flags: str) -> None:
        """Run the converter on the cluster."""
        place = ["-kubeconfig", str(self.story.api.kubeconfig), "-namespace", NAMESPACE]
        assert run([*place, "-from-cluster", "-names", "keep", *flags]) == 0

    def answerers(self) -> dict[str, set[str]]:
        """Give the MACs that answer for each address on the LAN, to several questions each."""
        client = self.story.client
        found: dict[str, set[str]] = {address: set() for address in self.on_lan}
        for order in (self.on_lan, self.on_lan[::-1]) * 2:
            for frame in exchange(client, *(request(address, sender=client) for address in order)):
                found[str(ip_address(frame[28:32]))].add(frame[22:28].hex(":"))
        return found


@pytest.mark.timeout(480)  # two sets of daemons and a router, one after the other
def test_moving_to_ours_and_to_custom_resources_loses_no_probe_and_no_address(
    control_plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        Rehearsal(control_plane, tmp_path, ["192.168.3.0/24"], first_node=103) as story,
        Edge(story, address="192.168.3.180", asn=65000, node_asn=65001) as edge,
    ):
        cluster = Migration(story, edge, tmp_path)
        install_our_crds(story.api)
        before = story.services()
        story.ask_the_lan_often()
        probing = Probing(story.client, cluster.on_lan), Probing(edge.client, cluster.beyond)

        cluster.check()
        story.end_legacy("controller")
        story.start_controller()
        story.await_log("controller", event="stateSynced")
        cluster.try_a_service()
        for node in story.nodes:
            story.replace_speaker(node, gobgpd())
            cluster.await_sessions()
        assert story.services() == before
        owners = {"192.168.3.203": {story.nodes["node1"].mac}, "192.168.3.204": {story.nodes["node2"].mac}}
        assert cluster.answerers() == owners, "one each, whom MetalLB elects too"
        cluster.fetch_all()

        cluster.convert("-verify")
        cluster.convert("-apply", "-yes")
        cluster.convert("-verify", "-held")
        story.api.kubectl("-n", NAMESPACE, "delete", "configmap", "config")
        for daemon in ("controller", *story.nodes):
            story.await_log(daemon, event="configLoaded", resources=NAMESPACE)
        cluster.try_a_service()
        cluster.await_sessions()
        cluster.fetch_all()

        probed = {address: found for each in probing for address, found in each.end().items()}
        assert story.services() == before, capsys.readouterr()
    assert not {address: found["lost"] for address, found in probed.items() if found["lost"]}
    assert min(found["asked"] for found in probed.values()) > 100
