"""A line between a client and a server on Unix sockets, which can be cut."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path


class Relay:
    """Listens at `path` and passes everything on to `target` and back; a context manager. Threads do the work."""

    def __init__(self, path: Path, target: Path) -> None:
        self.path = path
        self._target = target
        self._passes = threading.Event()
        self._server: socket.socket | None = None
        self._ends: list[socket.socket] = []

    def __enter__(self) -> Self:
        self.mend()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._passes.set()

    def cut(self) -> None:
        """Hang up, and take no calls any more."""
        for each in (*([self._server] if self._server else ()), *self._ends):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._server = None
        self._ends.clear()
        self.path.unlink(missing_ok=True)

    def hold(self) -> None:
        """Hold back everything that comes from now on; calls are taken, and nothing comes of them."""
        self._passes.clear()

    def mend(self) -> None:
        """Pass on everything again, also what was held back."""
        self._passes.set()
        if self._server is None:
            self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._server.bind(str(self.path))
            self._server.listen()
            threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):  # cut
            while True:
                caller, _ = server.accept()
                callee = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self._ends += (caller, callee)
                with contextlib.suppress(OSError):
                    callee.connect(str(self._target))
                for one, other in ((caller, callee), (callee, caller)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while text := one.recv(1 << 16):
                self._passes.wait()
                other.sendall(text)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
