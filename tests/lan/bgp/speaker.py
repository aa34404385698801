"""A speaker's BGP side on a host of a LAN, as `bgp_program` runs it, and a gobgpd to go with it."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab.parts import lab_binary
from tests.lab.routers import debian_root
from tests.lab.wait import wait_until
from tests.lan.node import Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.lan import Host

PROGRAM = (sys.executable, "-X", "dev", "-W", "error", "-m", "tests.lan.bgp_program")
AS_IN_PRODUCTION = (sys.executable, "-m", "tests.lan.bgp_program")
ROUTER_ID = "192.168.1.1"
UP_S = 40
"""gobgpd 3 waits for up to 9 s before it calls a peer."""
SOON_S = 20


def gobgpd(version: int) -> str:
    """Find a gobgpd: 4 is a part of the lab, 3 is Debian's."""
    return str(lab_binary("gobgpd") if version == 4 else debian_root() / "usr/bin/gobgpd")


def directory() -> Path:
    """Make a directory whose name is short enough for sockets in it; it goes with the sandbox."""
    return Path(tempfile.mkdtemp(prefix="gobgp-", dir="/run"))


class Speaker(Node):
    """A router with a gobgpd of its own in `home`, or the one at `target`."""

    def __init__(
        self,
        host: Host,
        logs: Path,
        *options: str,
        version: int = 4,
        home: Path | None = None,
        target: str = "",
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self.home = home or directory()
        where = ("--target", target) if target else ("--gobgpd", gobgpd(version), "--directory", str(self.home))
        super().__init__(host, logs, *where, *options, program=program)

    def keep(self, *peers: dict[str, Any], router_id: str = ROUTER_ID) -> None:
        """Keep sessions with exactly these peers."""
        assert self.ask("keep", router_id, *peers) == "done"

    def say(self, prefix: str, *variants: Sequence[Any]) -> None:
        """Announce a prefix: each variant is attributes, then addresses of peers. It is in force when this returns."""
        self.say_later(prefix, *variants)
        self.settle()

    def say_later(self, prefix: str, *variants: Sequence[Any]) -> None:
        """Announce a prefix, and do not wait for it."""
        assert self.ask("announce", [prefix, *variants]) == "done"

    def settle(self) -> None:
        """Wait until gobgpd has all that was said."""
        assert self.ask("settled") == "done"

    def ready(self) -> None:
        """Say that all was said, and wait until gobgpd has it."""
        assert self.ask("ready") == "done"
        self.settle()

    def wait_until_up(self, *addresses: str, port: int = 179) -> None:
        """Wait until sessions are up, as the speaker sees it."""
        names = [f"[{each}]:{port}" if ":" in each else f"{each}:{port}" for each in addresses]
        wait_until(lambda: all(self.ask("counts")[name]["is_up"] for name in names), UP_S, f"sessions with {names}")

    def gobgpd_pid(self) -> int:
        """The process id of gobgpd, which is the guard's child. Raises `OSError` while there is none."""
        guard = self.ask("pid")
        children = Path(f"/proc/{guard}/task/{guard}/children").read_text(encoding="ascii").split()
        if not children:
            raise ProcessLookupError("no gobgpd")
        return int(children[0])

    def await_another(self, former: int) -> None:
        """Wait until gobgpd is another process than that, and listens."""
        # The guard removes the former one's socket before it starts the next.
        wait_until(
            lambda: self.gobgpd_pid() != former and (self.home / "api.sock").exists(), SOON_S, "another gobgpd listens"
        )

    def die(self) -> None:
        """Kill the speaker as the kernel would for want of memory."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def is_gone(pid: int) -> bool:
    """Tell whether there is no such process any more, or only what its parent has yet to ask for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def kill(pid: int) -> None:
    """Kill a process and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: is_gone(pid), SOON_S, f"process {pid} is gone")


def freeze(pid: int) -> None:
    """Stop a process as if it hung, and wait until none of its threads does anything any more."""
    os.kill(pid, signal.SIGSTOP)
    threads = Path(f"/proc/{pid}/task")

    def is_frozen() -> bool:
        stats = ((each / "stat").read_text(encoding="ascii") for each in threads.iterdir())
        return {text.rpartition(")")[2].split()[0] for text in stats} == {"T"}

    wait_until(is_frozen, SOON_S, f"process {pid} stands still")


def peer(address: str, asn: int, my_asn: int = 64500, **fields: Any) -> dict[str, Any]:
    """Describe a peer for `Speaker.keep`."""
    return {"address": address, "peer_asn": asn, "my_asn": my_asn, **fields}
