"""A controller that is killed and started again where nothing is left to do: `python -m tests.bench.quiet [--quick]`.

Every Service has its address already. *Ours* is, one line each: how many Services were left alone (any write to a
Service or an Event counts against it, by the audit log, as does an address that is another one afterwards); the
seconds from the start of the process until its cache is complete, the configuration is in force and `/readyz` says
so, once by the clock and once of CPU, which other programs cannot lengthen; and the share of a core that it then
takes while nothing happens, its Lease included. *Limit* is what is allowed.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import select
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.api_cluster import ApiCluster
from tests.bench.controllers import METALPY, cpu_s
from tests.bench.report import line
from tests.cluster.controllers import USER
from tests.lab.kube.server import free_ports
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.bench.api_cluster import Object
    from tests.lab.kube.server import Server

CONVERGED_S = 300
READY_S = 60
MOST_READY_S = 3.0
MOST_AT_REST = 0.01
"""Of one core."""

IN_FORCE = b"metallb_k8s_client_config_loaded_bool 1.0"
WRITES = {"create", "update", "patch", "delete"}
BELONGS_TO_NOBODY = {"leases", "selfsubjectaccessreviews"}
"""Leadership is renewed all the time, and asking for a right is a creation that stores nothing."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    services: int
    rest_s: float


FULL = Size(5000, 10)
QUICK = Size(500, 5)


def addresses(cluster: ApiCluster) -> dict[str, object]:
    """Read what each Service's status says."""
    return {service["metadata"]["name"]: service["status"] for service in cluster.services()}


def written(records: Iterable[Object]) -> list[Object]:
    """List what the controller has written, among what was asked of the API server."""
    return [
        record
        for record in records
        if record["user"].get("username", "") == USER
        and record["verb"] in WRITES
        and record["objectRef"]["resource"] not in BELONGS_TO_NOBODY
    ]


def is_ready(port: int) -> bool:
    """Tell whether a controller has its configuration in force and says that it is ready.

    `/readyz` alone is not enough: it is content with one that waits to lead.
    """
    pages = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    with contextlib.closing(pages):
        pages.request("GET", "/readyz")
        answer = pages.getresponse()
        answer.read()
        if answer.status != http.HTTPStatus.OK:
            return False
        pages.request("GET", "/metrics")
        return IN_FORCE in pages.getresponse().read()


def at_rest(server: Server, seconds: float) -> float:
    """Measure the share of a core that a process takes for a while."""
    before, begin = cpu_s(server), time.monotonic()
    end = os.pidfd_open(server.pid)
    try:
        ended, _, _ = select.select([end], [], [], seconds)
    finally:
        os.close(end)
    if ended:
        raise RuntimeError("the controller ended")
    return (cpu_s(server) - before) / (time.monotonic() - begin)


def measure(size: Size) -> bool:
    """Measure and print. Tells whether every Service was left alone."""
    with ApiCluster() as cluster:
        cluster.grow(size.services)
        _, server = cluster.converge(METALPY, CONVERGED_S)
        server.kill()
        before = addresses(cluster)
        audit = cluster.follow_audit()

        (port,) = free_ports(1)
        started = time.monotonic()
        server = METALPY.start(cluster.api, port)
        wait_until(lambda: server.pid and is_ready(port), READY_S, "the controller is ready")
        ready_s, ready_cpu_s = time.monotonic() - started, cpu_s(server)
        share = at_rest(server, size.rest_s)
        server.kill()

        after = addresses(cluster)
        touched = {record["objectRef"]["name"] for record in written(audit.records())}
        touched |= {name for name, status in after.items() if before[name] != status}
        left_alone = size.services - len(touched)
    name = f"quiet.{size.services}"
    print(line(f"{name}.left-alone", "Services", size.services, left_alone, limit=size.services))
    print(line(f"{name}.ready", "s", 1, ready_s, limit=MOST_READY_S, smaller_is_better=True))
    print(line(f"{name}.ready-cpu", "s", 1, ready_cpu_s, limit=MOST_READY_S, smaller_is_better=True))
    print(line(f"{name}.at-rest", "cores", 1, share, limit=MOST_AT_REST, smaller_is_better=True))
    return not touched


def main() -> None:
    """Print one JSON object a line; a Service that was touched is a failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.quiet", description="Restart a whole controller.")
    parser.add_argument("--quick", action="store_true", help="fewer Services and a shorter rest")
    if not measure(QUICK if parser.parse_args().quick else FULL):
        sys.exit("a restart has written")


if __name__ == "__main__":
    main()
