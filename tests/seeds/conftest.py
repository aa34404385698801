"""The stories need a sandbox, like everything that sends frames."""

from __future__ import annotations

import pytest

from tests.lab import sandbox
from tests.seeds.api_story import ApiStory
from tests.seeds.story import Story


@pytest.fixture(autouse=True)
def _in_sandbox() -> None:
    if not sandbox.is_inside():
        pytest.fail("stories run in a sandbox: make test-seeds, or python -m tests.lab.sandbox pytest tests/seeds")


@pytest.fixture(params=[Story, ApiStory], ids=["manifests", "api-server"])
def place(request: pytest.FixtureRequest) -> type[Story]:
    """Give the kinds of place where the story's cluster can live."""
    kind: type[Story] = request.param
    return kind
