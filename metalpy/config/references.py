"""Custom resources as decoded JSON: what each is called, and which other objects it speaks of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metalpy.config.resource_objects import PEER, POOL

if TYPE_CHECKING:
    from collections.abc import Mapping


def place_of(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    """Give kind, namespace (empty where there is none) and name: what tells an object from others."""
    metadata = obj["metadata"]
    return obj["kind"], metadata.get("namespace", ""), metadata["name"]


def secret_named_by(obj: Mapping[str, Any]) -> str:
    """Name the Secret that a BGPPeer has its password in; empty if it has none, or is no BGPPeer."""
    spec = obj.get("spec")
    reference = spec.get("passwordSecret") if obj.get("kind") == PEER and isinstance(spec, dict) else None
    name = reference.get("name") if isinstance(reference, dict) else None
    return name if isinstance(name, str) else ""


def selects_namespaces(obj: Mapping[str, Any]) -> bool:
    """Tell whether an IPAddressPool selects namespaces by their labels."""
    spec = obj.get("spec")
    allocation = spec.get("serviceAllocation") if obj.get("kind") == POOL and isinstance(spec, dict) else None
    return isinstance(allocation, dict) and bool(allocation.get("namespaceSelectors"))
