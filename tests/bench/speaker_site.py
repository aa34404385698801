"""Whole speakers on a LAN, for benchmarks: metalpy's, MetalLB's before and after custom resources, and a bare kernel.

Each has a host of its own, a cable of its own to the client, and speaks for all addresses: in one cluster of one
node, whose name all of them bear. The API server is reached over the LAN, where the hosts do not see each other.
"""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.bench import etcd_services
from tests.bench.answers import Asker
from tests.bench.flat_asker import address
from tests.bench.lan_cluster import NEWER_POD, POOL, cluster_on, furnish_newer, metallb_speaker, our_speaker
from tests.bench.share import share_of_a_core
from tests.lab.lan import Host, Lan
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

Object = dict[str, Any]

OURS, LEGACY, NEWER, KERNEL = "metalpy", "metallb-0.11", "metallb-0.15", "kernel"
ANSWERED_S = 600
SETTLED_S = 200
DIGESTED_S = 900
SETTLED_SHARE = 0.03
"""Of a core: less than this for a second means that a speaker has digested what there is."""

_CONFIG = f"address-pools:\n- {{name: bench, protocol: layer2, addresses: [{POOL}]}}\n"
_UPDATES = "metallb_k8s_client_updates_total "
_REPLY_PROCESS = b"metalpy.layer2.responder"


class SpeakerSite:
    """The LAN, the cluster and the speakers; a context manager, inside a sandbox only."""

    def __init__(self, speakers: Sequence[str]) -> None:
        self.speakers = tuple(speakers)
        self.hosts: dict[str, Host] = {}
        self._stack = ExitStack()
        self._count = 0

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self.lan = undo.enter_context(Lan())
            self.client = self._host("client")
            self.asker = Asker(self.client)
            for name in (*self.speakers, KERNEL):
                self.hosts[name] = self._host(name.replace(".", "-"))
                self.lan.cable(self.hosts[name], self.client, self.interface(name))
            self.api = undo.enter_context(cluster_on(self.lan, _CONFIG))
            if NEWER in self.speakers:
                furnish_newer(self.api, ("v1beta1", "L2Advertisement", {}))
            self._stack = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @staticmethod
    def interface(name: str) -> str:
        """Give the name of the cable between a contestant and the client, at both ends."""
        return f"to-{name[-11:]}"

    def grow(self, count: int) -> None:
        """Create Services with addresses and endpoints until there are so many, and let the kernel have those too."""
        if not self._count:
            self.hosts[KERNEL].run(["ip", "address", "add", f"{address('arp', 0)}/32", "dev", "lo"])
        if count > 1:
            self.hosts[KERNEL].run(["ip", "route", "replace", "local", POOL, "dev", "lo"])
        has_legacy = LEGACY in self.speakers
        asyncio.run(etcd_services.create(self.api, range(self._count, count), endpoints=has_legacy))
        self._count = count

    def start(self) -> None:
        """Start all speakers."""
        for name in self.speakers:
            log = (self.api.directory / f"{name}.log").open("wb")
            self._stack.enter_context(log)
            command = getattr(self, f"_{name.partition('-')[2].replace('.', '_') or 'ours'}")(self.hosts[name])
            self.hosts[name].popen(command, stdout=log, stderr=subprocess.STDOUT)

    def settle(self) -> None:
        """Return once every contestant answers for every address, and all speakers are at rest."""
        self._await_answers()
        self.await_rest()

    def await_rest(self) -> None:
        """Return once all speakers are at rest."""
        wait_until(self._is_at_rest, SETTLED_S, "the speakers are at rest")

    def updates(self) -> int:
        """Read how many changes of objects our speaker has taken in so far."""
        metrics = self.hosts[OURS].fetch("http://127.0.0.1:7472/metrics", timeout_s=ANSWERED_S)
        return int(float(next(line for line in metrics.splitlines() if line.startswith(_UPDATES)).split()[1]))

    def digest(self, updates: int) -> None:
        """Return once our speaker has taken in so many changes and is at rest, however slowly they come."""
        # It is asked only while it rests: to list its metrics takes it a while.
        wait_until(lambda: self._is_at_rest() and self.updates() >= updates, DIGESTED_S, f"{updates} updates digested")

    def freeze(self) -> None:
        """Like `settle`, but keep the cluster from disturbing from now on: the API server hangs.

        The newer MetalLB goes on writing statuses for minutes after it has announced thousands of Services.
        """
        self._await_answers()
        self.api.api_server.pause()
        self.api.etcd.pause()
        self.await_rest()

    def _await_answers(self) -> None:
        for name in self.hosts:
            self.asker.wait(self.interface(name), self._count, ANSWERED_S)

    def _is_at_rest(self) -> bool:
        return all(self._digesting_share(self.hosts[name]) < SETTLED_SHARE for name in self.speakers)

    @staticmethod
    def _digesting_share(host: Host) -> float:
        """Measure what share of one core a host's processes take, but for our answers to the asker."""
        return share_of_a_core(lambda: cpu_s(host, but=_REPLY_PROCESS))

    def _host(self, name: str) -> Host:
        host = self.lan.host(name)
        subprocess.run(["bridge", "-n", self.lan.name, "link", "set", "dev", name, "isolated", "on"], check=True)
        return host

    def _ours(self, _: Host) -> list[str]:
        return our_speaker(self.api)

    def _0_11(self, host: Host) -> list[str]:
        # Without a membership it announces nothing; alone in one it does.
        alone = ["-ml-bindaddr", host.address, "-ml-labels", "app=nobody", "-ml-secret-key", "0123456789abcdef"]
        return metallb_speaker(self.api, "0.11", *alone)

    def _0_15(self, _: Host) -> list[str]:
        return metallb_speaker(self.api, "0.15", "-pod-name", NEWER_POD)


def cpu_s(host: Host, *, but: bytes = b"") -> float:
    """Read how long a host's processes have been running on a CPU, less those with that word in their command."""
    listed = subprocess.run(["ip", "netns", "pids", host.name], capture_output=True, text=True, check=True)
    processes = [Path(f"/proc/{pid}") for pid in listed.stdout.split()]
    counted = [each for each in processes if not but or but not in (each / "cmdline").read_bytes()]
    threads = (thread for each in counted for thread in (each / "task").iterdir())
    return sum(int((thread / "schedstat").read_text(encoding="ascii").split()[0]) for thread in threads) / 1e9
