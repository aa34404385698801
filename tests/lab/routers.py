"""Real routers on a host of a `Lan`: FRR, BIRD and gobgpd, asked for their tables in one form.

    with Frr(lan.host("r1"), tmp_path, asn=64512, neighbors=[Neighbor("192.168.1.1", 64500)]) as router:
        router.routes("ipv4")["192.0.2.1/32"].communities

FRR and BIRD are Debian's, unpacked by `tests/lab/packages.sh bgp`; gobgpd is a part of the lab. All of them listen,
and wait for the other side to call.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.lab.parts import LabError, cache_directory, lab_binary
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.lab.lan import Host

HOLD_S = 9
KEEPALIVE_S = 3
READY_S = 20


@dataclass(frozen=True)
class Neighbor:
    """Whom a router expects a call from."""

    address: str
    asn: int
    password: str = ""
    multihop: int = 0
    bfd_ms: int = 0
    """The interval of BFD packets, three of which may be lost; 0 for no BFD. FRR alone does it."""


@dataclass(frozen=True)
class Route:
    """A route as its receiver shows it: ASNs of the path, texts of communities in ascending order."""

    next_hop: str
    as_path: tuple[int, ...] = ()
    local_pref: int | None = None
    communities: tuple[str, ...] = ()
    large_communities: tuple[str, ...] = field(default=())


def debian_root() -> Path:
    """Find the unpacked packages. Raises `LabError` if they are not there."""
    root = cache_directory() / "debian-bgp"
    if not root.is_dir():
        raise LabError("the lab has no FRR and BIRD yet: tests/lab/packages.sh bgp gets them")
    return root


def _libraries(root: Path) -> dict[str, str]:
    """Give the environment in which programs out of the packages find their libraries."""
    directory = next((root / "usr/lib").glob("*-linux-*"))
    return {**os.environ, "LD_LIBRARY_PATH": f"{directory / 'frr'}:{directory}"}


class Router:
    """What the three have in common: a directory with a short name, for their sockets, and processes that end."""

    def __init__(self, host: Host, *, asn: int, neighbors: Sequence[Neighbor], port: int = 179) -> None:
        self.host = host
        self.asn = asn
        self.neighbors = tuple(neighbors)
        self.port = port
        self.directory = Path(tempfile.mkdtemp(prefix="router-", dir="/run"))
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.directory)

    def start(self) -> None:
        """Start it; returns when it listens."""
        raise NotImplementedError

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End its processes in the order opposite to their start."""
        for process in reversed(self._processes):
            process.send_signal(how)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def _run(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        with (self.directory / "log").open("ab") as log:
            self._processes.append(self.host.popen(command, stdout=log, stderr=log, env=environment))

    def _wait_for_port(self) -> None:
        listening = f"sport = :{self.port}"
        wait_until(
            lambda: "LISTEN" in self.host.run(["ss", "-tlnH", listening]).stdout,
            READY_S,
            f"{type(self).__name__} on {self.host.name} listens; {self.log()[-500:]}",
        )

    def routes(self, family: str) -> dict[str, Route]:
        """The table of `ipv4` or `ipv6`, with the attributes of each best path."""
        raise NotImplementedError

    def prefixes(self, family: str) -> set[str]:
        """All prefixes of the table."""
        return set(self.routes(family))

    def log(self) -> str:
        """All that it wrote."""
        log = self.directory / "log"
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""


class Frr(Router):
    """FRR: zebra, bfdd and bgpd. With `forwards` what it learns leads its host's kernel.

    What it is told by its neighbors it mirrors to a monitoring `station` (bmp.py), if there is one.
    """

    def __init__(
        self,
        host: Host,
        *,
        asn: int,
        neighbors: Sequence[Neighbor],
        port: int = 179,
        forwards: bool = False,
        station: tuple[str, int] | None = None,
    ) -> None:
        super().__init__(host, asn=asn, neighbors=neighbors, port=port)
        self._forwards = forwards
        self._station = station

    def start(self) -> None:
        root = debian_root()
        self._environment = _libraries(root)
        _provide_groups()
        config = self.directory / "frr.conf"
        config.write_text(self._config(), encoding="utf-8")
        bgpd = ["-p", str(self.port), *(() if self._forwards else ("-n",))]
        if self._station:
            bgpd += ["-M", "bmp", "--moduledir", str(next((root / "usr/lib").glob("*-linux-*/frr/modules")))]
        own = {"bgpd": bgpd, "bfdd": ["--bfdctl", str(self.directory / "bfdd.sock")]}
        for name in ("zebra", "bfdd", "bgpd"):
            options = ["-f", str(config), "-i", str(self.directory / f"{name}.pid")]
            options += ["--vty_socket", str(self.directory), "-z", str(self.directory / "zserv.api"), "-P", "0"]
            program = str(root / "usr/lib/frr" / name)
            (self.directory / f"{name}.vty").unlink(missing_ok=True)  # of one that was killed
            self._run([program, "-u", "root", "-g", "root", *options, *own.get(name, [])], self._environment)
            wait_until((self.directory / f"{name}.vty").exists, READY_S, f"{name} answers; {self.log()[-500:]}")
        self._wait_for_port()

    def _config(self) -> str:
        lines = ["hostname " + self.host.name]
        for each in self.neighbors:
            if each.bfd_ms:
                lines += ["bfd", f" profile p{each.bfd_ms}", "  detect-multiplier 3"]
                # No exit: the daemons that do not know these lines would leave the configuration by it.
                lines += [f"  receive-interval {each.bfd_ms}", f"  transmit-interval {each.bfd_ms}"]
        lines += [f"router bgp {self.asn}", f" bgp router-id {self.host.address}"]
        lines += [" no bgp ebgp-requires-policy", " no bgp default ipv4-unicast"]
        if self._station:
            address, port = self._station
            lines += [" bmp targets station", "  bmp mirror", "  bmp monitor ipv4 unicast pre-policy"]
            lines += ["  bmp monitor ipv6 unicast pre-policy"]
            lines += [f"  bmp connect {address} port {port} min-retry 100 max-retry 200", " exit"]
        lines += ["exit"]
        return "\n".join([*lines, *self.config_of_neighbors(), ""])

    def config_of_neighbors(self) -> list[str]:
        """Give the lines that configure the neighbors."""
        lines = [f"router bgp {self.asn}"]
        for each in self.neighbors:
            who = f" neighbor {each.address}"
            lines += [f"{who} remote-as {each.asn}", f"{who} timers {KEEPALIVE_S} {HOLD_S}", f"{who} passive"]
            lines += [f"{who} password {each.password}"] if each.password else []
            lines += [f"{who} ebgp-multihop {each.multihop}"] if each.multihop else []
            lines += [f"{who} bfd", f"{who} bfd profile p{each.bfd_ms}"] if each.bfd_ms else []
        for family in ("ipv4", "ipv6"):
            lines += [f" address-family {family} unicast"]
            lines += [f"  neighbor {each.address} activate" for each in self.neighbors]
            lines += [" exit-address-family"]
        return [*lines, "exit"]

    def forget_sessions(self) -> None:
        """End all sessions and count anew, as after a start."""
        self.configure(f"router bgp {self.asn}", *(f"no neighbor {each.address}" for each in self.neighbors))
        self.configure(*self.config_of_neighbors())

    def ask(self, *commands: str, daemon: str = "bgpd") -> str:
        """Give a daemon commands as its shell `vtysh` does, and return what it writes.

        Not by `vtysh` itself, which wants to be installed with its PAM configuration. Raises `ValueError` for a
        command that the daemon does not take.
        """
        words = []
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as vty:
            vty.settimeout(READY_S)
            vty.connect(str(self.directory / f"{daemon}.vty"))
            for command in ("enable", *commands):
                vty.sendall(command.encode() + b"\0")
                answer = b""
                while answer[-4:-1] != b"\0\0\0":
                    received = vty.recv(1 << 16)
                    if not received:
                        raise ConnectionError(f"{daemon} on {self.host.name} ended")
                    answer += received
                words.append(answer[:-4].decode())
                if answer[-1]:
                    raise ValueError(f"{daemon} does not take {command!r}: {words[-1]}")
        return "".join(words)

    def configure(self, *lines: str) -> None:
        """Change the running configuration."""
        self.ask("configure terminal", *lines)

    def json(self, command: str, *, daemon: str = "bgpd") -> Any:
        """Run one `show ... json` and return what it says."""
        return json.loads(self.ask(command, daemon=daemon) or "{}")

    def prefixes(self, family: str) -> set[str]:
        """All prefixes of the table."""
        table = self.json(f"show bgp {family} unicast json").get("routes", {})
        # What is withdrawn stands there as removed for a moment.
        return {prefix for prefix, paths in table.items() if not all("removed" in path for path in paths)}

    def count(self, family: str) -> int:
        """How many prefixes the table has, without reading it."""
        (statistics,) = self.json(f"show bgp {family} unicast statistics json")[f"{family}Unicast"]
        return int(statistics["totalPrefixes"])

    def routes(self, family: str) -> dict[str, Route]:
        """The table, with attributes of the best path."""
        shows = {prefix: f"show bgp {family} unicast {prefix} json" for prefix in sorted(self.prefixes(family))}
        found = {}
        for prefix, show in shows.items():
            paths = self.json(show).get("paths", [])
            if paths:
                found[prefix] = _frr_route(paths[0])
        return found

    def neighbor(self, address: str) -> dict[str, Any]:
        """What the router says of a session."""
        return dict(self.json(f"show bgp neighbors {address} json").get(address, {}))

    def is_up(self, address: str) -> bool:
        """Tell whether a session is established."""
        return self.neighbor(address).get("bgpState") == "Established"

    def updates_received(self, address: str) -> int:
        """How many UPDATE messages have come over a session."""
        return int(self.neighbor(address)["messageStats"]["updatesRecv"])

    def established(self, address: str) -> int:
        """How often the session has come up."""
        return int(self.neighbor(address)["connectionsEstablished"])


def _frr_route(path: Mapping[str, Any]) -> Route:
    hops = path["nexthops"]
    hop = next((each for each in hops if each.get("scope", "global") == "global"), hops[0])
    segments = path["aspath"].get("segments", [])
    return Route(
        hop["ip"],
        tuple(number for segment in segments for number in segment["list"]),
        path.get("locPrf"),
        tuple(path.get("community", {}).get("list", ())),
        tuple(path.get("largeCommunity", {}).get("list", ())),
    )


def _provide_groups() -> None:
    """Let this sandbox's `/etc/group` have the group that FRR asks for; nothing outside the sandbox changes."""
    groups = Path("/etc/group").read_text(encoding="utf-8")
    if "frrvty:" in groups:
        return
    ours = Path("/run/metalpy-group")
    ours.write_text(f"{groups.rstrip()}\nfrrvty:x:0:\n", encoding="utf-8")
    subprocess.run(["mount", "--bind", str(ours), "/etc/group"], check=True)


class Bird(Router):
    """BIRD 2."""

    def start(self) -> None:
        root = debian_root()
        self._environment = _libraries(root)
        self._birdc = str(root / "usr/sbin/birdc")
        config, control = self.directory / "bird.conf", self.directory / "bird.ctl"
        config.write_text(self._config(), encoding="utf-8")
        command = [str(root / "usr/sbin/bird"), "-f", "-c", str(config), "-s", str(control)]
        self._run([*command, "-P", str(self.directory / "bird.pid")], self._environment)
        self._wait_for_port()
        wait_until(control.exists, READY_S, "bird answers")

    def _config(self) -> str:
        lines = [f"router id {self.host.address};", "protocol device {}"]
        for number, each in enumerate(self.neighbors):
            lines += [f"protocol bgp n{number} {{", f"  local as {self.asn};", f"  local port {self.port};"]
            lines += [f"  neighbor {each.address} as {each.asn};"]
            lines += [f'  password "{each.password}";'] if each.password else []
            lines += [f"  multihop {each.multihop};"] if each.multihop else []
            # Without the last one it refuses calls for a minute after a session that failed.
            lines += ["  passive on;", f"  hold time {HOLD_S};", "  error wait time 1,2;"]
            lines += ["  ipv4 { import all; export none; };", "  ipv6 { import all; export none; };", "}"]
        return "\n".join([*lines, ""])

    def birdc(self, *words: str) -> str:
        """Run one command in the router's shell and return what it writes."""
        command = [self._birdc, "-s", str(self.directory / "bird.ctl"), *words]
        return self.host.run(command, env=self._environment).stdout

    def routes(self, family: str) -> dict[str, Route]:
        """The table, with attributes."""
        text = self.birdc("show", "route", "all", "table", {"ipv4": "master4", "ipv6": "master6"}[family])
        entries = re.split(r"(?m)^(?=\S+/\d+ )", text)[1:]
        return {entry.split()[0]: _bird_route(entry) for entry in entries}

    def is_up(self, address: str) -> bool:
        """Tell whether a session is established."""
        number = [each.address for each in self.neighbors].index(address)
        return "Established" in self.birdc("show", "protocols", f"n{number}")


def _bird_route(entry: str) -> Route:
    attributes = dict(re.findall(r"(?m)^\s+BGP\.(\w+): ?(.*)$", entry))
    pairs = [tuple(map(int, pair)) for pair in re.findall(r"\((\d+),(\d+)\)", attributes.get("community", ""))]
    larges = re.findall(r"\((\d+), ?(\d+), ?(\d+)\)", attributes.get("large_community", ""))
    return Route(
        attributes["next_hop"].split()[0],
        tuple(map(int, attributes.get("as_path", "").split())),
        int(attributes["local_pref"]) if "local_pref" in attributes else None,
        tuple(f"{high}:{low}" for high, low in sorted(pairs)),
        tuple(":".join(map(str, each)) for each in sorted(tuple(map(int, large)) for large in larges)),
    )


class GobgpdRouter(Router):
    """gobgpd 4 from a configuration file, as an operator runs it as a router."""

    def start(self) -> None:
        config = self.directory / "gobgpd.toml"
        config.write_text(self._config(), encoding="utf-8")
        self._api = self.directory / "api.sock"
        command = [str(lab_binary("gobgpd")), "-p", "-f", str(config), "--pprof-disable", "--metrics-path", ""]
        self._run([*command, "--api-hosts", f"unix://{self._api}"])
        self._wait_for_port()

    def _config(self) -> str:
        lines = ["[global.config]", f"as = {self.asn}", f'router-id = "{self.host.address}"', f"port = {self.port}"]
        for each in self.neighbors:
            lines += ["[[neighbors]]", "[neighbors.config]", f'neighbor-address = "{each.address}"']
            lines += [f"peer-as = {each.asn}", f'auth-password = "{each.password}"']
            lines += ["[neighbors.transport.config]", "passive-mode = true"]
            lines += ["[neighbors.timers.config]", f"hold-time = {HOLD_S}", f"keepalive-interval = {KEEPALIVE_S}"]
            for family in ("ipv4", "ipv6"):
                lines += [
                    "[[neighbors.afi-safis]]",
                    "[neighbors.afi-safis.config]",
                    f'afi-safi-name = "{family}-unicast"',
                ]
        return "\n".join([*lines, ""])

    def _ask(self, *words: str) -> Any:
        # The CLI resolves no unix: target before 4.9 other than by this form.
        command = [str(lab_binary("gobgp")), "--target", f"unix://{self._api}", "-j", *words]
        return json.loads(self.host.run(command).stdout or "null")

    def neighbors_known(self) -> set[str]:
        """The addresses of all peers that it has."""
        return {each["conf"]["neighbor_address"] for each in self._ask("neighbor")}

    def routes(self, family: str) -> dict[str, Route]:
        """The table, with attributes."""
        table = self._ask("global", "rib", "-a", family) or {}
        return {prefix: _gobgp_route(paths[0]) for prefix, paths in table.items()}

    def prefixes(self, family: str) -> set[str]:
        """All prefixes of the table."""
        return set(self._ask("global", "rib", "-a", family) or {})

    def is_up(self, address: str) -> bool:
        """Tell whether a session is established."""
        peers = self._ask("neighbor")
        return any(
            ip_address(each["state"]["neighbor_address"]) == ip_address(address)
            and each["state"]["session_state"] in {6, "ESTABLISHED", "SESSION_STATE_ESTABLISHED"}
            for each in peers
        )


def _gobgp_route(path: Mapping[str, Any]) -> Route:
    attributes = {each["type"]: each for each in path["attrs"]}
    next_hop = attributes.get(3, attributes.get(14, {}))["nexthop"]
    segments = attributes.get(2, {}).get("as_paths", [])
    communities = attributes.get(8, {}).get("communities", [])
    larges = [(each["ASN"], each["LocalData1"], each["LocalData2"]) for each in attributes.get(32, {}).get("value", [])]
    return Route(
        next_hop,
        tuple(number for segment in segments for number in segment["asns"]),
        attributes[5]["value"] if 5 in attributes else None,
        tuple(f"{value >> 16}:{value & 0xFFFF}" for value in sorted(communities)),
        tuple(":".join(map(str, each)) for each in sorted(larges)),
    )
