"""Whole speakers that start in front of many Services, each with an FRR router of its own on one LAN.

All speak for one cluster of one node, whose name they bear, and for all of its Services. *Bare* reads no cluster: it
streams the same routes to a gobgpd that it starts, which is what no speaker with gobgpd can do faster.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from tests.bench import etcd_services
from tests.bench.lan_cluster import NEWER_POD, POOL, cluster_on, furnish_newer, metallb_speaker, our_speaker
from tests.lab.lan import Lan
from tests.lab.routers import Frr, Neighbor
from tests.lab.wait import wait_until
from tests.lan.bgp.speaker import directory, gobgpd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.lan import Host

OURS, NEWER, BARE = "metalpy", "metallb-0.15", "bare"
ASN, ROUTER_ASN = 64500, 64512
GONE_S = 30


class BgpSite:
    """The LAN, the cluster and the routers; a context manager, inside a sandbox only."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._stack = ExitStack()
        self._count = 0

    def __enter__(self) -> Self:
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
        """Create Services with addresses and endpoints until there are so many."""
        asyncio.run(etcd_services.create(self._api, range(self._count, count), endpoints=False))
        self._count = count

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
        return [sys.executable, "-m", "tests.bench.bgp_bare", *place, str(self._count)]
