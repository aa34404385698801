"""One API server for the whole tier, and for each test a namespace of its own, or a cluster wiped clean."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.cluster.controllers import Site
from tests.lab.kube.control_plane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

_numbers = itertools.count(1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a test that failed what its controllers said last."""
    report = yield
    if report.failed:
        for site in (value for value in item.funcargs.values() if isinstance(value, Site)):
            report.sections += site.last_words()
    return report


@pytest.fixture(scope="session")
def api_server() -> Iterator[ControlPlane]:
    """Give a running control plane that keeps an audit log; whoever stops it starts it again."""
    with ControlPlane(audit_level="Metadata") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def defining(api_server: ControlPlane) -> Iterator[ControlPlane]:
    """Give the API server to a module whose sites keep our definitions: taking them in anew is most of their work."""
    yield api_server
    api_server.wipe()


@pytest.fixture
def site(api_server: ControlPlane, tmp_path: Path) -> Iterator[Site]:
    """Give that cluster with metalpy's rights, for controllers to be started on; some modules have their own."""
    with Site(api_server, tmp_path) as made:
        yield made


@pytest.fixture
def namespace(api_server: ControlPlane) -> Iterator[str]:
    """Give the name of a new, empty namespace, which vanishes with everything in it."""
    name = f"test-{next(_numbers)}"
    api_server.admin.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    api_server.remove_namespace(name)
