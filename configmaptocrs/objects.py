"""Custom resources as JSON values, and the order in which they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metalpy.config.resource_objects import BASIC_AUTH, COMMUNITY, GROUP, PEER

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, Any]

SECRET = "Secret"  # noqa: S105 - a kind

OFFICIAL_ORDER = (SECRET, PEER, "IPAddressPool", "BGPAdvertisement", "L2Advertisement", "BFDProfile", COMMUNITY)
REFERENCES_FIRST = (
    SECRET,
    "BFDProfile",
    COMMUNITY,
    "IPAddressPool",
    "BGPAdvertisement",
    "L2Advertisement",
    PEER,
)
"""What is referred to stands before what refers to it, for a MetalLB that reads after each object."""


def resource(kind: str, namespace: str, name: str, spec: Mapping[str, Any]) -> Object:
    """Give a custom resource."""
    version = "v1beta2" if kind == PEER else "v1beta1"
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": dict(spec),
    }


def password_secret(namespace: str, name: str, password: str) -> Object:
    """Give the Secret that a peer's password is kept in."""
    return {
        "apiVersion": "v1",
        "kind": SECRET,
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {"password": password},
        "type": BASIC_AUTH,
    }


def in_order(objects: list[Object], kinds: tuple[str, ...]) -> list[Object]:
    """Sort by kind; those of one kind stay in their order."""
    return sorted(objects, key=lambda one: kinds.index(one["kind"]))


def full_name(one: Object) -> str:
    """Give kind, namespace and name, as errors have them."""
    metadata = one["metadata"]
    return f"{one['kind']} {metadata['namespace']}/{metadata['name']}"
