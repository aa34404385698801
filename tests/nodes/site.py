"""What a user of a cluster does and sees: kubectl on one side, a machine on the LAN on the other."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import yaml

from tests.lab.kube.events import events_in
from tests.lab.nodes.images import IMAGE
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from tests.lab.lan import Host
    from tests.lab.nodes.cluster import NodeCluster

Object = dict[str, Any]

NAMESPACE = "metallb-system"
SERVICES = "default"
"""The namespace of every Service here."""
CONVERGED_S = 60
"""How long a step's effect is waited for. Generous: a loaded machine must not look like a wrong result."""

POOL = """\
address-pools:
- name: layer2-pool
  protocol: layer2
  addresses: [192.168.3.170-192.168.3.179, 'fd03::170-fd03::179']
"""
IPV4, IPV6 = "192.168.3.170", "fd03::170"
"""The first addresses of the pool."""

EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
"""The label of nodes that take no part in load balancing."""

_PORT = 8080
_PAGE = """
import http.server, os, signal, socket
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Pages(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.bind(self.server_address)
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = f"{os.environ['NODE']} {self.client_address[0].removeprefix('::ffff:')}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_):
        pass
Pages(("::", 8080), Page).serve_forever()
"""
"""A web server whose page names the node that it runs on, and the client as it sees it."""


