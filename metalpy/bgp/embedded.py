"""A gobgpd of the speaker's own: started through a guard, noticed when it dies, taken over by the next speaker."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import signal
import socket
import stat
import sys
from typing import TYPE_CHECKING

import structlog

from metalpy.bgp.guard import API_SOCKET, GUARD_LOCK, LOG_SOCKET, SPEAKER_LOCK
from metalpy.errors import RouterError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = structlog.get_logger()

ORPHAN_S = 60.0
"""How long routes stay after the speaker died: time enough for it to be started anew a few times."""
_TAKE_OVER_S = 10.0
"""How long the speaker before this one may take to be gone."""
_STEADY_S = 5.0
"""A gobgpd that lived this long is started anew at once."""
_LONGEST_PATH = 107
"""unix(7)."""


class EmbeddedGobgpd:
    """A gobgpd of our own, at `path`, with everything that it needs in a private `directory`.

    It outlives this process by `orphan_s` seconds at most. A speaker that starts meanwhile with the same directory
    takes it over as it is; two at a time cannot have it.
    """

    is_heard = True

    def __init__(self, path: Path, directory: Path, *, orphan_s: float = ORPHAN_S) -> None:
        self._path = path
        self._directory = directory.absolute()
        self._orphan_s = orphan_s
        self._lock = -1
        self._log: socket.socket | None = None
        self._guard = -1
        self._pid = 0
        self._options: tuple[str, ...] = ()
        self._asked: asyncio.Task[tuple[str, ...]] | None = None

    @property
    def target(self) -> str:
        """Where its API is."""
        return f"unix://{self._directory / API_SOCKET}"

    @property
    def pid(self) -> int:
        """The process id of the guard, whose child gobgpd is."""
        return self._pid

    def ask(self) -> None:
        """Ask it for its version, which `start` needs, ahead of that: in vain on a node that will have no peers."""
        self._asked = asyncio.create_task(_options(self._path))
        self._asked.add_done_callback(lambda asked: asked.cancelled() or asked.exception())  # `start` raises it

    async def start(self, hear: Callable[[str], None]) -> None:
        """Take over the gobgpd that runs in the directory, or start one. Raises `RouterError`."""
        if len(str(self._directory / API_SOCKET)) > _LONGEST_PATH:
            raise RouterError(f"gobgpd: {self._directory}: too long a path for a Unix socket")
        asked, self._asked = self._asked, None
        self._options = await (asked or _options(self._path))
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_private(self._directory)
            await self._lock_directory()
            self._listen(hear)
            if not self._adopt():
                self._spawn()
        except OSError as error:
            self.leave()
            raise RouterError(f"gobgpd: cannot be run in {self._directory}: {error}") from error
        except BaseException:
            self.leave()
            raise

    async def _lock_directory(self) -> None:
        self._lock = os.open(self._directory / SPEAKER_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            async with asyncio.timeout(_TAKE_OVER_S):
                while not _try_lock(self._lock, fcntl.LOCK_EX):  # noqa: ASYNC110 - another process's lock
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise RouterError(f"gobgpd: {self._directory}: another speaker uses it") from None

    def _listen(self, hear: Callable[[str], None]) -> None:
        path = self._directory / LOG_SOCKET
        path.unlink(missing_ok=True)
        self._log = lines = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        lines.bind(str(path))

        def read() -> None:
            with contextlib.suppress(BlockingIOError):
                hear(lines.recv(1 << 16).decode(errors="replace"))

        asyncio.get_running_loop().add_reader(lines, read)

    def _adopt(self) -> bool:
        """Take over a guard that is there: it holds its lock, and its process id stands in the file."""
        try:
            file = os.open(self._directory / GUARD_LOCK, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            if _try_lock(file, fcntl.LOCK_SH):
                return False
            pid = int(os.pread(file, 20, 0))
            guard = os.pidfd_open(pid)
            if _try_lock(file, fcntl.LOCK_SH):  # it ended meanwhile, and the number may be anybody's
                os.close(guard)
                return False
        except (ValueError, ProcessLookupError):  # it is about to write it, or to end
            return False
        finally:
            os.close(file)
        self._pid, self._guard = pid, guard
        log.info("took over a running gobgpd", event_name="gobgpdAdopted", pid=pid)
        return True

    def _spawn(self) -> None:
        options = [*self._options, "--api-hosts", self.target]
        guard = [sys.executable, "-s", "-P", "-m", "metalpy.bgp.guard", str(self._directory), str(self._orphan_s)]
        files = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
        # Not by asyncio or subprocess: both insist on waiting for a child that is to stay behind. A session of its
        # own, for what is typed at a terminal is meant for the speaker.
        arguments = [*guard, str(self._path), *options]
        self._pid = os.posix_spawn(sys.executable, arguments, os.environ, file_actions=files, setsid=True)
        self._guard = os.pidfd_open(self._pid)

    async def keep(self) -> None:
        """Start gobgpd anew whenever it ends."""
        loop = asyncio.get_running_loop()
        pause_s = 0.0
        while True:
            started_s = loop.time()
            status = await self._ended()
            lived_s = loop.time() - started_s
            log.error("gobgpd ended", op="gobgpd", status=status, lived_s=round(lived_s, 1))
            pause_s = 0.0 if lived_s > _STEADY_S else min(2.0, pause_s * 2 or 0.1)
            await asyncio.sleep(pause_s)
            if not self._adopt():  # which there is where a guard of the speaker before us was only just starting
                self._spawn()

    async def _ended(self) -> int | None:
        """Wait until the guard has ended; returns its status where it is our child."""
        guard, ended = self._guard, asyncio.Event()
        if guard >= 0:
            loop = asyncio.get_running_loop()
            loop.add_reader(guard, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(guard)
            os.close(guard)
            self._guard = -1
        with contextlib.suppress(ChildProcessError):
            return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])  # noqa: ASYNC222 - it has ended
        return None

    def kill(self) -> bool:
        """Kill gobgpd by way of its guard, who may hang too; `keep` starts both anew."""
        if self._guard >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._guard, signal.SIGKILL)
        return True

    async def end(self) -> None:
        """End gobgpd; returns when it is gone. Its peers are told."""
        if self._guard >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._guard, signal.SIGTERM)
            await self._ended()

    def leave(self) -> None:
        """Let go of it. It lives on for `orphan_s` seconds, or until a speaker takes it over."""
        if self._log:
            asyncio.get_running_loop().remove_reader(self._log)
            self._log.close()
            self._log = None
        for descriptor in (self._guard, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._guard = self._lock = -1


def _try_lock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    if kind == fcntl.LOCK_SH:
        fcntl.flock(file, fcntl.LOCK_UN)
    return True


def _check_private(directory: Path) -> None:
    status = directory.stat()
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise RouterError(f"gobgpd: {directory} must be ours alone (mode 0700): passwords go through it")


async def _options(path: Path) -> tuple[str, ...]:
    """Ask a gobgpd for its version, and give the options that keep it from listening anywhere by itself."""
    try:
        process = await asyncio.create_subprocess_exec(
            path, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await asyncio.wait_for(process.communicate(), 10)
    except (OSError, TimeoutError) as error:
        raise RouterError(f"gobgpd: {path} cannot be run: {error}") from error
    found = re.search(rb"version (\d+)\.", output)
    if not found or int(found[1]) not in (3, 4):
        said = output.decode(errors="replace").strip()[:200]
        raise RouterError(f"gobgpd: {path} is no gobgpd of version 3 or 4: it says {said!r}")
    common = ("-p", "-l", "info", "--pprof-disable")
    return common if int(found[1]) == 3 else (*common, "--metrics-path", "")  # noqa: PLR2004 - the version
