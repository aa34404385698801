"""One node: a host of the lab's LAN with mounts, processes and names of its own, and a kubelet in them."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.nodes.box_init import hierarchies
from tests.lab.parts import LabError
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.lan import Host
    from tests.lab.nodes.settings import NodeSettings

_INIT = Path(__file__).with_name("box_init.py")
_NAMESPACES = ("--mount", "--pid", "--uts", "--ipc")
_TAIL = 2_000


class Box:
    """A node that can be started, killed as by a power failure, and started again, with everything lost."""

    def __init__(self, host: Host, settings: NodeSettings, directory: Path, images: Sequence[Path]) -> None:
        self.host = host
        self.name = settings.name
        self._settings = settings
        self._directory = directory
        self._images = list(images)
        self._starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the node's services; whether the node is ready is the API server's to say."""
        self._starts += 1
        self.scratch = self._directory / f"start-{self._starts}"
        """The logs of this start: box.log, kubelet.log, containerd.log, images.log, kube-proxy.log."""
        self.scratch.mkdir(parents=True)
        settings = self.scratch / "settings.json"
        settings.write_text(json.dumps(self._settings.for_box(self.scratch, self._images)), encoding="utf-8")
        # Not by `ip netns exec`, which hides the control groups.
        enter = ["nsenter", f"--net=/run/netns/{self.host.name}", "setpriv", "--pdeathsig", "KILL"]
        unshare = ["unshare", *_NAMESPACES, "--propagation", "private", "--fork", "--kill-child=KILL"]
        with (self.scratch / "box.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*enter, *unshare, sys.executable, "-I", str(_INIT), str(settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def check(self) -> None:
        """Raise `LabError` with the last of its logs if the box or one of its services has ended."""
        log = (self.scratch / "box.log").read_text(encoding="utf-8")
        if log or not self._process or self._process.poll() is not None:
            tails = "".join(f"\n== {file.name} ==\n{_tail(file)}" for file in sorted(self.scratch.glob("*.log")))
            raise LabError(f"{self.name} does not run as it should:{tails}")

    def run(self, command: Sequence[str]) -> str:
        """Run a command inside, as root of the node, and return what it printed."""
        enter = ["nsenter", "--target", self._init_pid(), "--mount", "--pid", "--net", "--uts", "--ipc"]
        done = subprocess.run([*enter, *command], capture_output=True, text=True, check=False, timeout=30)
        if done.returncode:
            raise LabError(f"{self.name}: {' '.join(command)}: status {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def has_rule_for(self, address: str, port: int) -> bool:
        """Tell whether kube-proxy has a rule for a Service's TCP port at this address of it, be it one that refuses."""
        table = ["nft", "list", "table", "ip6" if ":" in address else "ip", "kube-proxy"]
        return f"{address} . tcp . {port} " in self.host.run(table).stdout

    def die(self) -> None:
        """Lose power: cable first, so that nothing says goodbye, then everything at once."""
        self.host.unplug()
        self.kill()

    def kill(self) -> None:
        """End every process of the node, and remove its control groups."""
        if self._process:
            self._process.send_signal(signal.SIGKILL)  # takes process 1 of the box along, and that one the rest
            self._process.wait()
            self._process = None
        self.host.kill_processes()
        wait_until(self._has_no_control_groups, 10, f"the control groups of {self.name} are gone")

    def _init_pid(self) -> str:
        if not self._process:
            raise LabError(f"{self.name} does not run")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return children.read_text(encoding="ascii").split()[0]

    def _has_no_control_groups(self) -> bool:
        for hierarchy in hierarchies():
            remove_groups(hierarchy / self._settings.group)
        return not any((hierarchy / self._settings.group).exists() for hierarchy in hierarchies())


def remove_groups(top: Path) -> None:
    """Remove a control group with those below it, as far as no process is left in them."""
    groups = sorted((path for path in (top, *top.rglob("*")) if path.is_dir()), reverse=True)
    for group in groups:
        with contextlib.suppress(OSError):
            group.rmdir()


def _tail(file: Path) -> str:
    return file.read_bytes()[-_TAIL:].decode(errors="replace")
