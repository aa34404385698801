"""The reply process as the speaker holds it: started, spoken to, and noticed when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Self

from metalpy.errors import CapabilityError
from metalpy.layer2.control import MESSAGE_LIMIT, Kind, decode, encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from metalpy.layer2.control import Row

_DENIED = (
    "cannot open a packet socket for ARP: {reason}. This needs the capability CAP_NET_RAW: in a pod, "
    'securityContext.capabilities.add: ["NET_RAW"] for a process of user 0; elsewhere run as root, or let systemd '
    "grant it with AmbientCapabilities=CAP_NET_RAW."
)

_CONTROL_FD = 3
"""Where the reply process finds its end of the control socket; no other descriptor but 0 to 2 reaches it."""


class Child:
    """One run of `metalpy.layer2.responder`."""

    def __init__(self, pid: int, control: socket.socket) -> None:
        self._pid = pid
        self._process = os.pidfd_open(pid)
        self._control = control
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[bool]] = {}
        self._sending = asyncio.Lock()
        self._has_ended = False
        self._status: int | None = None

    @classmethod
    async def start(cls, orphan_s: float = 0, instance: str = "") -> Self:
        """Start the process and wait until it can open packet sockets. Raises `CapabilityError` if it cannot.

        Should this process die, that one goes on answering for `orphan_s` seconds or until the next speaker of
        the same `instance` takes over.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            child = cls(_spawn(theirs, str(round(orphan_s * 1000)), instance), ours)
        ours.setblocking(False)
        try:
            await child._expect_ready()
        except BaseException:
            await child.close()
            raise
        return child

    async def _expect_ready(self) -> None:
        message = await asyncio.get_running_loop().sock_recv(self._control, MESSAGE_LIMIT)
        if not message:
            raise CapabilityError(f"the ARP reply process ended at once, with status {await self._end()}")
        kind, rows = decode(message)
        if kind is Kind.DENIED:
            raise CapabilityError(_DENIED.format(reason=os.strerror(rows[0][0])))

    @property
    def pid(self) -> int:
        """The process id."""
        return self._pid

    async def close(self) -> int:
        """End the process if it still runs, and return its exit status. It answers nothing from this moment on."""
        if self._process < 0 and self._status is not None:
            return self._status
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)  # it has nothing to save
        self._release()
        status = await self._end()
        self._forget()
        async with self._sending:  # who is just sending gets an error, and then nobody uses the socket
            self._control.close()
        return status

    async def leave(self, linger_s: float) -> None:
        """Let the process go on answering for so long, or until a successor takes over; it is not ours any more."""
        await self.tell(Kind.LINGER, [(round(linger_s * 1000),)])
        self._release()
        self._forget()
        async with self._sending:
            self._control.close()

    async def _end(self) -> int:
        """Wait for the end of the process, and return its status, negative if a signal ended it."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._process, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process)
        if self._status is None:
            self._status = self._reap()
        return self._status

    def _reap(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def _forget(self) -> None:
        if self._process >= 0:
            os.close(self._process)
            self._process = -1

    async def tell(self, kind: Kind, rows: Iterable[Row] = ()) -> None:
        """Send one instruction. One that comes after the process's death is lost without an error."""
        async with self._sending:  # rows of one instruction stay together
            for message in encode(kind, rows):
                if self._has_ended:
                    return
                try:
                    await asyncio.get_running_loop().sock_sendall(self._control, message)
                except OSError:
                    return  # whoever reads `messages` learns of the end

    async def settle(self) -> bool:
        """Wait until all that was told before is in force; false if the process died meanwhile."""
        if self._has_ended:
            return False
        number = next(self._numbers)
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[number] = done
        try:
            await self.tell(Kind.SYNC, [(number,)])
            return await done
        finally:
            self._waiting.pop(number, None)

    async def messages(self) -> AsyncIterator[tuple[Kind, list[Row]]]:
        """Yield what the process reports, until it ends."""
        while True:
            try:
                message = await asyncio.get_running_loop().sock_recv(self._control, MESSAGE_LIMIT)
            except OSError:
                message = b""
            if not message:
                self._release()
                return
            kind, rows = decode(message)
            if kind is not Kind.DONE:
                yield kind, rows
            elif (done := self._waiting.get(rows[0][0])) and not done.done():
                done.set_result(True)

    def _release(self) -> None:
        self._has_ended = True
        for done in self._waiting.values():
            if not done.done():
                done.set_result(False)


def _spawn(control: socket.socket, *arguments: str) -> int:
    """Start the process with that end of the control socket, and return its id.

    Not by asyncio or `subprocess`: both insist on killing or waiting for a child that is to stay behind.
    """
    # Without the current directory and the user's site directory: as safe as the speaker itself.
    command = [sys.executable, "-s", "-P", "-m", "metalpy.layer2.responder", str(_CONTROL_FD), *arguments]
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, control.fileno(), _CONTROL_FD),
    ]
    return os.posix_spawn(sys.executable, command, os.environ, file_actions=files)
