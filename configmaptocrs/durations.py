"""Durations as Go prints them."""

from __future__ import annotations


def go_duration(seconds: int) -> str:
    """Write whole seconds: `0s`, `45s`, `2m30s`, `1h0m0s`."""
    sign = "-" if seconds < 0 else ""
    minutes, rest = divmod(abs(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{sign}{hours}h{minutes}m{rest}s"
    return f"{sign}{minutes}m{rest}s" if minutes else f"{sign}{rest}s"
