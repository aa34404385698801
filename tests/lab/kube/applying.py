"""Server-side apply, by the requests that `kubectl apply --server-side` sends, without a process for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.lab.kube.client import Client

_APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML
_QUERY = "fieldManager=kubectl&fieldValidation=Strict"
_DEFAULT_NAMESPACE = "default"


class _Resource(NamedTuple):
    plural: str
    is_namespaced: bool


def apply(client: Client, objects: Iterable[Any]) -> None:
    """Create or change objects in order; what is namespaced and names no namespace goes to `default`.

    Raises `LookupError` for a kind that is not served and `ApiRefusal` where the server says no.
    """
    served: dict[str, dict[str, _Resource]] = {}
    for obj in objects:
        group_version, kind, metadata = obj["apiVersion"], obj["kind"], obj["metadata"]
        root = f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"
        if kind not in served.get(root, {}):
            served[root] = _resources(client, root)
        if kind not in served[root]:
            raise LookupError(f"{group_version} {kind} is not served")
        resource = served[root][kind]
        namespace = f"namespaces/{metadata.get('namespace', _DEFAULT_NAMESPACE)}/" if resource.is_namespaced else ""
        path = f"{root}/{namespace}{resource.plural}/{metadata['name']}?{_QUERY}"
        client.patch(path, obj, _APPLY_PATCH)


def _resources(client: Client, root: str) -> dict[str, _Resource]:
    """Find the resources of a group's version by their kinds."""
    return {
        each["kind"]: _Resource(each["name"], each["namespaced"])
        for each in client.get(root)["resources"]
        if "/" not in each["name"]
    }
