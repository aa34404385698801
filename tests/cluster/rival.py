"""Somebody else who writes a Service's status: whenever it is not his, he makes it his."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Self

from tests.cluster.sides import SERVICES
from tests.lab.kube.client import ApiRefusal

if TYPE_CHECKING:
    from tests.lab.kube.control_plane import ControlPlane

NAME = "rival"
ADDRESS = "192.0.2.1"
_LOOK_S = 0.01


class Rival:
    """A second load balancer for one Service of `default`, as a context manager: a thread that looks and writes.

    `undone` are the resource versions at which the status was not his.
    """

    def __init__(self, api: ControlPlane, name: str) -> None:
        self._client = api.client_for("rival", ["system:masters"])
        self._path = f"{SERVICES}/{name}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=NAME)
        self.undone: set[str] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(_LOOK_S):
            service: dict[str, Any] = self._client.get(self._path)
            ingress = service["status"]["loadBalancer"].get("ingress") or [{}]
            if ingress[0].get("ip") != ADDRESS:
                version = service["metadata"]["resourceVersion"]
                self.undone.add(version)
                content = {
                    "metadata": {"resourceVersion": version},
                    "status": {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}},
                }
                with contextlib.suppress(ApiRefusal):
                    self._client.patch(f"{self._path}/status?fieldManager={NAME}", content)
