"""The stories need a sandbox, like everything that sends frames."""

from __future__ import annotations

import subprocess
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.lab import sandbox
from tests.lab.kube.control_plane import ControlPlane
from tests.seeds.api_story import ApiStory
from tests.seeds.story import Story

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.seeds.story import Place

_API = "10.254.254.1"
"""Where the API server is: nowhere on the stories' LANs, which come and go."""


@pytest.fixture(autouse=True)
def _in_sandbox() -> None:
    if not sandbox.is_inside():
        pytest.fail("stories run in a sandbox: make test-seeds, or python -m tests.lab.sandbox pytest tests/seeds")


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """Give an API server in the sandbox, for one story after the other; each leaves it empty."""
    subprocess.run(["ip", "address", "add", _API, "dev", "lo"], check=True)
    with ControlPlane(address=_API) as api:
        yield api


@pytest.fixture(params=["manifests", "api-server"])
def place(request: pytest.FixtureRequest) -> Place:
    """Give the kinds of place where the story's cluster can live."""
    if request.param == "manifests":
        return Story
    return partial(ApiStory, request.getfixturevalue("control_plane"))
