"""A cluster that moves from MetalLB 0.11.0 to ours, and from the ConfigMap to custom resources, while it is probed.

The story plays the DaemonSet too: each node's speaker is a Pod, which goes and comes as a rolling update has it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cluster.controllers import NAMESPACE
from tests.lab.json_log import JsonLog
from tests.lab.parts import lab_binary
from tests.lab.wait import wait_until
from tests.seeds import prober
from tests.seeds.api_story import ApiStory
from tests.seeds.story import CONVERGED_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.lan import Host
    from tests.seeds.story import App, Object

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
LABELS = {"app": "metallb", "component": "speaker"}
LEFT_S = 20
AUTO = "--config-source=auto"
NEIGHBOUR_SETTINGS = {
    "base_reachable_time_ms": "500",
    "delay_first_probe_time": "1",
    "retrans_time_ms": "500",
    "ucast_solicit": "1",
    "mcast_solicit": "4",
}


class Rehearsal(ApiStory):
    """The story with MetalLB's daemons in the place of ours at first."""

    def _build(self) -> None:
        self._legacy: dict[str, subprocess.Popen[Any]] = {}
        self._flags.append(AUTO)
        super()._build()

    def _write_app(self, app: App) -> None:
        """Write also what the endpoints controller writes: MetalLB 0.11 can read today's EndpointSlices no more."""
        super()._write_app(app)
        addresses = [{"ip": node.address, "nodeName": name} for name, node in self.nodes.items()]
        subsets = [{"addresses": addresses, "ports": [{"port": 80}]}]
        metadata = {"name": app.name}
        path = f"/api/v1/namespaces/{app.namespace}/endpoints"
        if not any(each["metadata"]["name"] == app.name for each in self.api.admin.get(path)["items"]):
            self.api.admin.create(path, {"metadata": metadata, "subsets": subsets})

    # --- MetalLB's daemons ---

    def start_legacy(self) -> None:
        """Start MetalLB 0.11.0's controller, and its speaker on every node."""
        for name in self.nodes:
            self.create_pod(name, "old")
        self._start_legacy("controller", "controller", subprocess.Popen)
        for name, node in self.nodes.items():
            flags = {"node-name": name, "host": node.address, "ml-bindaddr": node.address, "ml-secret-key": "a key"}
            flags["ml-labels"] = ",".join(f"{key}={value}" for key, value in LABELS.items())
            self._start_legacy(name, "speaker", node.popen, *(f"--{flag}={text}" for flag, text in flags.items()))

    def _start_legacy(self, name: str, program: str, popen: Any, *flags: str) -> None:
        place = ["--namespace", NAMESPACE, "--kubeconfig", str(self.api.kubeconfig), "--log-level", "debug"]
        command = [str(lab_binary(f"metallb-0.11-{program}")), *place, *flags]
        self._legacy[name] = popen(command, stdout=self._log(f"legacy-{name}"), stderr=subprocess.STDOUT)
        self._stack.callback(self.end_legacy, name)

    def end_legacy(self, name: str) -> None:
        """End one of MetalLB's daemons as the kubelet would: `controller`, or a speaker by its node."""
        process = self._legacy.pop(name, None)
        if process:
            process.terminate()
            process.wait(LEFT_S)

    # --- the DaemonSet ---

    def create_pod(self, node: str, suffix: str) -> None:
        """Let a speaker's Pod be there and ready."""
        host = self.nodes[node].address
        spec = {"nodeName": node, "containers": [{"name": "speaker", "image": "speaker"}]}
        name = f"speaker-{node}-{suffix}"
        self.api.admin.create(PODS, {"metadata": {"name": name, "labels": LABELS}, "spec": spec})
        conditions = [{"type": "Ready", "status": "True"}]
        status = {"podIP": host, "podIPs": [{"ip": host}], "conditions": conditions}
        self.api.admin.patch(f"{PODS}/{name}/status", {"status": status})

    def replace_speaker(self, node: str, *flags: str) -> None:
        """Let the Pod with MetalLB's speaker go and one with ours come, as the update of a DaemonSet does."""
        self.end_legacy(node)
        self.api.admin.delete(f"{PODS}/speaker-{node}-old?gracePeriodSeconds=0")
        self.start_speaker(node, *flags)
        self.await_log(node, event="sessionUp")
        self.create_pod(node, "new")

    def await_log(self, name: str, **fields: str) -> None:
        """Wait until one of our daemons has logged a line with these fields."""
        log = JsonLog(self._logs / f"{name}.log")

        def is_logged() -> bool:
            return any(fields.items() <= line.items() for line in log.lines())

        wait_until(is_logged, CONVERGED_S, f"{name} logs {fields}")

    # --- what must not change ---

    def ask_the_lan_often(self) -> None:
        """Let the client believe what it knows of its neighbours for a second, not for half a minute.

        An address that nobody answers for is lost to it after three seconds then, though it knew the way.
        """
        for setting, value in NEIGHBOUR_SETTINGS.items():
            self.client.sysctl(f"net/ipv4/neigh/eth0/{setting}", value)

    def services(self) -> dict[str, tuple[str, Object]]:
        """Give each Service's version, which every write to it changes, and its status."""
        found = self.api.admin.get("/api/v1/namespaces/default/services")["items"]
        return {
            each["metadata"]["name"]: (each["metadata"]["resourceVersion"], each["status"])
            for each in found
            if each["spec"]["type"] == "LoadBalancer"
        }


class Probing:
    """Probes some addresses from a host as long as it is open."""

    def __init__(self, host: Host, addresses: Sequence[str]) -> None:
        command = [sys.executable, "-I", str(Path(prober.__file__)), *addresses]
        self._process = host.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def end(self) -> dict[str, dict[str, Any]]:
        """Give for each address how many echoes were `asked` for, and when those that were `lost` were."""
        output, _ = self._process.communicate(timeout=CONVERGED_S)
        found: dict[str, dict[str, Any]] = json.loads(output)
        return found
