"""The namespace that the daemons and their configuration live in."""

from __future__ import annotations

from pathlib import Path

USUAL_NAMESPACE = "metallb-system"
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def home_namespace() -> str:
    """Give the namespace of the pod that this runs in, else MetalLB's usual one."""
    try:
        return NAMESPACE_FILE.read_text(encoding="utf-8").strip() or USUAL_NAMESPACE
    except OSError:
        return USUAL_NAMESPACE
