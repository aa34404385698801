"""A cluster to try things on, in the background: `make cluster`, `make cluster-down`.

python -m tests.lab.nodes up               start it and say how to use it
python -m tests.lab.nodes on HOST COMMAND  run a command on `client`, `node1` or `node2`
python -m tests.lab.nodes down             end it; nothing of it is left
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn

from tests.lab.kube.kubeconfig import kubeconfig_text
from tests.lab.nodes import doorway, images
from tests.lab.nodes.cluster import NodeCluster
from tests.lab.parts import LabError, cache_directory, lab_binary
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TOP = Path(__file__).parents[3]
_STATE = cache_directory() / "cluster"
_KUBECONFIG, _PID, _LOG, _LOCK = (_STATE / name for name in ("kubeconfig", "pid", "log", "lock"))
_START_S = 120
_END_S = 60
_NAMESPACES = ("--mount", "--pid", "--net")


def up() -> None:
    """Start a cluster in the background, unless it runs, and say how to use it. Raises `LabError`."""
    if _is_running():
        print("== the cluster runs already ==")
    else:
        images.build()
        print("== starting two nodes ==", flush=True)
        _start()
    python = shlex.join([_short(sys.executable), "-m", "tests.lab.nodes"])
    print(f"""\
export KUBECONFIG={_KUBECONFIG}
alias kubectl={lab_binary("kubectl")}

kubectl apply -f deploy/       # the image {images.IMAGE} of this working tree is on the nodes
{python} on client COMMAND     # on a host of the LAN, 192.168.3.0/24 and fd03::/64; also node1, node2
make cluster-down              # its log is {_LOG}""")


def _start() -> None:
    _STATE.mkdir(parents=True, exist_ok=True)
    _KUBECONFIG.unlink(missing_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as outside, _LOG.open("wb") as log:
        command = ["-m", "tests.lab.sandbox", sys.executable, "-m", "tests.lab.nodes", "serve", str(outside.fileno())]
        child = subprocess.Popen(
            [sys.executable, *command],
            cwd=_TOP,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[outside.fileno()],
            start_new_session=True,
        )
    _PID.write_text(str(child.pid), encoding="ascii")
    wait_until(lambda: _KUBECONFIG.exists() or child.poll() is not None, _START_S, f"a cluster; its log is {_LOG}")
    if child.poll() is not None:
        raise LabError(f"the cluster ended at once:\n{_LOG.read_text(encoding='utf-8')}")


def down() -> None:
    """End the cluster if it runs."""
    if not _is_running():
        print("== no cluster runs ==")
        return
    os.kill(_pid(), signal.SIGTERM)
    wait_until(lambda: not _is_running(), _END_S, f"the cluster has ended; its log is {_LOG}")
    print("== the cluster is gone ==")


def on(host: str, command: Sequence[str]) -> NoReturn:
    """Become a command on a host of the running cluster's LAN. Raises `LabError`."""
    if not _is_running():
        raise LabError("no cluster runs: make cluster starts one")
    inside = Path(f"/proc/{_pid()}/task/{_pid()}/children").read_text(encoding="ascii").split()[0]
    enter = ["nsenter", "--target", inside, *_NAMESPACES, "--wd=/", "ip", "netns", "exec", host, *command]
    os.execvp(enter[0], enter)  # noqa: S606 - the user's own command line


def serve(descriptor: int) -> None:
    """Be the cluster, inside the sandbox, until SIGTERM; what connects to that socket reaches the API server."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        contextlib.suppress(KeyboardInterrupt),
        _held_lock(),
        socket.socket(fileno=descriptor) as outside,
        NodeCluster() as cluster,
    ):
        pair = cluster.api.authority.client("kubernetes-admin", ["system:masters"])
        url = f"https://localhost:{outside.getsockname()[1]}"
        whole = _KUBECONFIG.with_suffix(".new")
        whole.touch(mode=0o600)
        whole.write_text(kubeconfig_text(url, cluster.api.ca, pair=pair), encoding="utf-8")
        whole.rename(_KUBECONFIG)
        asyncio.run(doorway.serve(outside, cluster.api.address, cluster.api.port))


@contextlib.contextmanager
def _held_lock() -> Iterator[IO[str]]:
    """Hold what tells others that the cluster runs; the kernel lets go of it however this process ends."""
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def _is_running() -> bool:
    if not _LOCK.exists():
        return False
    with _LOCK.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _pid() -> int:
    return int(_PID.read_text(encoding="ascii"))


def _short(path: str) -> str:
    return str(Path(path).relative_to(_TOP)) if Path(path).is_relative_to(_TOP) else path


def main(arguments: Sequence[str]) -> None:
    """Do what the command line says."""
    try:
        match arguments:
            case ["up"]:
                up()
            case ["down"]:
                down()
            case ["on", host, *command] if command:
                on(host, command)
            case ["serve", descriptor]:
                serve(int(descriptor))
            case _:
                sys.exit(__doc__)
    except (LabError, TimeoutError) as error:
        sys.exit(f"lab: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
