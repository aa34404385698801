"""A cluster on a LAN, as the tutorials' stories need it: real daemons, real frames, manifests as the cluster.

Nodes are hosts of a lab LAN, each with a web server and a `metalpy speaker`; a `metalpy controller` runs beside
them. The story plays the parts of the cluster that metalpy stands on: it applies manifests as kubectl would,
lets the nodes take traffic for a Service's address as kube-proxy would, and marks a dead node as the node
controller would.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Self

import yaml

from tests.lab.json_log import JsonLog
from tests.lab.lan import Host, Lan
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Object = dict[str, Any]

CONVERGED_S = 40
"""How long a story waits for a step's effect. Generous: a stuck machine must not look like a wrong result."""


@dataclass(frozen=True, slots=True)
class App:
    """A Service of type LoadBalancer with its Deployment's pods, one on each node, on port 80."""

    name: str
    namespace: str = "default"
    annotations: Mapping[str, str] = field(default_factory=dict)
    load_balancer_ip: str = ""

    @property
    def path(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    def manifests(self, ready: Mapping[str, tuple[str, bool]]) -> list[Object]:
        """Write the Service and its EndpointSlice; `ready` gives each node's address and whether it serves."""
        metadata: Object = {"name": self.name, "namespace": self.namespace}
        spec: Object = {
            "type": "LoadBalancer",
            "selector": {"app": self.name},
            "ports": [{"protocol": "TCP", "port": 80, "targetPort": 80}],
        }
        if self.load_balancer_ip:
            spec["loadBalancerIP"] = self.load_balancer_ip
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**metadata, "annotations": dict(self.annotations)},
            "spec": spec,
        }
        endpoints = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "addressType": "IPv4",
            "metadata": {**metadata, "labels": {"kubernetes.io/service-name": self.name}},
            "ports": [{"name": "", "protocol": "TCP", "port": 80}],
            "endpoints": [
                {"addresses": [address], "nodeName": node, "conditions": {"ready": serves}}
                for node, (address, serves) in ready.items()
            ],
        }
        return [service, endpoints]


