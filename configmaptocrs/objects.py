"""Custom resources as JSON values, and the order in which they stand."""

from __future__ import annotations

from typing import Any

from metalpy.config.resource_objects import BASIC_AUTH, COMMUNITY, GROUP, PEER

Object = dict[str, Any]

SECRET = "Secret"  # noqa: S105 - a kind

_VERSION, _PEER_VERSION = f"{GROUP}/v1beta1", f"{GROUP}/v1beta2"

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


def resource(kind: str, namespace: str, name: str, spec: dict[str, Any]) -> Object:
    """Give a custom resource, with the spec as it is handed over."""
    return {
        "apiVersion": _PEER_VERSION if kind == PEER else _VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
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
