"""A node of the tests: an announcer on a host, and frames sent to it by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any

from tests.lab.json_log import JsonLog
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.lab.lan import Host

PROGRAM = (sys.executable, "-X", "dev", "-W", "error", "-m", "tests.lan.announce_program")
"""In development mode: a socket or a task that is left behind is an error."""


class Node:
    """`announce_program`, or another program that is spoken to alike, running on a host."""

    def __init__(
        self, host: Host, logs: Path, *arguments: str, prefix: Sequence[str] = (), program: Sequence[str] = PROGRAM
    ) -> None:
        self.host = host
        self._logs = logs
        with logs.open("w", encoding="utf-8") as stderr:
            self.process: subprocess.Popen[str] = host.popen(
                [*prefix, *program, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self.first = self.answer()

    def ask(self, *words: Any) -> Any:
        """Give the program one instruction and return its answer."""
        self.write(*words)
        return self.answer()

    def write(self, *words: Any) -> None:
        """Give the program one instruction and do not wait for the answer."""
        _pipe(self.process.stdin).write(json.dumps(words) + "\n")
        _pipe(self.process.stdin).flush()

    def announce(self, *addresses: str) -> None:
        """Announce exactly these; they are in force when this returns."""
        assert self.ask("announce", *addresses) == "in force"

    def counts(self, address: str) -> tuple[int, int, int]:
        """Return requests received, responses sent and gratuitous frames sent for one address."""
        each = self.ask("counts").get(address, {})
        return (each.get("requests_received", 0), each.get("responses_sent", 0), each.get("gratuitous_sent", 0))

    def end(self) -> tuple[int, str]:
        """Let the program end by itself; return its status and all that it wrote as logs."""
        _pipe(self.process.stdin).close()
        return self.process.wait(10), self._logs.read_text(encoding="utf-8")

    def logs(self, **wanted: Any) -> list[dict[str, Any]]:
        """Return the log lines so far that have these keys and values."""
        return [entry for entry in JsonLog(self._logs).lines() if wanted.items() <= entry.items()]

    def wait_for_log(self, many: int = 1, **wanted: Any) -> None:
        """Wait until that many log lines have these keys and values."""
        wait_until(lambda: len(self.logs(**wanted)) >= many, 10, f"{many} log lines with {wanted}")

    def answer(self) -> Any:
        """Read what the program answers to the oldest instruction that it has not answered yet."""
        line = _pipe(self.process.stdout).readline()
        assert line, f"the program ended: {self._logs.read_text(encoding='utf-8')}"
        return json.loads(line)


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def request(target: str, *, sender: Host, to: str = "ff:ff:ff:ff:ff:ff", sender_ip: str | None = None) -> bytes:
    """Build an ARP request by hand, 60 bytes long."""
    mac = bytes.fromhex(sender.mac.replace(":", ""))
    ethernet = bytes.fromhex(to.replace(":", "")) + mac + bytes.fromhex("0806")
    body = bytes.fromhex("0001 0800 06 04 0001") + mac + _packed(sender_ip or sender.address) + bytes(6)
    return (ethernet + body + _packed(target)).ljust(60, b"\0")


def reply(address: str, *, mac: str, to: Host, to_ip: str | None = None) -> bytes:
    """Build the answer that a request by `request` must get: RFC 826, to whom the request says it is from."""
    ours, theirs = (bytes.fromhex(each.replace(":", "")) for each in (mac, to.mac))
    body = ours + _packed(address) + theirs + _packed(to_ip or to.address)
    return (theirs + ours + bytes.fromhex("0806 0001 0800 06 04 0002") + body).ljust(60, b"\0")


def _packed(address: str) -> bytes:
    return bytes(map(int, address.split(".")))


def exchange(client: Host, *frames: bytes, interface: str = "eth0") -> list[bytes]:
    """Send frames from a host and return all ARP replies, up to the one to the last frame."""
    words = [sys.executable, "-m", "tests.lan.wire_program", "exchange", interface]
    done = client.run([*words, *(frame.hex() for frame in frames)])
    return [bytes.fromhex(line) for line in done.stdout.split()]
