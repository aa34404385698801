"""What an API server's answers are before anybody looks at them."""

from __future__ import annotations

import msgspec


def raw(obj: object) -> msgspec.Raw:
    """Write an object as an item of a list or of a watch."""
    return msgspec.Raw(msgspec.json.encode(obj))
