"""Custom resources as the stories write them."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def resource(kind: str, name: str, version: str = "v1beta1", **spec: object) -> Object:
    """Write one with this spec, in MetalLB's namespace."""
    metadata = {"name": name, "namespace": "metallb-system"}
    made = {"apiVersion": f"metallb.io/{version}", "kind": kind, "metadata": metadata}
    return {**made, "spec": spec} if spec else made
