"""Whether there is a gobgpd, of which version, and what its errors mean."""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc

from metalpy.bgp.failures import AbsenceError, GoneError, RefusalError, SilenceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metalpy.errors import RouterError

_DETECTION = {4: "/api.GoBgpService/GetBgp", 3: "/apipb.GobgpApi/GetBgp"}
_GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def _kind(code: grpc.StatusCode) -> type[RouterError]:
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return SilenceError
    return GoneError if code in _GONE else RefusalError


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn gRPC's errors into ours, which say what it was about."""
    try:
        yield
    except grpc.RpcError as error:
        raise _kind(error.code())(f"gobgpd: {what}: {error.details() or error.code().name}") from error
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task and not task.cancelling():  # not we are cancelled: another task closed the channel
            raise GoneError(f"gobgpd: {what}: the connection was closed") from None
        raise


def knock(target: str) -> None:
    """See that somebody listens at a `unix:///path`. Raises `AbsenceError`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as caller:
        try:
            caller.connect(target.removeprefix("unix://"))
        except BlockingIOError:
            pass  # others are in front of us: somebody listens
        except OSError as error:
            raise AbsenceError(f"gobgpd: {target} does not answer: {error.strerror}") from error


async def detect(channel: Any, target: str, deadline_s: float) -> tuple[int, bytes]:
    """Find out the API's version, and gobgpd's state as it wrote it. Raises `GoneError`, `RefusalError`."""
    for version, method in _DETECTION.items():
        with translated(f"{target} does not answer"):
            try:
                state: bytes = await channel.unary_unary(method)(b"", timeout=deadline_s)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                    raise
            else:
                return version, state
    raise RefusalError(f"gobgpd: {target} speaks neither version 4 nor 3 of GoBGP's API")
