"""The objects of custom resources, Secrets and Namespaces among documents: with names, their fields unread."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from metalpy.config.document import Mapping, Scalar
from metalpy.config.findings import shown
from metalpy.config.nodes import dealiased, objects_within, text_in, text_of, value_of
from metalpy.config.values import check_object_name
from metalpy.model import ObjectKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalpy.config.document import Node
    from metalpy.config.findings import Findings

GROUP = "metallb.io"
POOL, OLD_POOL, PEER, PROFILE = "IPAddressPool", "AddressPool", "BGPPeer", "BFDProfile"
BGP_ADVERTISEMENT, L2_ADVERTISEMENT, COMMUNITY = "BGPAdvertisement", "L2Advertisement", "Community"

VERSIONS = {
    POOL: ("v1beta1",),
    OLD_POOL: ("v1alpha1", "v1beta1"),
    PEER: ("v1beta1", "v1beta2"),
    PROFILE: ("v1beta1",),
    BGP_ADVERTISEMENT: ("v1beta1",),
    L2_ADVERTISEMENT: ("v1beta1",),
    COMMUNITY: ("v1beta1",),
}
"""The kinds that say something about the configuration, and the versions of each that can be read."""

_SAY_NOTHING = frozenset({"ServiceL2Status", "ServiceBGPStatus", "ConfigurationState"})
BASIC_AUTH = "kubernetes.io/basic-auth"
_OBJECT_PATH = re.compile(r"(?P<kind>\w+) (?P<namespace>[^/\s]*)/(?P<name>[^\s:]+)(:|$)")


@dataclass(frozen=True, slots=True)
class Resource:
    """One custom resource. Names in errors are its `path`, `KIND NAMESPACE/NAME: `."""

    kind: str
    version: str
    key: ObjectKey
    node: Mapping

    @property
    def path(self) -> str:
        """What the paths of its fields start with."""
        return f"{self.full_name}: spec"

    @property
    def full_name(self) -> str:
        """Kind, namespace if there is one, and name."""
        return f"{self.kind} {self.key if self.key.namespace else self.key.name}"

    @property
    def spec(self) -> Node:
        """The mapping of its fields; the object where there is none."""
        return value_of(self.node, "spec") or Scalar(self.node.line, self.node.column, "")

    def labels(self) -> dict[str, str]:
        """Give its labels, for selectors."""
        return labels_of(self.node)


def labels_of(node: Mapping) -> dict[str, str]:
    """Give the labels of an object."""
    labels = value_of(value_of(node, "metadata"), "labels")
    pairs = labels.pairs if isinstance(labels, Mapping) else []
    return {text_of(dealiased(key)): text_of(dealiased(value)) for key, value in pairs}


def object_of(path: str) -> tuple[str, ObjectKey] | None:
    """Tell the kind and the key of the object that an error's path starts with, if it starts with one."""
    found = _OBJECT_PATH.match(path)
    return (found["kind"], ObjectKey(found["namespace"], found["name"])) if found else None


@dataclass(frozen=True, slots=True)
class SecretPassword:
    """What a Secret says about a password: its type, and the password, None where it has none."""

    type: str
    password: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class Objects:
    """All objects of interest, in the order written."""

    resources: list[Resource] = field(default_factory=list)
    secrets: dict[ObjectKey, SecretPassword] = field(default_factory=dict)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    """The labels of Namespaces."""

    def of(self, kind: str) -> list[Resource]:
        """Give the resources of one kind."""
        return [resource for resource in self.resources if resource.kind == kind]


def objects_of(roots: Iterable[Node | None], findings: Findings, namespace: str, *, check_names: bool) -> Objects:
    """Pick custom resources, Secrets and Namespaces out of documents; other objects are passed over.

    Those in another namespace than the one given are passed over with a warning; where none is given, all
    must be in one, since MetalLB reads its own only. An object without a namespace is in the right one.
    """
    found = Objects()
    seen: set[tuple[str, str]] = set()
    chosen = namespace
    for root in roots:
        for _, node in objects_within(root):
            # Its own word: what stands in a list of one kind is not taken for that without it.
            kind, metadata = text_in(node, "kind"), value_of(node, "metadata")
            group, version = _group_and_version(text_in(node, "apiVersion"))
            own, name = text_in(metadata, "namespace"), text_in(metadata, "name")
            if kind == "Secret" and not group:
                found.secrets[ObjectKey(own or chosen, name)] = _secret(node)
                continue
            if kind == "Namespace" and not group:
                found.namespaces[name] = labels_of(node)
                continue
            if group != GROUP or kind in _SAY_NOTHING:
                continue
            chosen = chosen or own
            key = ObjectKey(own or chosen, name)
            resource = Resource(kind, version, key, node)
            if not _is_readable(resource, findings, check_names=check_names):
                continue
            if key.namespace != chosen:
                _tell_of_other_namespace(resource, findings, chosen, asked=bool(namespace))
                continue
            if (kind, name) in seen:
                findings.error(node, resource.full_name, "is there twice: remove one")
            seen.add((kind, name))
            found.resources.append(resource)
    return found


@lru_cache(maxsize=64)
def _group_and_version(api_version: str) -> tuple[str, str]:
    group, _, version = api_version.rpartition("/")
    return group, version


def _is_readable(resource: Resource, findings: Findings, *, check_names: bool) -> bool:
    versions = VERSIONS.get(resource.kind)
    if versions is None:
        text = f"is no kind that can be read: {', '.join(VERSIONS)} are"
        findings.error(resource.node, resource.full_name, text, value=shown(resource.kind))
        return False
    if resource.version not in versions:
        wanted = " or ".join(f"{GROUP}/{version}" for version in versions)
        text = f"apiVersion must be {wanted}"
        findings.error(resource.node, resource.full_name, text, value=shown(resource.version))
        return False
    name = resource.key.name
    if not name:
        text = "metadata.name is missing: an object needs a name"
        findings.error(resource.node, resource.full_name, text)
        return False
    if check_names:
        try:
            check_object_name(name)
        except ValueError as error:
            findings.error(resource.node, f"{resource.full_name}: metadata.name", str(error), value=shown(name))
    return True


def _tell_of_other_namespace(resource: Resource, findings: Findings, chosen: str, *, asked: bool) -> None:
    where = resource.full_name
    if asked:
        findings.warn(resource.node, where, f"is not read: it is not in namespace {chosen}")
        return
    text = f"is in another namespace than the objects before it ({chosen}): all must be in that of the daemons"
    findings.error(resource.node, where, text)


def _secret(node: Mapping) -> SecretPassword:
    kind = text_in(node, "type")
    plain = value_of(value_of(node, "stringData"), "password")
    if plain is not None:
        return SecretPassword(kind, text_of(plain))
    coded = value_of(value_of(node, "data"), "password")
    if coded is None:
        return SecretPassword(kind)
    try:
        return SecretPassword(kind, base64.b64decode(text_of(coded), validate=True).decode())
    except (binascii.Error, ValueError):
        return SecretPassword(kind)
