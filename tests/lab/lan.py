"""A LAN in a sandbox: a bridge as the switch, network namespaces as the hosts, veth pairs as the cables.

    with Lan() as lan:
        node, client = lan.host("node1"), lan.host("client")
        node.accept("192.168.1.240")
        node.serve_pages("hello from node1")
        print(client.fetch("http://192.168.1.240/"))

Addresses and MACs follow from the order in which hosts join: the first is 192.168.1.1 with MAC
0a:00:00:00:00:01. A host can be reached by its name from a shell inside too: `ip netns exec node1 ...`.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import json
import os
import signal
import subprocess
import sys
import urllib.parse
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from tests.lab import sandbox
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PAGES = Path(__file__).with_name("pages.py")
_FETCH = """
import socket, sys
host, port, path, timeout_s = sys.argv[1:]
stage = "connecting"
try:
    with socket.create_connection((host, int(port)), float(timeout_s)) as connection:
        stage = "connected"
        connection.sendall(f"GET {path} HTTP/1.0\\r\\nHost: {host}\\r\\n\\r\\n".encode())
        answer = connection.makefile("rb").read()
except OSError as error:
    sys.exit(f"{stage}: {error}")
head, _, body = answer.partition(b"\\r\\n\\r\\n")
status = head.partition(b"\\r\\n")[0]
if status.split()[1:2] != [b"200"]:
    sys.exit(f"status {status}")
sys.stdout.buffer.write(body)
"""
"""By hand: a story asks often, and Python's HTTP client takes three times as long to start."""
_QUIET_IPV6 = ("accept_dad", "router_solicitations", "accept_ra")
"""No duplicate address detection (an address is usable at once), no talk to routers that are not there."""
_OWN_INTERFACE = "lan0"
"""What the sandbox itself has on the LAN."""
_SHOWN = 300
"""How much of a command line an error repeats."""


class CommandFailed(RuntimeError):  # noqa: N818 - it says what happened
    """A command on a host ended with a status other than 0; the message has its last words."""


