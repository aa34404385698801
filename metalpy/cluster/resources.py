"""Custom resources as both kinds of cluster hand them on: trimmed to what is read, in one set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metalpy.cluster.interface import ConfigChanged, ResourcesChanged
from metalpy.config.references import place_of, secret_named_by, selects_namespaces

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
    objects = sorted(resources, key=place_of)
    named = {name for obj in objects if (name := secret_named_by(obj))}
    wanted = [secret for secret in secrets if place_of(secret)[1:] in {(namespace, name) for name in named}]
    if any(map(selects_namespaces, objects)):
        wanted += namespaces
    return ResourcesChanged(namespace, (*objects, *sorted(wanted, key=place_of)), secrets_unseen, namespaces_unseen)


def gone(change: AnyConfigChanged) -> AnyConfigChanged:
    """Give the change that says that this configuration is no more."""
    if isinstance(change, ConfigChanged):
        return ConfigChanged(change.key, None, change.uid)
    return ResourcesChanged(change.namespace)
