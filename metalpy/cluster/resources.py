"""Custom resources as both kinds of cluster hand them on: trimmed to what is read, in one set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metalpy.cluster.interface import ConfigChanged, ResourcesChanged
from metalpy.config.resource_objects import PEER, POOL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metalpy.cluster.interface import AnyConfigChanged

Json = dict[str, Any]

_METADATA = ("name", "namespace", "uid", "labels")
_TOP = ("spec", "type", "data", "stringData")


def resource_from(obj: Mapping[str, Any], kind: str, version: str) -> Json:
    """Give what is read of an object: no status and no resource version, so that equal ones mean the same."""
    metadata = obj.get("metadata") or {}
    trimmed: Json = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {name: metadata[name] for name in _METADATA if name in metadata},
    }
    return trimmed | {name: obj[name] for name in _TOP if name in obj}


def resource_set(
    namespace: str,
    resources: Iterable[Json],
    secrets: Iterable[Json],
    *,
    namespaces: Iterable[Json] = (),
    secrets_unseen: bool = False,
    namespaces_unseen: bool = False,
) -> ResourcesChanged:
    """Put a set together: Secrets of the namespace that its BGPPeers name, Namespaces where a pool selects any."""
    objects = sorted(resources, key=_place)
    named = {name for obj in objects if (name := secret_named_by(obj))}
    wanted = [secret for secret in secrets if _place(secret)[1:] in {(namespace, name) for name in named}]
    if any(map(selects_namespaces, objects)):
        wanted += namespaces
    return ResourcesChanged(namespace, (*objects, *sorted(wanted, key=_place)), secrets_unseen, namespaces_unseen)


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


def gone(change: AnyConfigChanged) -> AnyConfigChanged:
    """Give the change that says that this configuration is no more."""
    if isinstance(change, ConfigChanged):
        return ConfigChanged(change.key, None, change.uid)
    return ResourcesChanged(change.namespace)


def _place(obj: Json) -> tuple[str, str, str]:
    metadata = obj["metadata"]
    return obj["kind"], metadata.get("namespace", ""), metadata["name"]
