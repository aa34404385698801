"""The container images of the lab's nodes: `python -m tests.lab.nodes.images` builds what is missing.

Ours comes from deploy/Dockerfile as it is, without a registry: the name that it starts FROM is given to a system
made by debootstrap; pip finds a directory of wheels, and Go one of modules, mounted while it builds. Each step is
cached by what goes into it; after a change of the code only the last one is done again, in some seconds.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from metalpy import __version__
from tests.lab.build import locked_cache
from tests.lab.nodes.settings import PAUSE_IMAGE, unpacked
from tests.lab.parts import PARTS, LabError, cache_directory
from tests.lab.runtime import needed_to_run
from tests.lab.toolchain import GO_WHEEL, go_command, needed_release

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

IMAGE = f"metalpy:{__version__}"
"""What deploy/ calls our image."""

_TOP = Path(__file__).parents[3]
_DOCKERFILE = _TOP / "deploy" / "Dockerfile"
_INPUTS = (
    "deploy/Dockerfile",
    "deploy/gobgpd",
    "setup.cfg",
    "pyproject.toml",
    "constraints.txt",
    "README.md",
    "metalpy",
    "configmaptocrs",
)
_SUITE = "bookworm"
_BASE = f"debian:{_SUITE}-slim"
_BASE_PACKAGES = ("ca-certificates", "python3", "python3-venv")
"""Those that the Dockerfile installs are here already, so that nothing has to be fetched for a rebuild."""
_NOT_IN_AN_IMAGE = (
    "var/cache/apt/archives/*.deb",
    "var/lib/apt/lists/*",
    "usr/share/doc/*",
    "usr/share/man/*",
    "usr/share/locale/*",
)
_PYTHON = "3.11"
"""That of the suite."""
_GLIBC = 36
"""The suite has glibc 2.36."""
_PIP_CONFIG = "[global]\nno-index = true\nfind-links = /wheelhouse\n"
_KEPT = 4
"""How many versions of our image stay in the cache: other working trees have theirs there too."""
_PROGRESS_S = 15


def archives() -> list[Path]:
    """Find the images that a node needs, as files for containerd. Raises `LabError` for one that was not built."""
    found = [_pause_archive(), _own_archive()]
    for archive in found:
        if not archive.exists():
            raise LabError(
                f"{archive.name} of this working tree is not built: make test-nodes and make cluster do that, "
                "python -m tests.lab.nodes.images that alone"
            )
    return found


def build() -> None:
    """Build what is missing. Needs root, and the network the first time. Raises `LabError`."""
    with locked_cache("images"):
        if not _pause_archive().exists():
            _build_pause()
        if not _own_archive().exists():
            _build_own()


def _own_archive() -> Path:
    return cache_directory() / f"image-metalpy-{_digest(_own_files())}.tar"


def _pause_archive() -> Path:
    return cache_directory() / "image-pause-1.tar"


def _own_files() -> Iterator[bytes]:
    for name in _INPUTS:
        path = _TOP / name
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                yield f"{file.relative_to(_TOP)}\0".encode() + file.read_bytes() + b"\0"


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:12]


def _build_own() -> None:
    started = time.monotonic()
    base, wheels, modules = _base(), _wheelhouse(), _modules()
    print(f"== {IMAGE}: building from deploy/Dockerfile ==", flush=True)
    _buildah("tag", base, _BASE)
    with tempfile.TemporaryDirectory(prefix=".image-", dir=cache_directory()) as text:
        directory = Path(text)
        pip = directory / "pip.conf"
        pip.write_text(_PIP_CONFIG, encoding="ascii")
        mounts = {wheels: "/wheelhouse", modules: "/modules", pip: "/etc/pip.conf"}
        volumes = (
            "--build-arg=GOPROXY=file:///modules",
            *(f"--volume={here}:{there}:ro" for here, there in mounts.items()),
        )
        how = ("--isolation=chroot", "--layers", "--pull-never", f"--ignorefile={_DOCKERFILE}.dockerignore")
        _buildah("bud", *how, *volumes, f"--file={_DOCKERFILE}", f"--tag={IMAGE}", str(_TOP))
        # The name in full: containerd takes a short name for one of Docker Hub's.
        _archive(IMAGE, f"docker.io/library/{IMAGE}", _own_archive(), directory)
    newest_first = sorted(cache_directory().glob("image-metalpy-*.tar"), key=lambda file: -file.stat().st_mtime)
    for old in newest_first[_KEPT:]:
        old.unlink()
    size = _own_archive().stat().st_size / 1e6
    print(f"== {IMAGE}: {time.monotonic() - started:.0f} s, {size:.0f} MB in {_own_archive()} ==", flush=True)


def _build_pause() -> None:
    """Build the image of a pod's first container, which does nothing but hold the namespaces."""
    with tempfile.TemporaryDirectory(prefix=".image-", dir=cache_directory()) as text:
        container = _buildah("from", "scratch")
        _buildah("add", container, str(unpacked("bin/busybox")), "/busybox")
        _buildah("config", "--entrypoint", json.dumps(["/busybox", "sleep", "2147483647"]), container)
        _buildah("commit", "--rm", container, PAUSE_IMAGE)
        _archive(PAUSE_IMAGE, PAUSE_IMAGE, _pause_archive(), Path(text))


