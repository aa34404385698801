"""MetalLB 0.11's real speakers electing: a program for a sandbox that prints one JSON object a membership.

    python -m tests.lab.sandbox python -m tests.cluster.legacy_speakers

Each object has the `members` whose speakers are alive, and `owners`: which one announces each address. Several groups
of speakers, each a memberlist of its own, share one API server and its Services, so that many memberships are seen
in little time: 0.11 looks at 100 Services at once and at 10 a second from then on. They all live on addresses of the
sandbox's loopback interface, on which no speaker sends frames.
"""

from __future__ import annotations

import ipaddress
import json
import random
import signal
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from tests.lab.json_log import JsonLog
from tests.lab.kube.control_plane import ControlPlane
from tests.lab.parts import lab_binary
from tests.lab.scratch import scratch_directory
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.lab.json_log import Object

NAMESPACE = "metallb-system"
SERVICES = "/api/v1/namespaces/default/services"
ADDRESSES = 30
GROUP_SIZES = (2, 3, 4, 5)
SETTLED_S = 60
POOLS = """\
address-pools:
- {name: four, protocol: layer2, addresses: [10.0.0.0/8]}
- {name: six, protocol: layer2, addresses: ['2001:db8::/32']}
"""


class Speaker:
    """One speaker process, which is a node and a Pod to the cluster."""

    def __init__(self, api: ControlPlane, name: str, host: str, group: str, log: Path) -> None:
        self.name = name
        self.claims: set[str] = set()
        """The Services that it announces, by its log."""
        self.members: set[str] = set()
        """The nodes whose speakers it holds to be alive."""
        self.looked_at: set[str] = set()
        """The Services that it has looked at since members or the configuration last changed."""
        self._looks_at = ""
        self._read = 0
        api.admin.create("/api/v1/nodes", {"metadata": {"name": name}})
        pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
        container = {"name": "speaker", "image": "speaker"}
        metadata = {"name": name, "labels": {"group": group}}
        api.admin.create(pods, {"metadata": metadata, "spec": {"nodeName": name, "containers": [container]}})
        api.admin.patch(f"{pods}/{name}/status", {"status": {"podIP": host, "podIPs": [{"ip": host}]}})
        subprocess.run(["ip", "address", "add", f"{host}/32", "dev", "lo"], check=True)
        flags = {"node-name": name, "host": host, "ml-bindaddr": host, "ml-labels": f"group={group}"}
        flags |= {"ml-secret-key": group, "namespace": NAMESPACE, "kubeconfig": str(api.kubeconfig)}
        flags["log-level"] = "debug"
        self._command = [str(lab_binary("metallb-0.11-speaker")), *(f"--{flag}={text}" for flag, text in flags.items())]
        self._path = log

    def start(self) -> None:
        """Start the process."""
        with self._path.open("wb") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=subprocess.STDOUT)
        self._log = JsonLog(self._path)

    def end(self, number: signal.Signals) -> None:
        """End it by a signal."""
        self._process.send_signal(number)
        self._process.wait()

    def read(self) -> None:
        """Take in what it has logged since the last time."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the speaker of {self.name} ended: {self._path.read_text()[-2000:]}")
        lines = self._log.lines()
        for line in lines[self._read :]:
            self._take(line)
        self._read = len(lines)

    def _take(self, line: Object) -> None:
        match line.get("node event"):
            case "NodeJoin":
                self.members.add(line["node name"])
            case "NodeLeave":
                self.members.discard(line["node name"])
        if "node event" in line or line.get("event") == "configLoaded":
            self._looks_at = ""
            self.looked_at.clear()
        match line.get("event"):
            case "startUpdate":  # of the configuration and of nodes, too
                self._looks_at = line.get("service", "")
            case "endUpdate" if self._looks_at:
                self.looked_at.add(self._looks_at)
            case "serviceAnnounced":
                self.claims.add(line["service"])
            case "serviceWithdrawn":
                self.claims.discard(line["service"])


class Group:
    """Speakers that are members of one memberlist."""

    def __init__(self, speakers: Sequence[Speaker]) -> None:
        self.speakers = list(speakers)

    def end_one(self, number: signal.Signals) -> None:
        """Let the first speaker leave, or die."""
        self.speakers.pop(0).end(number)

    def owners(self, services: dict[str, str]) -> dict[str, str] | None:
        """Give who announces each address; None until every speaker has looked at all with all members in sight.

        Nor while there is not one owner of each: on a loaded machine a member is suspected for a moment, and taken
        back.
        """
        names = {speaker.name for speaker in self.speakers}
        for speaker in self.speakers:
            speaker.read()
            if speaker.members | {speaker.name} != names or not services.keys() <= speaker.looked_at:
                return None
        claims = [(services[service], speaker.name) for speaker in self.speakers for service in speaker.claims]
        if len(claims) != len(services) or len(dict(claims)) != len(services):
            return None
        return dict(claims)


class Field:
    """The API server with its Services, and all groups of speakers."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._stack = ExitStack()
        self.services: dict[str, str] = {}
        """The address of each Service, in canonical text."""

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            logs = undo.enter_context(scratch_directory())
            self._api = undo.enter_context(ControlPlane())
            self._api.admin.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
            config = {"metadata": {"name": "config"}, "data": {"config": POOLS}}
            self._api.admin.create(f"/api/v1/namespaces/{NAMESPACE}/configmaps", config)
            for number in range(ADDRESSES):
                self._add_service(f"s{number}", self._address())
            self.groups = [self._group(number, size, logs) for number, size in enumerate(GROUP_SIZES)]
            for group in self.groups:
                for speaker in group.speakers:
                    speaker.start()
                    undo.callback(speaker.end, signal.SIGKILL)
            self._stack = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _group(self, number: int, size: int, logs: Path) -> Group:
        speakers = []
        for member in range(size):
            name = f"{self._chance.choice(('node', 'worker-', 'ip-10-0-1-'))}{number}{self._chance.getrandbits(20)}.lab"
            log = logs / f"{name}.log"
            speakers.append(Speaker(self._api, name, f"10.255.{number}.{member + 1}", f"group-{number}", log))
        return Group(speakers)

    def _address(self) -> str:
        if self._chance.randrange(3):
            return f"10.{self._chance.randrange(255)}.{self._chance.randrange(256)}.{self._chance.randrange(1, 255)}"
        low = self._chance.getrandbits(self._chance.choice((8, 20, 64, 90)))
        return str(ipaddress.IPv6Address((0x20010DB8 << 96) + low + 1))

    def _add_service(self, name: str, address: str) -> None:
        spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
        self._api.admin.create(SERVICES, {"metadata": {"name": name}, "spec": spec})
        self._api.admin.patch(f"{SERVICES}/{name}/status", {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}})
        subsets = [{"addresses": [{"ip": "10.254.0.1"}], "ports": [{"port": 80}]}]
        self._api.admin.create("/api/v1/namespaces/default/endpoints", {"metadata": {"name": name}, "subsets": subsets})
        self.services[f"default/{name}"] = address

    def report(self) -> None:
        """Wait until every group has elected, and print whom."""
        for group in self.groups:
            owners = wait_until(lambda: group.owners(self.services), SETTLED_S, "an election that has ended")  # noqa: B023
            print(json.dumps({"members": [each.name for each in group.speakers], "owners": owners}), flush=True)


def main() -> None:
    """Let every group elect; then let a member die, or in the second group leave; then let another one leave."""
    with Field(random.Random(20)) as field:
        field.report()
        for number, group in enumerate(field.groups):
            group.end_one(signal.SIGTERM if number == 1 else signal.SIGKILL)
        field.report()
        field.groups = [group for group in field.groups if len(group.speakers) > 1]
        for group in field.groups:
            group.end_one(signal.SIGTERM)
        field.report()


if __name__ == "__main__":
    main()