class Story:
    """Context manager around one cluster on one LAN; raises `TimeoutError` when a step has no effect."""

    def __init__(
        self,
        directory: Path,
        networks: Sequence[str],
        *,
        nodes: Sequence[str] = ("node1", "node2", "node3"),
        first_node: int = 2,
    ) -> None:
        """`first_node` is the number of the first node's addresses in their networks; the client has number 1."""
        self._networks = [network.rpartition(".")[0] for network in networks]
        self.lan = Lan(networks[0])
        self.manifests = directory / "manifests"
        self.state = directory / "state"
        self._logs = directory / "logs"
        self._node_names = nodes
        self._first_node = first_node
        self.nodes: dict[str, Host] = {}
        self._dead: set[str] = set()
        self._apps: dict[tuple[str, str], App] = {}
        self._accepted: set[str] = set()
        self._labels: dict[str, Mapping[str, str]] = {}
        self._broken: set[tuple[str, str]] = set()
        self._speakers: dict[str, subprocess.Popen[Any]] = {}
        self._daemons: list[subprocess.Popen[Any]] = []
        self._flags: list[str] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self._stack.close()
            raise
        return self

    def _build(self) -> None:
        self._logs.mkdir(parents=True)
        self._stack.enter_context(self.lan)
        self._open()
        self._stack.callback(self._end_daemons)
        self.client = self._host("client", 1)
        for number, name in enumerate(self._node_names, self._first_node):
            self.nodes[name] = node = self._host(name, number)
            node.serve_pages(f"Welcome to nginx on {name}")
            self._write_node(name)

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self) -> None:
        """Make the place where the cluster lives."""
        for directory in (self.manifests, self.state):
            directory.mkdir(parents=True)

    def _host(self, name: str, number: int) -> Host:
        return self.lan.host(name, *(f"{network}.{number}/24" for network in self._networks))

    # --- the daemons ---

    def start(self, *flags: str) -> None:
        """Start the controller and, with these flags, a speaker on every node."""
        self.start_controller()
        for name in self.nodes:
            self.start_speaker(name, *flags)

    def start_speaker(self, name: str, *flags: str, program: str = "speaker") -> None:
        """Start the speaker of one node, or `program="run"`, which is a controller too."""
        command = self._command(program, "--node-name", name, "--interface", "eth0", *flags)
        speaker = self.nodes[name].popen(command, stdout=self._log(name), stderr=subprocess.STDOUT)
        self._speakers[name] = speaker

    def end_speaker(self, name: str) -> None:
        """End the speaker of one node as the kubelet would."""
        speaker = self._speakers.pop(name)
        speaker.terminate()
        speaker.wait(CONVERGED_S)

    def start_controller(self) -> None:
        """Start the controller."""
        command = self._command("controller")
        self._daemons.append(subprocess.Popen(command, stdout=self._log("controller"), stderr=subprocess.STDOUT))

    def kill_controller(self) -> None:
        """End the controller as a crash would."""
        controller = self._daemons.pop()
        controller.kill()
        controller.wait()

    def _command(self, program: str, *arguments: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            "metalpy",
            program,
            *self._place(program),
            *self._flags,
            "--log-level",
            "debug",
            *arguments,
        ]

    def _place(self, program: str) -> list[str]:
        """Give the flags that tell a daemon where the cluster lives."""
        del program
        return ["--manifests", str(self.manifests), "--state-dir", str(self.state)]

    def _log(self, name: str) -> IO[bytes]:
        return self._stack.enter_context((self._logs / f"{name}.log").open("ab"))

    def log(self, name: str) -> list[Object]:
        """Read what a daemon has logged: `controller`, or a speaker by its node."""
        return JsonLog(self._logs / f"{name}.log").lines()

    def _end_daemons(self) -> None:
        for daemon in self._daemons:
            daemon.terminate()
        for daemon in self._daemons:
            daemon.wait(CONVERGED_S)

    # --- the cluster's part ---

    def apply(self, file: str, *objects: Object) -> None:
        """Put objects into a manifest, at once, as kubectl apply would into the API server."""
        self._replace(self.manifests / file, yaml.safe_dump_all(objects, sort_keys=False))

    def configure(self, text: str, *, name: str = "config") -> None:
        """Make `text` the configuration, as kubectl edit would."""
        metadata = {"name": name, "namespace": "metallb-system"}
        self.apply(
            "config.yaml", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"config": text}}
        )

    def use_resources(self) -> None:
        """Have daemons that start from now on read custom resources."""
        self._flags = ["--config-source=crs"]

    def configure_by(self, *resources: Object) -> None:
        """Make these custom resources the configuration, and delete others."""
        self.apply("resources.yaml", *resources)

    def deploy(self, app: App) -> None:
        """Create a Service with its pods, or change it."""
        self._apps[app.path] = app
        self._write_app(app)

    def delete(self, app: App) -> None:
        """Delete a Service with its pods."""
        del self._apps[app.path]
        self._remove(app)

    def label(self, name: str, labels: Mapping[str, str]) -> None:
        """Label a node."""
        self._labels[name] = labels
        self._write_node(name)

    def break_backends(self, app: App) -> None:
        """Let every pod of a Service fail its readiness probe."""
        self._broken.add(app.path)
        self._write_app(app)

    def kill_node(self, name: str) -> None:
        """Let a node die; the cluster notices and says so."""
        self.nodes[name].kill()
        self._dead.add(name)
        self._write_node(name)
        for app in self._apps.values():
            self._write_app(app)

    def _write_node(self, name: str) -> None:
        status = "Unknown" if name in self._dead else "True"
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **self._labels.get(name, {})}},
            "status": {"conditions": [{"type": "Ready", "status": status}]},
        }
        self.apply(f"{name}.yaml", node)

    def _write_app(self, app: App) -> None:
        works = app.path not in self._broken
        ready = {name: (node.address, works and name not in self._dead) for name, node in self.nodes.items()}
        self.apply(self._file_of(app).name, *app.manifests(ready))

    def _remove(self, app: App) -> None:
        self._file_of(app).unlink()

    def _file_of(self, app: App) -> Path:
        return self.manifests / f"{app.namespace}-{app.name}.yaml"

    @staticmethod
    def _replace(path: Path, text: str) -> None:
        new = path.with_name(f".{path.name}.new")
        new.write_text(text, encoding="utf-8")
        new.replace(path)

    # --- what a user sees ---

    def address(self, app: App) -> str:
        """Read a Service's EXTERNAL-IP, empty while it is pending."""
        try:
            status = json.loads(
                (self.state / "status" / app.namespace / f"{app.name}.json").read_text(encoding="utf-8")
            )
        except FileNotFoundError:
            return ""
        ingress = status["loadBalancer"].get("ingress") or [{}]
        return str(ingress[0].get("ip", ""))

    def events(self, namespace: str, name: str) -> list[Object]:
        """List the events of an object, as `kubectl describe` would show them."""
        found = [
            json.loads(file.read_text(encoding="utf-8")) for file in (self.state / "events").glob(f"{namespace}/*.json")
        ]
        return [event for event in found if event["involvedObject"]["name"] == name]

    def await_address(self, app: App, expected: str) -> None:
        """Wait until a Service has this address, and let the nodes take traffic for it."""
        wait_until(lambda: self.address(app) == expected, CONVERGED_S, f"{app.name} has {expected}")
        if expected not in self._accepted:
            self._accepted.add(expected)
            for name in self.nodes.keys() - self._dead:
                self.nodes[name].accept(expected)

    def await_event(self, namespace: str, name: str, reason: str, words: str = "") -> Object:
        """Wait until an object has an event of this reason with these words in its message."""

        def found() -> list[Object]:
            events = self.events(namespace, name)
            return [event for event in events if event["reason"] == reason and words in event["message"]]

        return wait_until(found, CONVERGED_S, f"an event {reason} ({words}) on {namespace}/{name}")[0]

    def fetch(self, address: str) -> str:
        """Fetch the page at an address from the client, as soon as somebody answers for it."""
        return wait_until(lambda: self.client.fetch(f"http://{address}/"), CONVERGED_S, f"a page from {address}")

    def is_silent(self, address: str) -> bool:
        """Tell whether nobody answers for an address when the client asks anew."""
        self.client.run(["ip", "neigh", "flush", "dev", "eth0"])
        try:
            self.client.fetch(f"http://{address}/")
        except ConnectionError:
            return True
        return False

    def owner(self, address: str) -> str:
        """Name the node whose MAC the client's neighbour table holds for an address, empty if none."""
        mac = self.client.neighbour(address)
        return next((name for name, node in self.nodes.items() if node.mac == mac), "")


Place = Callable[..., Story]
"""Makes a story in one kind of place, with the arguments of `Story`."""
