"""How much memory a process has resident."""

from __future__ import annotations

from pathlib import Path

MEGABYTE = 1024
"""In kilobytes, which the kernel counts in."""


def peak_mb(process: int | str = "self") -> float:
    """Give the most that a process had resident, in MB. Unlike getrusage's, nothing of what its parent had is in it."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / MEGABYTE
