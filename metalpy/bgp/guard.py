"""Stands between a speaker and its gobgpd, so that routes survive the speaker's death, but not for ever.

    python -m metalpy.bgp.guard DIRECTORY ORPHAN_SECONDS GOBGPD [OPTION ...]

The speaker holds a lock on `DIRECTORY/speaker.lock`, which the kernel releases however the speaker ends. This runs
gobgpd, and ends it (SIGTERM: a notification to the peers, who drop the routes) when nobody has held that lock for
so many seconds, or when told to by SIGTERM. It ends when gobgpd ends, and gobgpd is killed when it does. What
gobgpd writes about sessions goes to the speaker as datagrams, if one listens.

It imports nothing but the standard library: it is to start fast, stay small, and not need anything that breaks.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SPEAKER_LOCK = "speaker.lock"
GUARD_LOCK = "guard.lock"
LOG_SOCKET = "log.sock"
API_SOCKET = "api.sock"

_LOOK_S = 0.5
"""How often it is looked whether there is a speaker."""
_END_S = 5.0
"""How long gobgpd may take to say goodbye to its peers."""
_LONGEST_LINE = 4096
_TELLING = (b"Peer Down", b"failed to connect", b"IO error", b"=ERROR", b"=FATAL", b"=error", b"=fatal", b"=panic")
_PR_SET_PDEATHSIG = 1


def main(directory: Path, orphan_s: float, command: list[str]) -> int:
    """Run gobgpd to its end; return its status, negative if a signal ended it."""
    os.umask(0o077)
    own = os.open(directory / GUARD_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0  # there is a guard: the speaker finds it
    os.ftruncate(own, 0)
    os.pwrite(own, str(os.getpid()).encode(), 0)
    (directory / API_SOCKET).unlink(missing_ok=True)  # gobgpd 4 would live on without an API
    libc = ctypes.CDLL(None)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # This process has one thread, which is what preexec_fn asks for.
        preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL)),  # noqa: PLW1509
    ) as child:
        return _Guard(directory, orphan_s, child).run()


class _Guard:
    def __init__(self, directory: Path, orphan_s: float, child: subprocess.Popen[bytes]) -> None:
        self._lock = os.open(directory / SPEAKER_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        self._orphan_s = orphan_s
        self._child = child
        self._kill_at_s: float | None = None
        self._speaker_seen_s = time.monotonic()
        self._listener = str(directory / LOG_SOCKET)
        self._log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._log.setblocking(False)
        signal.signal(signal.SIGTERM, lambda *_: self._end())
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def run(self) -> int:
        output = self._child.stdout
        rest = b""
        while output:
            ready, _, _ = select.select([output], [], [], _LOOK_S)
            if ready:
                text = os.read(output.fileno(), 1 << 16)
                if not text:
                    break
                *lines, rest = (rest + text)[-(1 << 20) :].split(b"\n")
                for line in lines:
                    self._tell(line)
            self._look()
        try:
            return self._child.wait(_END_S)
        except subprocess.TimeoutExpired:  # it closed its output, and runs
            self._child.kill()
            return self._child.wait()

    def _look(self) -> None:
        now_s = time.monotonic()
        if self._kill_at_s is not None:
            if now_s > self._kill_at_s:
                self._child.kill()
        elif self._is_there_a_speaker():
            self._speaker_seen_s = now_s
        elif now_s - self._speaker_seen_s > self._orphan_s:
            self._end()

    def _is_there_a_speaker(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        return False

    def _end(self) -> None:
        if self._kill_at_s is None:
            self._kill_at_s = time.monotonic() + _END_S
            self._child.terminate()

    def _tell(self, line: bytes) -> None:
        if any(word in line for word in _TELLING):
            with contextlib.suppress(OSError):  # nobody listens, or not fast enough
                self._log.sendto(line[:_LONGEST_LINE], self._listener)


if __name__ == "__main__":
    status = main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
    sys.exit(status if status >= 0 else 128 - status)
