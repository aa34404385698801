"""The text of a kubeconfig with one cluster, one user and everything embedded, as kubeadm writes it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.kube.certificates import Pair


def kubeconfig_text(
    url: str, ca: Path, *, pair: Pair | None = None, token: str | None = None, token_file: Path | None = None
) -> str:
    """Write a kubeconfig for an API server, with a client certificate, a token, or the file that has one."""
    user: dict[str, Any] = {"token": token} if token else {}
    if token_file:
        user["tokenFile"] = str(token_file)
    if pair:
        user |= {"client-certificate-data": _encoded(pair.certificate), "client-key-data": _encoded(pair.key)}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": {"server": url, "certificate-authority-data": _encoded(ca)}}],
            "users": [{"name": "user", "user": user}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "user"}}],
            "current-context": "lab",
        }
    )


def _encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode("ascii")
