"""Who gets the processors: in real life an API server has a machine of its own."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.lab.kube.control_plane import ControlPlane


@contextmanager
def apart(api: ControlPlane) -> Iterator[None]:
    """Keep one processor for this program and what it starts, and leave the others to the API server and its etcd."""
    everything = os.sched_getaffinity(0)
    ours = {max(everything)}
    _keep_to(everything - ours or everything, api.api_server.pid, api.etcd.pid)
    os.sched_setaffinity(0, ours)
    try:
        yield
    finally:
        os.sched_setaffinity(0, everything)
        _keep_to(everything, api.api_server.pid, api.etcd.pid)


def yield_processors(*pids: int) -> None:
    """Let all threads of these processes run only when no other wants to."""
    for thread in _threads(pids):
        os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))


def _keep_to(processors: set[int], *pids: int) -> None:
    for thread in _threads(pids):
        os.sched_setaffinity(thread, processors)


def _threads(pids: Iterable[int]) -> list[int]:
    return [int(thread.name) for pid in pids for thread in Path(f"/proc/{pid}/task").iterdir()]
