"""Kubeconfigs as somebody might write them by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def kubeconfig(directory: Path, server: str, *, cluster: str = "", user: str = "") -> Path:
    """Write one for an API server; `cluster` and `user` are YAML, what else these two are to have."""
    path = directory / "kubeconfig"
    path.write_text(
        "current-context: a\n"
        "contexts: [{name: a, context: {cluster: a, user: a}}]\n"
        f'clusters: [{{name: a, cluster: {{server: "{server}"{cluster}}}}}]\n'
        f"users: [{{name: a, user: {{{user}}}}}]\n"
    )
    return path
