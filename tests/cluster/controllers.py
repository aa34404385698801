"""Real controllers on the lab's API server, with exactly the rights that deploy/ grants them."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml

from tests.lab.crds import install_our_crds
from tests.lab.json_log import JsonLog
from tests.lab.kube.events import events_in
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.lab.kube.control_plane import ControlPlane

Object = dict[str, Any]

DEPLOY = Path(__file__).parents[2] / "deploy"
NAMESPACE = "metallb-system"
USER = f"system:serviceaccount:{NAMESPACE}:controller"
CONVERGED_S = 60
PATIENT = ("--leader-elect-lease-duration=61s", "--leader-elect-renew-deadline=60s")
"""Flags for tests that restart the API server: on a busy machine it may be away for longer than a leader goes on
without it, which then rightly ends."""
BRISK = ("--leader-elect-lease-duration=12s", "--leader-elect-renew-deadline=10s", "--leader-elect-retry-period=1s")
"""Flags for tests in which another controller takes over: soon, but seconds without the API server, as a busy machine
has them, end no leader."""
LAST_LINES = 40
"""How much of a log is shown with a test that failed."""


def deployed(file: str) -> list[Object]:
    """Read the objects of one of deploy/'s files."""
    return list(yaml.safe_load_all((DEPLOY / file).read_text(encoding="utf-8")))


class Site:
    """One cluster with metalpy's namespace and rights in it; controllers end with it.

    `definitions`: our custom resources are defined and these, and still are at the end; None: not even ours.
    """

    def __init__(self, api_server: ControlPlane, logs: Path, *, definitions: Sequence[Object] | None = None) -> None:
        self.api = api_server
        self._definitions = definitions
        self._logs = logs
        self._stack = ExitStack()
        self._controllers: list[Controller] = []

    def __enter__(self) -> Self:
        if self._definitions is not None:
            install_our_crds(self.api, *self._definitions)
        self.grant(deployed("rbac.yaml"))
        return self

    def __exit__(self, *_: object) -> None:
        for controller in self._controllers:
            controller.kill()
        self._stack.close()
        self.api.wipe(but_definitions=self._definitions is not None)

    def last_words(self) -> list[tuple[str, str]]:
        """Give the name and the end of each controller's log."""
        return [controller.last_words() for controller in self._controllers]

    def grant(self, rbac: Sequence[Object]) -> None:
        """Create the namespace and these accounts, roles and bindings."""
        self.api.apply(*deployed("namespace.yaml"))
        self.api.apply(*rbac)

    def start(self, *flags: str, kubeconfig: Path | None = None) -> Controller:
        """Start a controller with its ServiceAccount's token; alone on its port only if `--port` says so."""
        kubeconfig = kubeconfig or self.api.service_account_kubeconfig(NAMESPACE, "controller")
        log = self._logs / f"controller-{len(self._controllers)}.log"
        command = [sys.executable, "-m", "metalpy", "controller", "--kubeconfig", str(kubeconfig)]
        output = self._stack.enter_context(log.open("wb"))
        process = subprocess.Popen(
            [*command, "--namespace", NAMESPACE, "--port", "0", "--host", "127.0.0.1", *flags],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        controller = Controller(process, log)
        self._controllers.append(controller)
        return controller

    def configure(self, text: str, *, name: str = "config") -> None:
        """Make `text` the configuration."""
        metadata = {"name": name, "namespace": NAMESPACE}
        self.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"config": text}})

    def service(self, name: str, *, annotations: dict[str, str] | None = None, **spec: Any) -> Object:
        """Create a Service of type LoadBalancer in `default`, with TCP port 80 unless `spec` says otherwise."""
        metadata = {"name": name, "annotations": annotations or {}}
        body = {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}], **spec}
        created: Object = self.api.admin.create(
            "/api/v1/namespaces/default/services", {"metadata": metadata, "spec": body}
        )
        return created

    def read(self, name: str) -> Object:
        """Read a Service of `default`."""
        found: Object = self.api.admin.get(f"/api/v1/namespaces/default/services/{name}")
        return found

    def addresses(self, name: str) -> list[str]:
        """Read a Service's addresses."""
        return [entry["ip"] for entry in self.read(name)["status"]["loadBalancer"].get("ingress", ())]

    def await_addresses(self, name: str, *expected: str) -> None:
        """Wait until a Service has exactly these addresses."""
        wait_until(lambda: self.addresses(name) == list(expected), CONVERGED_S, f"{name} has {expected}")

    def events(self, kind: str, name: str, namespace: str = "default") -> list[Object]:
        """List an object's events."""
        return events_in(self.api.admin, namespace, kind=kind, name=name)

    def await_event(self, kind: str, name: str, reason: str, words: str = "", namespace: str = "default") -> Object:
        """Wait until an object has an event of this reason with these words."""

        def found() -> list[Object]:
            events = self.events(kind, name, namespace)
            return [event for event in events if event["reason"] == reason and words in event["message"]]

        return wait_until(found, CONVERGED_S, f"an event {reason} ({words}) on {kind} {name}")[0]

    def await_writes(self, many: int) -> None:
        """Wait until the audit log has so many of them: it is a little behind."""
        wait_until(lambda: len(self.writes()) >= many, CONVERGED_S, f"{many} writes in the audit log")

    def writes(self) -> list[Object]:
        """List what controllers wrote to Services, from the audit log."""
        return [
            record
            for record in self.api.audited()
            if record["user"].get("username", "") == USER
            and record.get("objectRef", {}).get("resource") == "services"
            and record["verb"] in {"update", "patch"}
        ]


class Controller:
    """One controller process."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        self._lines = JsonLog(log)

    def log(self) -> list[Object]:
        """Read what it has logged, whole lines alone: the last one may be on its way."""
        return list(self._lines.lines())

    def last_words(self) -> tuple[str, str]:
        """Give the name and the end of the log, and how the process ended."""
        lines = self._log.read_text(encoding="utf-8").splitlines(keepends=True)
        return self._log.name, f"{''.join(lines[-LAST_LINES:])}(exit status: {self.process.poll()})"

    def await_log(self, condition: Callable[[Object], bool], what: str) -> Object:
        """Wait for a line."""
        return wait_until(lambda: next(filter(condition, self.log()), None), CONVERGED_S, what) or {}

    def await_event(self, event: str) -> Object:
        """Wait for a line with this `event`."""
        return self.await_log(lambda line: line.get("event") == event, f"event={event}")

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it as the kubelet would; gives its exit status."""
        self.process.terminate()
        return self.process.wait(CONVERGED_S)
