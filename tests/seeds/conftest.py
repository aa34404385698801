"""The stories need a sandbox, like everything that sends frames."""

from __future__ import annotations

import pytest

from tests.lab import sandbox


@pytest.fixture(autouse=True)
def _in_sandbox() -> None:
    if not sandbox.is_inside():
        pytest.fail("stories run in a sandbox: make test-seeds, or python -m tests.lab.sandbox pytest tests/seeds")