def _archive(image: str, name: str, archive: Path, scratch: Path) -> None:
    whole = scratch / "image.tar"
    _buildah("push", image, f"docker-archive:{whole}:{name}")
    whole.rename(archive)


def _base() -> str:
    """Give the name of the image that stands for Debian's, made on first use."""
    name = f"localhost/base-{_SUITE}:{_digest([repr((_BASE_PACKAGES, _NOT_IN_AN_IMAGE)).encode()])}"
    if _buildah("images", "--quiet", "--filter", f"reference={name}"):
        return name
    with tempfile.TemporaryDirectory(prefix=".base-", dir=cache_directory()) as text:
        root = Path(text, "root")
        include = f"--include={','.join(_BASE_PACKAGES)}"
        command = ["debootstrap", "--variant=minbase", include, _SUITE, str(root), *_own_mirror()]
        _tell(f"{_BASE}: debootstrap", command)
        for pattern in _NOT_IN_AN_IMAGE:
            for path in root.glob(pattern):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        container = _buildah("from", "scratch")
        _buildah("add", container, str(root), "/")
        _buildah("commit", "--rm", container, name)
    return name


def _own_mirror() -> list[str]:
    """Give the place from which this machine has that suite's packages; without one debootstrap has its own."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Codename: {_SUITE}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[:1]


def _wheelhouse() -> Path:
    """Give a directory with the wheels of everything that the image needs, fetched on first use."""
    constraints = (_TOP / "constraints.txt").read_bytes()
    needed = _needed()
    directory = cache_directory() / f"wheels-{_digest([repr((needed, _PYTHON, _GLIBC)).encode(), constraints])}"
    if not directory.exists():
        with tempfile.TemporaryDirectory(prefix=".wheels-", dir=cache_directory()) as text:
            whole = Path(text, "whole")
            machine = platform.machine()
            tags = [f"manylinux_2_{minor}_{machine}" for minor in range(_GLIBC, 4, -1)] + [f"manylinux2014_{machine}"]
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
            kind = ["--only-binary=:all:", f"--python-version={_PYTHON}", *(f"--platform={tag}" for tag in tags)]
            where = ["--constraint", str(_TOP / "constraints.txt"), "--dest", str(whole)]
            _tell("wheels of what the image needs", [*pip, *kind, *where, *needed])
            whole.rename(directory)
    return directory


def _modules() -> Path:
    """Give a directory with the Go modules that gobgpd is built from, as a proxy has them, fetched on first use."""
    module = PARTS["gobgp"].source
    go = go_command(needed_release(module / "go.mod"))
    _tell("modules of gobgpd", [str(go), "-C", str(module), "mod", "download"])
    cache = subprocess.run([go, "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    return Path(cache, "cache", "download")


def _needed() -> list[str]:
    """List what metalpy needs to run and to be built, and what builds gobgpd."""
    build = re.search(r"^requires = (\[.*\])$", (_TOP / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    if not build:
        raise LabError("pyproject.toml has no line `requires = [...]`")
    return [*json.loads(build[1]), *needed_to_run(), GO_WHEEL]


def _buildah(*arguments: str) -> str:
    """Run buildah on a store of our own in the cache, and return what it printed."""
    store = cache_directory() / "buildah"
    own = [f"--root={store}", f"--runroot={store}-run", "--storage-driver=overlay"]
    if arguments[0] == "bud":
        _tell("buildah", ["buildah", *own, *arguments])
        return ""
    done = subprocess.run(["buildah", *own, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"buildah {' '.join(arguments)}: status {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def _tell(what: str, command: list[str]) -> None:
    """Run a command that takes a while, telling how far it is; show its last words if it fails."""
    started = time.monotonic()
    print(f"== {what} ==", flush=True)
    with tempfile.TemporaryFile("w+b") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            while True:
                try:
                    status = child.wait(_PROGRESS_S)
                    break
                except subprocess.TimeoutExpired:
                    print(f"   {what}: {time.monotonic() - started:.0f} s, {_last(output.fileno())}", flush=True)
        except BaseException:
            child.kill()
            child.wait()
            raise
        if status:
            output.seek(0)
            words = output.read().decode(errors="replace").splitlines()[-30:]
            raise LabError("\n".join([*words, f"{what} failed with status {status}"]))


def _last(output: int) -> str:
    """Read the last line of a file that another process writes, where that one writes on."""
    text = Path(f"/proc/self/fd/{output}").read_bytes().decode(errors="replace")
    return text.strip().rpartition("\n")[2][:100]


def main() -> None:
    """Build, as a program."""
    try:
        build()
    except LabError as error:
        sys.exit(f"lab: {error}")


if __name__ == "__main__":
    main()
