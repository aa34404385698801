"""The reply process as the speaker holds it: started, spoken to, and noticed when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import subprocess
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


class Child:
    """One run of `metalpy.layer2.responder`."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[bool]] = {}
        self._sending = asyncio.Lock()
        self._has_ended = False

    @classmethod
    async def start(cls) -> Self:
        """Start the process and wait until it can open packet sockets. Raises `CapabilityError` if it cannot."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # Without the current directory and the user's site directory: as safe as the speaker itself.
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-s", "-P", "-m", "metalpy.layer2.responder", str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        ours.setblocking(False)
        child = cls(process, ours)
        try:
            await child._expect_ready()
        except BaseException:
            await child.close()
            raise
        return child

    async def _expect_ready(self) -> None:
        message = await asyncio.get_running_loop().sock_recv(self._control, MESSAGE_LIMIT)
        if not message:
            raise CapabilityError(f"the ARP reply process ended at once, with status {await self._process.wait()}")
        kind, rows = decode(message)
        if kind is Kind.DENIED:
            raise CapabilityError(_DENIED.format(reason=os.strerror(rows[0][0])))

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def close(self) -> int:
        """End the process if it still runs, and return its exit status. It answers nothing from this moment on."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()  # it has nothing to save
        self._release()
        status = await self._process.wait()
        async with self._sending:  # who is just sending gets an error, and then nobody uses the socket
            self._control.close()
        return status

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
