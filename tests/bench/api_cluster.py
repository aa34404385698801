"""An API server full of Services, for benchmarks of whole controllers.

What a controller does is read from the audit log, by the API server's own clock: it costs the same whoever writes,
and nothing of it is seen by the one who is measured.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import json
import ssl
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from metalpy.daemon.status_writer import IN_FLIGHT
from tests.cluster.controllers import NAMESPACE, deployed
from tests.lab.kube.commands import AUDIT_LOG
from tests.lab.kube.control_plane import ControlPlane
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.bench.controllers import Program
    from tests.lab.kube.server import Server

Object = dict[str, Any]
Request = tuple[str, str, bytes]

POOL = "10.128.0.0/16"
CONFIG = f"address-pools:\n- {{name: bench, protocol: layer2, addresses: [{POOL}]}}\n"
SERVICES_NAMESPACE = "bench"
SERVICES = f"/api/v1/namespaces/{SERVICES_NAMESPACE}/services"
PAGE = 1000
AUDIT_S = 10
OK = 200

_STATUS = b'"subresource":"status"'
"""What each line of the audit log about a write of a status has in it."""

_SEES_EVERYTHING = ("--audit-log-maxsize=4000",)
"""Megabytes: a log that is rotated in the middle of a run would hide writes."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Statuses that were written, one after the other, by one program."""

    started: float
    written: tuple[float, ...]
    """When each Service's was, in seconds since 1970, ascending."""

    @property
    def rate(self) -> float:
        """Services a second from the first write to the last: whatever comes before is not included."""
        return (len(self.written) - 1) / (self.written[-1] - self.written[0])

    @property
    def whole_s(self) -> float:
        """Seconds from the start of the process to the last write."""
        return self.written[-1] - self.started


class ApiCluster:
    """One control plane with metalpy's rights, a pool and Services that nobody else wants. A context manager."""

    def __init__(self) -> None:
        self.api = ControlPlane(audit_level="Metadata", flags=_SEES_EVERYTHING)
        self._count = 0

    def __enter__(self) -> Self:
        self.api.__enter__()
        try:
            data = {"config": CONFIG}
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SERVICES_NAMESPACE}}
            metadata = {"name": "config", "namespace": NAMESPACE}
            self.api.apply(*deployed("namespace.yaml"), namespace)
            self.api.apply(*deployed("rbac.yaml"))
            self.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
        except BaseException:
            self.api.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.api.__exit__()

    def grow(self, count: int) -> None:
        """Create Services, pending ones, until there are so many."""
        bodies = [("POST", SERVICES, json.dumps(_service(number)).encode()) for number in range(self._count, count)]
        self._send_all(bodies, self._admin_token())
        self._count = count

    def fill(self) -> Phase:
        """Give each Service an address as fast as a client can that does nothing else, as many at a time as metalpy."""
        addresses = ipaddress.ip_network(POOL).hosts()
        return self._patch_bare({"ingress": [{"ip": str(address)}]} for address in addresses)

    def clear(self) -> Phase:
        """Make each Service pending again, by the same bare client: a patch like those that fill."""
        return self._patch_bare(itertools.repeat({"ingress": None}))

    def _patch_bare(self, statuses: Iterable[Object]) -> Phase:
        requests = [_status_patch(service, status) for service, status in zip(self.services(), statuses, strict=False)]
        token = self.api.service_account_token(NAMESPACE, "controller")
        since = self.follow_audit()
        started = time.time()
        self._send_all(requests, token)
        return Phase(started, since.await_services(self._count, AUDIT_S))

    def converge(self, program: Program, deadline_s: float) -> tuple[Phase, Server]:
        """Start a controller and wait until each Service has an address of its own. The controller goes on."""
        since = self.follow_audit()
        started = time.time()
        server = program.start(self.api)
        written = since.await_services(self._count, deadline_s, lambda: server.pid)
        self.api.admin.close()
        addresses = [_addresses(service) for service in self.services()]
        if {len(found) for found in addresses} != {1} or len(set(addresses)) != self._count:
            raise RuntimeError(f"{program.name}: not every Service has one address of its own")
        return Phase(started, written), server

    def services(self) -> list[Object]:
        """Read all Services, in pieces that are small beside what a controller reads."""
        found: list[Object] = []
        after = ""
        while True:
            page = self.api.admin.get(f"{SERVICES}?limit={PAGE}&continue={after}")
            found += page["items"]
            after = page["metadata"].get("continue", "")
            if not after:
                return found

    def follow_audit(self) -> AuditTail:
        """Begin to follow the audit log here."""
        return AuditTail(self.api)

    def _admin_token(self) -> str:
        """Make a token that may create Services: the bench's own account."""
        account = {"apiVersion": "v1", "kind": "ServiceAccount"}
        metadata = {"name": "bench", "namespace": SERVICES_NAMESPACE}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "bench"},
            "roleRef": role,
            "subjects": [{"kind": "ServiceAccount", **metadata}],
        }
        self.api.apply({**account, "metadata": metadata}, binding)
        return self.api.service_account_token(SERVICES_NAMESPACE, "bench")

    def _send_all(self, requests: Iterable[Request], token: str) -> None:
        asyncio.run(self._send(requests, token))
        self.api.admin.close()  # the API server closes what was idle for a minute and a half

    async def _send(self, requests: Iterable[Request], token: str) -> None:
        """Send requests, `IN_FLIGHT` at a time, and read the answers without looking into them."""
        due = iter(requests)
        context = ssl.create_default_context(cafile=str(self.api.ca))
        connector = aiohttp.TCPConnector(limit=IN_FLIGHT, ssl=context)
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

        async def work(session: aiohttp.ClientSession) -> None:
            for method, path, body in due:
                kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
                url = f"{self.api.url}{path}"
                async with session.request(method, url, data=body, headers={"Content-Type": kind}) as answer:
                    text = await answer.read()
                    if answer.status > 201:
                        raise RuntimeError(f"{method} {path}: {answer.status}: {text[:200]!r}")

        async with aiohttp.ClientSession(connector=connector, headers=headers) as session, asyncio.TaskGroup() as tasks:
            for _ in range(IN_FLIGHT):
                tasks.create_task(work(session))


