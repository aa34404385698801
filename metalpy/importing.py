"""Modules come to stay: the garbage collector need not look through them."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def importing() -> Iterator[None]:
    """Keep what is imported meanwhile out of the collector's sight: it would look through it a hundred times."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
