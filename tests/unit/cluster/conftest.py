from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from metalpy.cluster.manifests import ManifestCluster
from tests.unit.cluster.dumps import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.cluster.streams import Logs

NOBODY = 65534


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "manifests"
    path.mkdir()
    return path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def logs() -> Iterator[Logs]:
    with capture_logs() as captured:
        yield captured


@pytest.fixture
def cluster(directory: Path, state: Path) -> ManifestCluster:
    return ManifestCluster(directory, state, namespace=NAMESPACE, writer=True)


@pytest.fixture
def ordinary_user(tmp_path: Path, directory: Path, cluster: ManifestCluster) -> Iterator[None]:
    """Be nobody for a while where the tests run as root, who may read everything."""
    del directory, cluster  # made before, by root
    if os.geteuid() != 0:
        yield
        return
    for parent in tmp_path.parents[:3]:  # a worker of pytest-xdist has a directory of its own in between
        if parent.name.startswith(("pytest-", "popen-")):
            parent.chmod(0o711)
    for path in (tmp_path, *tmp_path.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
