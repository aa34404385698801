"""One server process of a control plane: started, stopped and killed, and never outliving the test run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_STOP_S = 60
_LOG_TAIL = 2_000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST_PORT = 10_000


class ServerEnded(RuntimeError):  # noqa: N818 - it says what happened
    """A server ended that should run; the message has the last of its log."""


class Server:
    """A command line that runs at most once at a time, with its output appended to a file.

    The kernel kills the process when the thread that started it ends, however that comes about: start it from
    the main thread, so that it lives as long as the program and no longer.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.log = log
        self._command = list(command)
        self._name = Path(command[0]).name
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id. Raises `ServerEnded` while it does not run."""
        if self._child is None or self._child.poll() is not None:
            raise self._ended()
        return self._child.pid

    def start(self, is_ready: Callable[[], object], deadline_s: float) -> None:
        """Start the process and wait until `is_ready`. Raises `ServerEnded` or, after `deadline_s`, `TimeoutError`."""
        with self.log.open("ab") as log:
            command = ["setpriv", "--pdeathsig", "KILL", "--", *self._command]
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(lambda: self.pid and is_ready(), deadline_s, f"{self._name} ready; its log is {self.log}")
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Ask the process to end and wait until it has."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once, as a crash would; nothing happens if it does not run."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let the process hang: connections stay open and nothing is answered, until `resume`."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let the process go on after `pause`."""
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._child:
            self._child.send_signal(how)  # does nothing once the end was seen
            self._child.wait(_STOP_S)

    def _ended(self) -> ServerEnded:
        if self._child is None:
            return ServerEnded(f"{self._name} was not started")
        last = self.log.read_bytes()[-_LOG_TAIL:].decode(errors="replace")
        return ServerEnded(f"{self._name} ended with status {self._child.returncode}; last of its log:\n{last}")


def free_ports(count: int, *, ipv6: bool = False) -> list[int]:
    """Find TCP ports that nobody listens on, on any address, below those the kernel gives to connections that go out.

    A client that tries in vain to reach a stopped server on a port of the kernel's range is given that very port
    some day, and then is connected with itself: the server could not come back.
    """
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    lowest_ephemeral = int(_EPHEMERAL.read_text(encoding="ascii").split()[0])
    ports: list[int] = []
    start = _LOWEST_PORT + os.getpid() * 7 % 10_000
    for port in (*range(start, lowest_ephemeral), *range(_LOWEST_PORT, start)):
        with socket.socket(family) as probe:
            try:
                probe.bind(("", port))  # every address; for IPv6 both families
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise OSError(f"no {count} free ports below {lowest_ephemeral}")