class AuditTail:
    """What was asked of the API server since this was made, and answered."""

    def __init__(self, api: ControlPlane) -> None:
        self._file = api.directory / AUDIT_LOG
        self._offset = self._file.stat().st_size

    def records(self) -> list[Object]:
        """Read what came since the last call."""
        return [json.loads(line) for line in self._lines()]

    def _lines(self) -> list[bytes]:
        with self._file.open("rb") as log:
            log.seek(self._offset)
            whole, newline, _ = log.read().rpartition(b"\n")
        self._offset += len(whole + newline)
        return whole.splitlines()

    def await_services(
        self, count: int, deadline_s: float, goes_on: Callable[[], object] = lambda: True
    ) -> tuple[float, ...]:
        """Wait until so many Services' statuses were written; gives when each was for the first time.

        Lines are parsed only when there may be enough of them: to look into each as it comes would cost the machine a
        quarter of what the controller does for it.
        """
        first_writes: dict[str, float] = {}
        lines: list[bytes] = []

        def enough() -> bool:
            lines.extend(line for line in self._lines() if _STATUS in line)
            goes_on()
            if len(first_writes) + len(lines) < count:
                return False
            for record in map(json.loads, lines):
                target = record["objectRef"]
                if target["resource"] == "services" and record["responseStatus"]["code"] == OK:
                    first_writes.setdefault(target["name"], _seconds(record["stageTimestamp"]))
            lines.clear()
            return len(first_writes) >= count

        wait_until(enough, deadline_s, f"{count} Services written")
        return tuple(sorted(first_writes.values()))


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def _service(number: int) -> Object:
    spec = {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False, "ports": [{"name": "http", "port": 80}]}
    return {"metadata": {"name": f"app-{number:05}"}, "spec": spec}


def _status_patch(service: Object, load_balancer: Object) -> Request:
    metadata = service["metadata"]
    body = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": {"loadBalancer": load_balancer}}
    return "PATCH", f"{SERVICES}/{metadata['name']}/status", json.dumps(body).encode()


def _addresses(service: Object) -> tuple[str, ...]:
    return tuple(entry["ip"] for entry in service["status"]["loadBalancer"].get("ingress", ()))
