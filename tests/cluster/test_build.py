"""Building the lab's parts, with a `go` that pretends."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.lab.parts import ASSETS_VARIABLE, PARTS, LabError, lab_binary

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.parts import Part

_GO = """#!/bin/sh
[ "$1" != version ] || { echo "go version go1.99.0 linux/amd64"; exit; }
echo "$*" >> "$GO_LOG"
echo some/package
[ -z "$GO_FAILURE" ] || { echo "$GO_FAILURE"; exit 1; }
while [ "$1" != -o ]; do shift; done
case $2 in
*/) touch "$2server" ;;
*) touch "$2" ;;
esac
"""
_BUILD = (sys.executable, "-m", "tests.lab.build")


class Machine:
    """An empty cache, and a PATH with nothing but the system's programs and a pretended `go`."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._log = directory / "go.log"
        self.cache = directory / "metalpy-lab"
        go = directory / "go"
        go.write_text(_GO, encoding="ascii")
        go.chmod(0o755)
        monkeypatch.setenv("XDG_CACHE_HOME", str(directory))
        monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
        monkeypatch.setenv("GO_LOG", str(self._log))
        monkeypatch.setenv("GO_FAILURE", "")
        monkeypatch.delenv(ASSETS_VARIABLE, raising=False)

    def build(self, *names: str) -> subprocess.CompletedProcess[str]:
        """Run the build."""
        return subprocess.run([*_BUILD, *names], capture_output=True, text=True, check=False)

    @property
    def runs(self) -> int:
        """How often `go build` ran."""
        return len(self._log.read_text(encoding="ascii").splitlines()) if self._log.exists() else 0


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Give a machine on which nothing was built yet."""
    return Machine(tmp_path, monkeypatch)


def test_program_that_was_not_built_is_refused_with_the_remedy(machine: Machine) -> None:
    with pytest.raises(LabError, match=r"no etcd .* make lab .* python -m tests\.lab\.build etcd "):
        lab_binary("etcd")

    assert machine.runs == 0


def test_unknown_program_is_refused_with_the_known_ones(machine: Machine) -> None:
    done = machine.build("etcdctl")

    assert done.returncode == 1
    assert "no program etcdctl; it has kube-apiserver, " in done.stderr


def test_part_is_built_once_and_found_by_each_of_its_programs(machine: Machine) -> None:
    first, second = machine.build("etcd", "kubectl"), machine.build("etcd", "kube")

    assert (first.returncode, second.returncode, second.stdout) == (0, 0, "")
    assert machine.runs == 2
    assert lab_binary("etcd").resolve().name == "server"
    assert {lab_binary(program).resolve() for program in PARTS["kube"].programs} == {PARTS["kube"].binary("kube")}


def test_build_waits_for_another_and_takes_what_it_made(machine: Machine) -> None:
    machine.cache.mkdir()
    with (machine.cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen([*_BUILD, "etcd"], stdout=subprocess.PIPE, text=True) as waiting:
            assert waiting.stdout
            assert waiting.stdout.readline() == "== etcd: waiting for another build ==\n"
            PARTS["etcd"].directory.mkdir()
            fcntl.flock(lock, fcntl.LOCK_UN)

    assert waiting.returncode == 0
    assert machine.runs == 0


def test_failed_build_tells_why_and_leaves_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GO_FAILURE", "main.go:1: wrong")
    done = machine.build("etcd")

    assert done.returncode == 1
    assert "main.go:1: wrong\nlab: etcd: go build failed" in done.stderr
    assert [path.name for path in machine.cache.iterdir()] == [".lock"]


def test_own_binaries_are_used_and_not_built(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kube-apiserver", "etcd", "kubectl"):
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv(ASSETS_VARIABLE, str(tmp_path))

    assert machine.build("kube-apiserver", "kubectl", "etcd").returncode == 0
    assert machine.runs == 0
    assert lab_binary("etcd") == tmp_path / "etcd"
    with pytest.raises(LabError, match="no kubelet"):
        lab_binary("kubelet")


@pytest.mark.parametrize("part", PARTS.values(), ids=list(PARTS))
def test_part_calls_itself_by_the_version_that_its_module_requires(part: Part) -> None:
    go_mod = (part.source / "go.mod").read_text(encoding="ascii")

    assert re.search(rf"(kubernetes|etcd/server/v3|gobgp/v4|metallb) v{re.escape(part.version)}\b", go_mod)


def test_changed_module_is_another_part(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.build("etcd")
    before = lab_binary("etcd")
    source = tmp_path / "go-sources" / "etcd"
    source.mkdir(parents=True)
    for name in ("go.mod", "go.sum"):
        (source / name).write_bytes((PARTS["etcd"].source / name).read_bytes() + b"\n")
    monkeypatch.setattr("tests.lab.parts._SOURCES", source.parent)

    with pytest.raises(LabError):
        lab_binary("etcd")
    assert os.path.lexists(before)