class Site:
    """One cluster with metalpy on it."""

    def __init__(self, cluster: NodeCluster) -> None:
        self.cluster = cluster
        self.client = cluster.client
        self.kubectl = cluster.api.kubectl

    # --- what the user does ---

    def configure(self, text: str) -> None:
        """Make `text` the configuration."""
        metadata = {"name": "config", "namespace": NAMESPACE}
        self.cluster.api.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"config": text}}
        )

    def deploy(self, name: str, replicas: int, *, node: str = "") -> None:
        """Run web servers, all on one node if told so, and wait until they are ready and no others are left."""
        labels = {"app": name}
        pod = {
            "terminationGracePeriodSeconds": 1,
            "nodeSelector": {"kubernetes.io/hostname": node} if node else {},
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": labels},
                }
            ],
            "containers": [
                {
                    "name": "page",
                    "image": IMAGE,
                    "command": ["python3", "-I", "-c", _PAGE],
                    "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
                    "readinessProbe": {"httpGet": {"path": "/", "port": _PORT}, "periodSeconds": 1},
                }
            ],
        }
        self.cluster.api.apply(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "namespace": SERVICES},
                "spec": {
                    "replicas": replicas,
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": pod},
                },
            }
        )
        self.roll_out(f"deployment/{name}", SERVICES)

    def expose(self, name: str, **spec: Any) -> None:
        """Create a Service of type LoadBalancer for the web servers of that name, or change it; port 80 by default."""
        port = {"name": "http", "port": 80, "targetPort": _PORT}
        self.cluster.api.apply(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": SERVICES},
                "spec": {"type": "LoadBalancer", "selector": {"app": name}, "ports": [port], **spec},
            }
        )

    def scale(self, name: str, replicas: int) -> None:
        """Run so many web servers."""
        self.kubectl("-n", SERVICES, "scale", "deployment", name, f"--replicas={replicas}")

    def roll_out(self, workload: str, namespace: str = NAMESPACE) -> None:
        """Wait until every pod of a workload is of its newest form, and ready."""
        self.kubectl("-n", namespace, "rollout", "status", workload, f"--timeout={CONVERGED_S}s")

    def clean(self) -> None:
        """Remove the Services and their pods, and undo what was done to nodes and configuration."""
        self.kubectl("-n", SERVICES, "delete", "service", "--selector=provider!=kubernetes", "--ignore-not-found")
        self.kubectl("-n", SERVICES, "delete", "deployment", "--all", "--wait=false")
        nodes = list(self.cluster.nodes)
        self.kubectl("uncordon", *nodes)
        self.kubectl("label", "node", *nodes, f"{EXCLUDED}-")
        self.configure(POOL)

    # --- what the cluster says ---

    def addresses(self, name: str) -> list[str]:
        """Read a Service's addresses."""
        return [entry["ip"] for entry in self._service(name)["status"]["loadBalancer"].get("ingress", ())]

    def await_addresses(self, name: str, *expected: str) -> None:
        """Wait until a Service has exactly these addresses, and every node's kube-proxy has rules for them.

        A connection that is tried before is tracked without address translation, and for two minutes so is each later
        one from the same port: it would be lost whatever the speakers do.
        """
        wait_until(lambda: self.addresses(name) == list(expected), CONVERGED_S, f"{name} has {expected}")
        spec = self._service(name)["spec"]
        everywhere = itertools.product(self.cluster.nodes.values(), (*spec["clusterIPs"], *expected), spec["ports"])
        for box, ip, port in everywhere:
            has_rule = partial(box.has_rule_for, ip, port["port"])
            wait_until(has_rule, CONVERGED_S, f"kube-proxy on {box.name} has a rule for {ip}")

    def await_assigned(self, name: str, node: str) -> None:
        """Wait until an Event says that a node announces a Service."""
        uid = self._service(name)["metadata"]["uid"]  # not one of an earlier test

        def said() -> bool:
            events = events_in(self.cluster.api.admin, SERVICES, uid=uid, reason="nodeAssigned")
            return any(event["message"] == f'announcing from node "{node}"' for event in events)

        wait_until(said, CONVERGED_S, f"an Event nodeAssigned for {name} on {node}")

    def _service(self, name: str) -> Object:
        service: Object = self.cluster.api.admin.get(f"/api/v1/namespaces/{SERVICES}/services/{name}")
        return service

    def speaker_logs(self) -> list[Object]:
        """Read what the speakers have logged."""
        return self._logs("component=speaker")

    def controller_logs(self) -> list[Object]:
        """Read what the controller has logged."""
        return self._logs("component=controller")

    def _logs(self, selector: str) -> list[Object]:
        text = self.kubectl("-n", NAMESPACE, "logs", f"--selector={selector}", "--tail=-1")
        return [json.loads(line) for line in text.splitlines()]

    # --- what the LAN sees ---

    def fetch(self, address: str, port: int = 80) -> tuple[str, str]:
        """Fetch the page at an address, as soon as it is there: the node that it comes from, and who the client is."""
        node, client = wait_until(
            lambda: self.client.fetch(_url(address, port)), CONVERGED_S, f"a page from {address}"
        ).split()
        return node, client

    def await_page(self, address: str, node: str) -> None:
        """Wait until the page at an address comes from a node: kube-proxies are a little behind the endpoints."""
        wait_until(lambda: self.fetch(address)[0] == node, CONVERGED_S, f"a page of {node} from {address}")

    def owner(self, address: str, *, asker: Host | None = None) -> str:
        """Name the node that answers when the LAN is asked for an address anew; empty if none does."""
        asker = asker or self.client
        asker.run(["ip", "neigh", "flush", "to", address, "dev", "eth0"])
        with contextlib.suppress(ConnectionError):  # what matters is who answered the question for the MAC
            asker.fetch(_url(address, 80), timeout_s=1.5)
        mac = asker.neighbour(address)
        return next((name for name, node in self.cluster.nodes.items() if node.host.mac == mac), "")

    def await_owner(self, address: str, expected: str) -> None:
        """Wait until a node, or nobody for an empty name, answers for an address."""
        wait_until(
            lambda: self.owner(address) == expected, CONVERGED_S, f"{address} is announced by {expected or 'nobody'}"
        )

    def other(self, node: str) -> str:
        """Name the other node."""
        return next(name for name in self.cluster.nodes if name != node)


def _url(address: str, port: int) -> str:
    host = f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
    return f"http://{host}:{port}/"


def manifest_with_flag(daemon_set: Object, flag: str) -> str:
    """Give a workload's manifest with one more flag for its only container."""
    (container,) = daemon_set["spec"]["template"]["spec"]["containers"]
    container["args"] = [*container["args"], flag]
    return yaml.safe_dump(daemon_set)
