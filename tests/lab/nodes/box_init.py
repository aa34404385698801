"""Process 1 of a box: makes the inside of namespaces look like a node of its own, and runs the node's services.

    python box_init.py SETTINGS.json

The namespaces (network, mounts, processes, names, IPC) are there already. Everything that is written here (mounts
over /etc, /run, /var/lib and /var/log, the images) lies in memory and vanishes with them; only the control groups
are the machine's, and whoever started the box removes them. A service that ends is not started again: its log says
why.

This file runs as a script, so it imports nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

CGROUPS = Path("/sys/fs/cgroup")
_IS_V2 = (CGROUPS / "cgroup.controllers").exists()
_SOCKET = Path("/run/containerd/containerd.sock")
_START_S = 30
_SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/bridge/bridge-nf-call-iptables": "1",
    "net/bridge/bridge-nf-call-ip6tables": "1",
}


def hierarchies() -> list[Path]:
    """List the control group hierarchies: one for v2, one a controller for v1 (symlinks between them left out)."""
    if _IS_V2:
        return [CGROUPS]
    return [path for path in CGROUPS.iterdir() if (path / "cgroup.procs").exists() and not path.is_symlink()]


def _mount(*words: str | Path) -> None:
    subprocess.run(["mount", *map(str, words)], check=True)


def _furnish(name: str, scratch: Path) -> None:
    """Give the box its own /proc, /sys, /etc, /run and /var, with the machine's files to begin with."""
    _mount("--make-rprivate", "/")
    _mount("-t", "proc", "proc", "/proc")
    subprocess.run(["hostname", name], check=True)
    # A /sys that shows our network namespace, below the machine's control groups.
    kept = scratch / "cgroup"
    kept.mkdir()
    _mount("--rbind", CGROUPS, kept)
    subprocess.run(["umount", "--lazy", "/sys"], check=True)
    _mount("-t", "sysfs", "sysfs", "/sys")
    _mount("--rbind", kept, CGROUPS)
    subprocess.run(["umount", "--lazy", str(kept)], check=True)
    over = scratch / "over"
    over.mkdir()
    _mount("-t", "tmpfs", "over", over)
    for path in ("etc", "var/lib", "var/log"):
        upper, work = over / path / "upper", over / path / "work"
        upper.mkdir(parents=True)
        work.mkdir()
        _mount("-t", "overlay", "-o", f"lowerdir=/{path},upperdir={upper},workdir={work}", "overlay", f"/{path}")
    for path in ("/var/lib/containerd", "/var/lib/kubelet", "/var/lib/cni", "/etc/cni/net.d", "/var/log/pods"):
        Path(path).mkdir(parents=True, exist_ok=True)
    for path in ("/var/lib/containerd", "/var/lib/kubelet", "/run"):
        _mount("-t", "tmpfs", "node", path)
    _mount("--make-rshared", "/")
    for path, value in _SYSCTLS.items():
        Path("/proc/sys", path).write_text(value, encoding="ascii")


def _join_control_groups(group: str) -> None:
    """Make the node's control group in every hierarchy, for pods, and go into a child of it ourselves."""
    for hierarchy in hierarchies():
        path = hierarchy
        for part in (*Path(group).parts, "box"):
            if _IS_V2:
                _delegate(path)
            parent, path = path, path / part
            path.mkdir(exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems"):  # a new group of v1 has none and takes no process
                if not _IS_V2 and (parent / file).exists():
                    (path / file).write_bytes((parent / file).read_bytes())
        (path / "cgroup.procs").write_text("0", encoding="ascii")


def _delegate(group: Path) -> None:
    """Let the children of a v2 group have every controller that it has."""
    for controller in (group / "cgroup.controllers").read_text(encoding="ascii").split():
        with contextlib.suppress(OSError):  # one that cannot be given on is one that the kubelet may miss
            (group / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")


def _start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def _wait_for_containerd(service: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_S
    while not _SOCKET.exists():
        if service.poll() is not None or time.monotonic() > end:
            sys.exit(f"containerd does not listen, status {service.poll()}")
        time.sleep(0.01)


def _reap_for_ever(names: dict[int, str]) -> NoReturn:
    """Stand for all orphans, and tell of our own services that end."""
    while True:
        pid, status = os.wait()
        if pid in names:
            print(f"{names[pid]} ended with status {os.waitstatus_to_exitcode(status)}", flush=True)


def main(settings: dict[str, Any]) -> NoReturn:
    """Start everything, and stay."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # process 1 gets no signal that it does not ask for
    logs = Path(settings["logs"])
    _furnish(settings["name"], Path(settings["scratch"]))
    _join_control_groups(settings["group"])
    for path, text in settings["files"].items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text, encoding="utf-8")
    os.environ["PATH"] = settings["path"]
    proxy = _start(settings["kube_proxy"], logs / "kube-proxy.log")
    containerd = _start(settings["containerd"], logs / "containerd.log")
    _wait_for_containerd(containerd)
    imports = [
        _start(["ctr", "--namespace", "k8s.io", "images", "import", archive], logs / "images.log")
        for archive in settings["images"]
    ]
    if any(each.wait() for each in imports):
        sys.exit("images cannot be imported: see images.log")
    kubelet = _start(settings["kubelet"], logs / "kubelet.log")
    _reap_for_ever({kubelet.pid: "kubelet", containerd.pid: "containerd", proxy.pid: "kube-proxy"})


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
