"""What the lab builds for itself: which Go module gives which programs, and where the cache keeps them.

A part's directory in the cache is named by its version and by a hash of everything of ours that goes into it,
so an edit of its go.mod builds it anew beside the old one, and a checkout of another branch finds its own.

To take another version: in the part's directory `go get -tool PACKAGE@VERSION` (for `kube`: the versions in its go.mod,
then `go mod tidy`), and the version here.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
"""A directory of Kubernetes binaries that somebody has already; what is in there is never built."""

_SOURCES = Path(__file__).with_name("go")
_GOBGPD = Path(__file__).parents[2] / "deploy" / "gobgpd"
"""What the image is built from, too."""
_HASHED_FILES = ("go.mod", "go.sum", "*.go")


class LabError(RuntimeError):
    """Something that the lab needs is missing; the message says what gets it."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One Go module of ours, and the programs that building it gives."""

    name: str
    version: str
    programs: Mapping[str, str]
    """The name a test asks for → the executable's file name. Several names on one file are symlinks to it, and
    that program looks at the name it is called by."""
    package: str = "tool"
    """The argument of `go build`: the go.mod's tool lines, or our own main package."""
    linked: tuple[str, ...] = ()
    """Variables that are set when linking, as `PACKAGE.NAME=VALUE`."""
    cold: str = "a minute or two"
    """How long the first build takes on two cores, for the one who waits for it."""
    home: Path | None = None
    """The module's directory, if it is not the one under `go/` that is named alike."""

    @property
    def source(self) -> Path:
        """The module's directory."""
        return self.home or _SOURCES / self.name

    @property
    def ldflags(self) -> str:
        """What the linker is told: no debugging tables, and the linked variables."""
        return " ".join(("-s", "-w", *(f"-X {setting}" for setting in self.linked)))

    @property
    def directory(self) -> Path:
        """Where the built part stands in the cache, whether it is there or not."""
        digest = hashlib.sha256(repr((self.programs, self.package, self.ldflags)).encode())
        for file in sorted(file for pattern in _HASHED_FILES for file in self.source.rglob(pattern)):
            digest.update(f"{file.relative_to(self.source)}\0".encode() + file.read_bytes())
        return cache_directory() / f"{self.name}-{self.version}-{digest.hexdigest()[:12]}"

    def binary(self, program: str) -> Path:
        """Where one of the part's programs stands in the cache."""
        return self.directory / "bin" / program

    def is_built(self) -> bool:
        """Tell whether the cache has the part."""
        return self.directory.is_dir()


_KUBERNETES = "1.36.3"
_KUBERNETES_MAJOR, _KUBERNETES_MINOR, _ = _KUBERNETES.split(".")
_KUBERNETES_COMMANDS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
)
_KUBERNETES_VERSION = "k8s.io/component-base/version"


def _metallb(short: str, version: str, cold: str) -> Part:
    programs = {f"metallb-{short}-{command}": command for command in ("controller", "speaker")}
    return Part(f"metallb-{short}", version, programs, cold=cold)


PARTS: Mapping[str, Part] = {
    part.name: part
    for part in (
        Part(
            "kube",
            _KUBERNETES,
            dict.fromkeys(_KUBERNETES_COMMANDS, "kube"),
            package=".",
            linked=(  # without them the server calls itself v0.0.0-master, which no version parser takes
                f"{_KUBERNETES_VERSION}.gitVersion=v{_KUBERNETES}",
                f"{_KUBERNETES_VERSION}.gitMajor={_KUBERNETES_MAJOR}",
                f"{_KUBERNETES_VERSION}.gitMinor={_KUBERNETES_MINOR}",
            ),
            cold="about 10 minutes",
        ),
        Part("etcd", "3.6.8", {"etcd": "server"}, cold="2 to 3 minutes"),
        Part("gobgp", "4.8.0", {"gobgpd": "gobgpd", "gobgp": "gobgp"}, cold="2 to 3 minutes", home=_GOBGPD),
        _metallb("0.11", "0.11.0", "about a minute"),
        _metallb("0.15", "0.15.2", "about 3 minutes"),
    )
}
"""Everything that can be built, by name."""


def cache_directory() -> Path:
    """Give the directory that outlives checkouts: `$XDG_CACHE_HOME/metalpy-lab`, by default under `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "metalpy-lab"


def asset(program: str) -> Path | None:
    """Find a program among the binaries that the user has already; None if it is not there."""
    assets = os.environ.get(ASSETS_VARIABLE)
    found = Path(assets, program) if assets else None
    return found if found and os.access(found, os.X_OK) else None


def part_of(program: str) -> Part:
    """Find the part that gives a program. Raises `LabError` for a name that no part gives."""
    for part in PARTS.values():
        if program in part.programs:
            return part
    known = ", ".join(name for part in PARTS.values() for name in part.programs)
    raise LabError(f"the lab has no program {program}; it has {known}")


def lab_binary(program: str) -> Path:
    """Find a program of the lab, as `etcd` or `metallb-0.11-speaker`. Builds nothing.

    Raises `LabError` if it was not built yet; the message says what builds it.
    """
    found = asset(program)
    if found:
        return found
    part = part_of(program)
    if not part.is_built():
        raise LabError(
            f"the lab has no {program} {part.version} yet: make lab builds what the tests need, "
            f"python -m tests.lab.build {part.name} this part alone ({part.cold} the first time)"
        )
    return part.binary(program)
