"""One cluster for the whole tier, with deploy/ applied to it as a user would; inside a sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab import sandbox
from tests.lab.nodes.cluster import NodeCluster
from tests.nodes.site import POOL, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(autouse=True, scope="session")
def _inside_sandbox() -> None:
    if not sandbox.is_inside():
        pytest.fail("run these inside the sandbox: python -m tests.lab.sandbox pytest tests/nodes", pytrace=False)


@pytest.fixture(scope="session")
def cluster(_inside_sandbox: None) -> Iterator[NodeCluster]:
    """Give two nodes that run what deploy/ says."""
    with NodeCluster(audit_level="Metadata") as made:
        made.api.kubectl("apply", "-f", str(DEPLOY))
        site = Site(made)
        site.roll_out("deployment/controller")
        site.roll_out("daemonset/speaker")
        site.configure(POOL)
        yield made


@pytest.fixture
def site(cluster: NodeCluster) -> Iterator[Site]:
    """Give that cluster with a pool and nothing else on it."""
    made = Site(cluster)
    yield made
    made.clean()
