"""The two controllers that are held against each other, each on an API server of its own.

A step is done to both, and each is waited for until it is *at rest*: it has looked at everything that the step
changed and at everything that its own writes changed. Only then can states be compared.
"""

from __future__ import annotations

import abc
import itertools
import subprocess
import urllib.request
from typing import TYPE_CHECKING

from tests.cluster.controllers import NAMESPACE
from tests.lab.json_log import JsonLog
from tests.lab.kube.events import events_in
from tests.lab.parts import lab_binary
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cluster.controllers import Controller, Object, Site
    from tests.lab.kube.control_plane import ControlPlane

SERVICES = "/api/v1/namespaces/default/services"
CONFIG = f"/api/v1/namespaces/{NAMESPACE}/configmaps/config"
REST_S = 30
BARRIER = "barrier"
BARRIER_POOL = "- {name: barrier, protocol: layer2, auto-assign: false, addresses: [10.255.255.0/31]}\n"
"""The Service, or the start of its names, and the pool for it, by which a side tells that it has taken in
everything before; see `rest`."""


class ControllerEnded(RuntimeError):  # noqa: N818 - it says what happened
    """A controller ended by itself."""


class Side(abc.ABC):
    """One API server with one controller."""

    def __init__(self, api: ControlPlane, port: int) -> None:
        self.api = api
        self.port = port
        """Where its metrics are."""
        self._log: JsonLog

    def configure(self, text: str) -> None:
        """Edit the configuration, which must change, and wait for what comes of it."""
        mark = self.mark()
        taken = self.verdict(text)
        self.rest(mark, everything=taken)

    def verdict(self, text: str) -> bool:
        """Edit the configuration, which must change, and tell whether it is taken."""
        mark = self.mark()
        self.api.admin.patch(CONFIG, {"data": {"config": text}})
        self._await_event(mark, "configLoaded", "configStale")
        return not self.is_stale()

    def is_stale(self) -> bool:
        """Tell whether the controller says that the configuration in force is not the last one."""
        return bool(self.gauge("metallb_k8s_client_config_stale_bool"))

    def await_fresh(self) -> None:
        """Wait until the last configuration is in force."""
        wait_until(lambda: not self.is_stale(), REST_S, "the last configuration is in force")

    def gauge(self, name: str) -> float:
        """Read a metric without labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=REST_S) as page:
            lines: list[str] = page.read().decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def state(self) -> dict[str, tuple[str, ...]]:
        """Give the addresses of every load balancer but the barrier, by name; none while it waits."""
        return {
            service["metadata"]["name"]: tuple(
                entry["ip"] for entry in service["status"]["loadBalancer"].get("ingress", ())
            )
            for service in self.api.admin.get(SERVICES)["items"]
            if service["spec"]["type"] == "LoadBalancer" and service["metadata"]["name"] != BARRIER
        }

    def reasons(self, prefix: str) -> dict[str, set[str]]:
        """Give the reasons of the Events on Services whose names start so."""
        found: dict[str, set[str]] = {}
        for event in events_in(self.api.admin, "default", source="metallb-controller"):
            if event["involvedObject"]["name"].startswith(prefix):
                found.setdefault(event["involvedObject"]["name"], set()).add(event["reason"])
        return found

    def mark(self) -> int:
        """Give the place in the log where the next step begins."""
        return len(self._log.lines())

    def clear(self) -> None:
        """Delete every Service but the barrier."""
        self.api.admin.delete(f"{SERVICES}?fieldSelector=metadata.name!%3Dkubernetes,metadata.name!%3D{BARRIER}")

    @abc.abstractmethod
    def check(self) -> None:
        """Raise `ControllerEnded` if the process does not run."""

    @abc.abstractmethod
    def rest(self, mark: int, *, touched: str = "", everything: bool = False) -> None:
        """Wait until nothing is left to do after a step that changed `touched`, or that concerns everything."""

    def _await_event(self, mark: int, *events: str) -> int:
        return self._await_line(mark, lambda line: line.get("event") in events, f"event={'|'.join(events)}")

    def _await_line(self, mark: int, condition: Callable[[Object], bool], what: str) -> int:
        def found() -> int:
            self.check()
            return next((at + 1 for at, line in enumerate(self._log.lines()[mark:], mark) if condition(line)), 0)

        return wait_until(found, REST_S, what)


class Legacy(Side):
    """MetalLB 0.11.0's controller, started anew for every history: its rate limits start full then."""

    def __init__(self, api: ControlPlane, directory: Path, port: int) -> None:
        super().__init__(api, port)
        self._directory = directory
        self._runs = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        api.admin.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        metadata = {"name": "config", "namespace": NAMESPACE}
        api.admin.create(CONFIG.rpartition("/")[0], {"metadata": metadata, "data": {"config": ""}})
        self._barriers = itertools.count(1)

    def start(self, config: str) -> None:
        """Start with a configuration and an empty cluster, and wait until everything was looked at."""
        self.stop()
        self.clear()
        self.api.admin.patch(CONFIG, {"data": {"config": config}})
        path = self._directory / f"legacy-{next(self._runs)}.log"
        command = [str(lab_binary("metallb-0.11-controller")), "--kubeconfig", str(self.api.kubeconfig)]
        with path.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, "--namespace", NAMESPACE, "--port", str(self.port), "--log-level", "debug"],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._log = JsonLog(path)
        for event in ("configLoaded", "stateSynced"):
            self._await_event(0, event)
        self.rest(0)

    def check(self) -> None:
        """Raise `ControllerEnded` if the process does not run."""
        if self._process is None or self._process.poll() is not None:
            raise ControllerEnded("MetalLB 0.11")

    def stop(self) -> None:
        """End it, if it runs."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def rest(self, mark: int, *, touched: str = "", everything: bool = False) -> None:
        """Wait until it has looked at `touched`; then, as after deletions and new configurations, at every Service.

        Its own writes come back to it through the watch. The barrier is a Service that it has no use for, made
        after them: it has seen them all when it has looked at that one. Each wait makes a barrier of its own, of a
        name that was never there. A look at an old one again would prove nothing, as it may be late from before,
        and might not come at all, as an edit that changes nothing is no news.
        """
        if touched:
            mark = self._await_look(touched, mark)
        if everything:
            for service in self.api.admin.get(SERVICES)["items"]:
                if not service["metadata"]["name"].startswith(BARRIER):
                    self._await_look(service["metadata"]["name"], mark)
        barrier = f"{BARRIER}-{next(self._barriers)}"
        self._make(barrier)
        self._await_look(barrier, 0)

    def configure_again(self) -> None:
        """Touch the configuration without changing its text."""
        self.configure(self.api.admin.get(CONFIG)["data"]["config"] + "\n")

    def reprocess(self) -> None:
        """Have it look at every Service again, as it does after any deletion."""
        mark = self.mark()
        self._make("nudge")
        self.rest(mark, touched="nudge")
        mark = self.mark()
        self.api.admin.delete(f"{SERVICES}/nudge")
        self.rest(mark, touched="nudge", everything=True)

    def _make(self, name: str) -> None:
        """Create a Service that it has no use for."""
        self.api.admin.create(SERVICES, {"metadata": {"name": name}, "spec": {"ports": [{"port": 1}]}})

    def _await_look(self, name: str, mark: int) -> int:
        service = f"default/{name}"
        return self._await_line(
            mark,
            lambda line: line.get("event") == "endUpdate" and line.get("service") == service,
            f"MetalLB looks at {service}",
        )


class Ours(Side):
    """Our controller, one for all histories."""

    def __init__(self, site: Site, directory: Path, port: int) -> None:
        super().__init__(site.api, port)
        self._toggles = itertools.count()
        site.configure("")
        self.controller: Controller = site.start("--port", str(self.port))
        self._log = JsonLog(directory / "controller-0.log")
        self._await_event(0, "stateSynced")

    def start(self, config: str) -> None:
        """Empty the cluster and put a configuration in force."""
        self.clear()
        wanted = config + BARRIER_POOL
        if self.api.admin.get(CONFIG)["data"]["config"] != wanted:
            self.api.admin.patch(CONFIG, {"data": {"config": wanted}})
        if not any(item["metadata"]["name"] == BARRIER for item in self.api.admin.get(SERVICES)["items"]):
            spec = {"type": "LoadBalancer", "ports": [{"port": 1}], "loadBalancerIP": "10.255.255.0"}
            self.api.admin.create(SERVICES, {"metadata": {"name": BARRIER}, "spec": spec})
        self.rest(0)
        self.await_fresh()

    def configure(self, text: str) -> None:
        """Edit the configuration, which keeps the barrier's pool, and wait for what comes of it."""
        super().configure(text + BARRIER_POOL)

    def rest(self, mark: int, *, touched: str = "", everything: bool = False) -> None:
        """Wait until it has moved the barrier's address twice: decided is decided then, and written is written.

        Whatever came before the first move was decided with it at the latest, and its write was begun.
        """
        del mark, touched, everything
        for _ in range(2):
            wanted = f"10.255.255.{next(self._toggles) % 2}"
            self.api.admin.patch(f"{SERVICES}/{BARRIER}", {"spec": {"loadBalancerIP": wanted}})
            self._await_barrier(wanted)

    def check(self) -> None:
        """Raise `ControllerEnded` if the process does not run."""
        if self.controller.process.poll() is not None:
            raise ControllerEnded("metalpy")

    def _await_barrier(self, address: str) -> None:
        def is_there() -> bool:
            status = self.api.admin.get(f"{SERVICES}/{BARRIER}")["status"]["loadBalancer"]
            return any(entry["ip"] == address for entry in status.get("ingress", ()))

        wait_until(is_there, REST_S, f"the barrier is at {address}")