def _checked(command: Sequence[str], done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    if done.returncode:
        words = (done.stderr or done.stdout or "").strip()
        raise CommandFailed(f"{' '.join(command)[:_SHOWN]}: status {done.returncode}: {words}")
    return done


def _ip(*arguments: str) -> str:
    command = ["ip", *arguments]
    return _checked(command, subprocess.run(command, capture_output=True, text=True, check=False)).stdout


def _pids(namespace: str) -> list[int]:
    return [int(pid) for pid in _ip("netns", "pids", namespace).split()]


def _kill_all(namespace: str) -> bool:
    """Kill every process of a namespace; true once none is left."""
    pids = _pids(namespace)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return not pids


class Host:
    """One machine on the LAN: a network namespace of that name whose `eth0` is plugged into the bridge."""

    def __init__(self, lan: Lan, number: int, name: str, addresses: Sequence[str]) -> None:
        self.name = name
        self.mac = f"0a:00:00:00:{number >> 8:02x}:{number & 0xFF:02x}"
        self.address = addresses[0].partition("/")[0]
        """The first address, without the prefix length."""
        self._lan = lan
        self._children: list[subprocess.Popen[Any]] = []
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")
        for setting, interface in itertools.product(_QUIET_IPV6, ("all", "default")):
            self.sysctl(f"net/ipv6/conf/{interface}/{setting}", "0")
        _ip("-n", lan.name, "link", "add", name, "type", "veth", "peer", "eth0", "address", self.mac, "netns", name)
        _ip("-n", lan.name, "link", "set", name, "master", "bridge", "up")
        for address in addresses:
            _ip("-n", name, "address", "add", address, "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")

    def run(
        self, command: Sequence[str], *, check: bool = True, timeout_s: float = 30, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on this host and return what it wrote, as text.

        Raises `CommandFailed` on a status other than 0 unless `check` is off, `subprocess.TimeoutExpired` after
        `timeout_s` seconds.
        """
        words = ["ip", "netns", "exec", self.name, *command]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=timeout_s, **options)
        return _checked(words, done) if check else done

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a command on this host, with the options of `subprocess.Popen`; it ends with the LAN at the latest.

        Its pid is the command's own.
        """
        child = subprocess.Popen(["ip", "netns", "exec", self.name, *command], **options)
        self._children.append(child)
        return child

    def sysctl(self, path: str, value: str) -> None:
        """Set a kernel parameter of this host, as `net/ipv4/conf/all/arp_ignore`."""
        self.run(["sh", "-c", 'echo "$1" > "/proc/sys/$0"', path, value])

    def neighbour(self, ip: str) -> str | None:
        """Return the MAC that this host's kernel holds for `ip`, None if it knows none (or asked in vain)."""
        entries: list[Mapping[str, Any]] = json.loads(_ip("-j", "-n", self.name, "neigh", "show", ip) or "[]")
        return next((str(entry["lladdr"]) for entry in entries if "lladdr" in entry), None)

    def look_up(self, ip: str) -> None:
        """Let this host's kernel ask the LAN for the MAC of `ip`, as if it had traffic for it."""
        _ip("-n", self.name, "neigh", "replace", ip, "dev", "eth0", "use")

    def fetch(self, url: str, *, timeout_s: float = 2) -> str:
        """Get a page over HTTP from this host.

        Raises `ConnectionError`, with no step longer than `timeout_s` seconds; its message tells whether that was
        while `connecting` or once `connected`.
        """
        parts = urllib.parse.urlsplit(url)
        place = [parts.hostname or "", str(parts.port or 80), parts.path or "/"]
        done = self.run([sys.executable, "-I", "-c", _FETCH, *place, str(timeout_s)], check=False)
        if done.returncode:
            raise ConnectionError(f"{self.name} got no {url}: {done.stderr.strip()}")
        return done.stdout

    def serve_pages(self, text: str, port: int = 80) -> subprocess.Popen[Any]:
        """Start a web server that answers every GET with `text`; it accepts connections when this returns."""
        server = self.popen([sys.executable, "-I", str(_PAGES), str(port), text], stdout=subprocess.PIPE, text=True)
        output: IO[str] | None = server.stdout
        if output is None or not output.readline():
            raise CommandFailed(f"the web server on {self.name}, port {port}, ended with status {server.wait()}")
        return server

    def accept(self, ip: str) -> None:
        """Take traffic for `ip` as kube-proxy does in IPVS mode with strictARP: the kernel never answers ARP for it."""
        self.sysctl("net/ipv4/conf/all/arp_ignore", "1")
        self.sysctl("net/ipv4/conf/all/arp_announce", "2")
        _ip("-n", self.name, "address", "replace", _single(ip), "dev", "lo")

    def forget(self, ip: str) -> None:
        """Take no more traffic for `ip`."""
        _ip("-n", self.name, "address", "delete", _single(ip), "dev", "lo")

    def unplug(self) -> None:
        """Pull the cable: nothing this host sends arrives, and its `eth0` loses its carrier."""
        _ip("-n", self._lan.name, "link", "set", self.name, "down")

    def plug(self) -> None:
        """Put the cable back."""
        _ip("-n", self._lan.name, "link", "set", self.name, "up")

    def kill(self) -> None:
        """Let the machine die: cable first, so that no dying process says goodbye, then every process."""
        self.unplug()
        self.kill_processes()

    def kill_processes(self) -> None:
        """End every process of this host at once; its interfaces stay as they are."""
        for child in self._children:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout, child.stderr):
                if pipe:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
        self._children.clear()
        wait_until(lambda: _kill_all(self.name), 10, f"no process left on {self.name}")


def _single(ip: str) -> str:
    return f"{ip}/{ipaddress.ip_address(ip).max_prefixlen}"


class Lan:
    """A bridge with hosts, as a context manager; raises `RuntimeError` outside a sandbox.

    `network` gives the hosts their IPv4 addresses, `ipv6` (like `fd00::/64`) an IPv6 address each as well. The
    bridge lives in a namespace called `name`: two LANs at a time need two names, and hosts of different names.
    """

    def __init__(self, network: str = "192.168.1.0/24", *, ipv6: str | None = None, name: str = "lan") -> None:
        self.name = name
        self.hosts: dict[str, Host] = {}
        self._joined = False
        self._networks = [ipaddress.ip_network(text) for text in (network, ipv6) if text]

    def __enter__(self) -> Self:
        if not sandbox.is_inside():
            raise RuntimeError(
                "a Lan lives in a sandbox only: start the program with python -m tests.lab.sandbox COMMAND"
            )
        _ip("netns", "add", self.name)
        # No snooping and no spanning tree: a switch that forwards from the first frame on.
        bridge = ["type", "bridge", "stp_state", "0", "forward_delay", "0", "mcast_snooping", "0"]
        _ip("-n", self.name, "link", "add", "bridge", "address", "0a:00:00:00:ff:00", *bridge)
        _ip("-n", self.name, "link", "set", "bridge", "up")
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts.values():
            host.kill_processes()
        if self._joined:
            _ip("link", "delete", _OWN_INTERFACE)
        for namespace in [*self.hosts, self.name]:
            _ip("netns", "delete", namespace)
        self.hosts.clear()

    def join(self, *addresses: str) -> None:
        """Plug the sandbox itself into the LAN, with these addresses (like `192.168.1.7/24`)."""
        _ip("link", "add", _OWN_INTERFACE, "type", "veth", "peer", "name", "sandbox", "netns", self.name)
        self._joined = True
        _ip("-n", self.name, "link", "set", "sandbox", "master", "bridge", "up")
        Path(f"/proc/sys/net/ipv6/conf/{_OWN_INTERFACE}/accept_dad").write_text("0", encoding="ascii")
        for address in addresses:
            _ip("address", "add", address, "dev", _OWN_INTERFACE)
        _ip("link", "set", _OWN_INTERFACE, "up")

    def cable(self, one: Host, other: Host, interface: str) -> None:
        """Lay a cable past the bridge, between interfaces of one name on two hosts, without addresses."""
        macs = [each.mac[:-5] + f"{len(interface):02x}:{each.mac[-2:]}" for each in (one, other)]
        peer = ["peer", interface, "address", macs[1], "netns", other.name]
        _ip("-n", one.name, "link", "add", interface, "address", macs[0], "type", "veth", *peer)
        for each in (other, one):
            _ip("-n", each.name, "link", "set", interface, "up")

    def host(self, name: str, *addresses: str) -> Host:
        """Add a host. Without `addresses` (like `192.168.1.7/24`) it gets those that its number stands for."""
        number = len(self.hosts) + 1
        own = addresses or tuple(f"{net[number]}/{net.prefixlen}" for net in self._networks)
        self.hosts[name] = host = Host(self, number, name, own)
        return host
