"""Whole speakers that start in front of many Services, each with an FRR router of its own on one LAN.

All speak for one cluster of one node, whose name they bear, and for all of its Services. *Bare* reads no cluster: it
streams the same routes to a gobgpd that it starts, which is what no speaker with gobgpd can do faster. Python's
programs are compiled before, as they are in an image.
"""

from __future__ import annotations

import asyncio
import compileall
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import metalpy
from tests import bench
from tests.bench import etcd_services
from tests.bench.controllers import cpu_s
from tests.bench.lan_cluster import NEWER_POD, POOL, cluster_on, furnish_newer, metallb_speaker, our_speaker
from tests.bench.share import share_of_a_core
from tests.lab.lan import Lan
from tests.lab.routers import Frr, Neighbor
from tests.lab.runtime import python_as_in_an_image
from tests.lab.wait import wait_until
from tests.lan.bgp.speaker import directory, gobgpd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.lan import Host

OURS, NEWER, BARE = "metalpy", "metallb-0.15", "bare"
ASN, ROUTER_ASN = 64500, 64512
GONE_S = 30
REST_S = 120
REST_SHARE = 0.1
"""Of a core: less than this for a second means that the API server has digested what there is."""


class BgpSite:
    """The LAN, the cluster and the routers; a context manager, inside a sandbox only."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._stack = ExitStack()
        self._count = 0

    def __enter__(self) -> Self:
        for package in (metalpy, bench):
            compileall.compile_dir(Path(str(package.__file__)).parent, quiet=1)
        with ExitStack() as undo:
            lan = undo.enter_context(Lan())
            self._nodes: dict[str, Host] = {}
            self._routers: dict[str, Frr] = {}
            for number, name in enumerate(self.names):
                self._nodes[name] = node = lan.host(f"node{number}")
                known = [Neighbor(node.address, ASN)]
                router = Frr(lan.host(f"router{number}"), asn=ROUTER_ASN, neighbors=known)
                self._routers[name] = undo.enter_context(router)
            self._api = undo.enter_context(cluster_on(lan, self._config()))
            if NEWER in self.names:
                peer = {"myASN": ASN, "peerASN": ROUTER_ASN, "peerAddress": self._routers[NEWER].host.address}
                furnish_newer(self._api, ("v1beta2", "BGPPeer", peer), ("v1beta1", "BGPAdvertisement", {}))
            self._stack = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _config(self) -> str:
        peer = f"{{my-asn: {ASN}, peer-asn: {ROUTER_ASN}, peer-address: {self._routers[OURS].host.address}}}"
        return f"peers:\n- {peer}\naddress-pools:\n- {{name: bench, protocol: bgp, addresses: [{POOL}]}}\n"

    def grow(self, count: int) -> None:
        """Create Services with addresses and endpoints until there are so many, and the API server is at rest."""
        asyncio.run(etcd_services.create(self._api, range(self._count, count), endpoints=False))
        self._count = count
        wait_until(self._is_at_rest, REST_S, "the API server is at rest")

    def _is_at_rest(self) -> bool:
        return share_of_a_core(lambda: cpu_s(self._api.api_server)) < REST_SHARE

    def cold_s(self, name: str, deadline_s: float) -> float:
        """Start one, and end it when its router has all routes; returns how long that took."""
        commands = {OURS: self._ours, NEWER: self._newer, BARE: self._bare}
        command, node = commands[name](), self._nodes[name]
        with (self._api.directory / f"{name}.log").open("wb") as log:
            began_s = time.monotonic()
            process: subprocess.Popen[Any] = node.popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        self._await_routes(name, self._count, deadline_s)
        took_s = time.monotonic() - began_s
        process.kill()
        node.kill_processes()
        self._await_routes(name, 0, GONE_S)
        return took_s

    def _await_routes(self, name: str, count: int, deadline_s: float) -> None:
        wait_until(lambda: self._routers[name].count("ipv4") == count, deadline_s, f"{count} routes of {name}")

    def _ours(self) -> list[str]:
        return our_speaker(self._api, "--gobgpd", gobgpd(4), "--gobgpd-dir", str(directory()))

    def _newer(self) -> list[str]:
        return metallb_speaker(self._api, "0.15", "-pod-name", NEWER_POD)

    def _bare(self) -> list[str]:
        place = [gobgpd(4), str(directory()), self._routers[BARE].host.address]
        return [*python_as_in_an_image(), "-m", "tests.bench.bgp_bare", *place, str(self._count)]
