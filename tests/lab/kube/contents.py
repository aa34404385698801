"""Emptying an API server by hand: without a controller manager nothing carries out the deletion of a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.lab.kube.client import Client

_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_SERVERS_OWN = {"default", "kube-system", "kube-public", "kube-node-lease"}
_AT_ONCE = "gracePeriodSeconds=0"
_NOT_BOOTSTRAP = "labelSelector=kubernetes.io/bootstrapping!%3Drbac-defaults"
_CLUSTER_WIDE = (
    f"/api/v1/nodes?{_AT_ONCE}",
    f"/apis/rbac.authorization.k8s.io/v1/clusterroles?{_NOT_BOOTSTRAP}",
    f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings?{_NOT_BOOTSTRAP}",
)
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class _Collection(NamedTuple):
    group_version: str
    resource: str

    def path(self, namespace: str) -> str:
        root = "/apis" if "/" in self.group_version else "/api"
        return f"{root}/{self.group_version}/namespaces/{namespace}/{self.resource}"


def wipe(admin: Client, *, but_definitions: bool = False) -> None:
    """Remove the test's namespaces, what it put into `default`, nodes, cluster roles, bindings and CRDs.

    `but_definitions`: not the CRDs, only the custom resources in namespaces.
    """
    collections = list(_collections(admin))
    for namespace in admin.get("/api/v1/namespaces")["items"]:
        name = namespace["metadata"]["name"]
        if name == "default":
            _empty(admin, name, collections, but="kubernetes")
        elif name not in _SERVERS_OWN:
            _remove(admin, name, collections)
    for path in _CLUSTER_WIDE:
        admin.delete(path)
    if not but_definitions:
        admin.delete(_DEFINITIONS)


def remove_namespace(admin: Client, namespace: str) -> None:
    """Delete a namespace with everything in it, finalizers or not; its name is free when this returns."""
    _remove(admin, namespace, list(_collections(admin)))


def _collections(admin: Client) -> Iterator[_Collection]:
    """Find what a namespace can hold, each in the version that the server prefers."""
    for root in ("/api", "/apis"):
        for group in admin.get(root, accept=_DISCOVERY)["items"]:
            seen: set[str] = set()
            for version in group["versions"]:
                group_version = "/".join(filter(None, (group["metadata"].get("name"), version["version"])))
                names = {
                    resource["resource"]
                    for resource in version.get("resources", ())
                    if resource["scope"] == "Namespaced" and "deletecollection" in resource["verbs"]
                }
                yield from (_Collection(group_version, name) for name in sorted(names - seen))
                seen |= names


def _remove(admin: Client, namespace: str, collections: Sequence[_Collection]) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    admin.delete(path)  # first: from now on nothing new gets in
    _empty(admin, namespace, collections)
    terminating = admin.get(path)
    terminating["spec"]["finalizers"] = []
    admin.replace(f"{path}/finalize", terminating)


def _empty(admin: Client, namespace: str, collections: Sequence[_Collection], *, but: str = "-") -> None:
    for collection in collections:
        path = collection.path(namespace)
        deleted = admin.delete(f"{path}?{_AT_ONCE}&fieldSelector=metadata.name!%3D{but}")
        for item in deleted.get("items", ()):
            if item["metadata"].get("finalizers"):
                admin.patch(f"{path}/{item['metadata']['name']}", {"metadata": {"finalizers": None}})
