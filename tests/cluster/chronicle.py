"""Everything that ever happened to a cluster's objects, read from etcd afterwards: no watch, nothing missed.

The control plane has to be started with `FLAGS`, so that etcd keeps all versions and keeps them as JSON.
"""

from __future__ import annotations

import base64
import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.lab.kube.control_plane import ControlPlane

Object = dict[str, Any]

FLAGS = ("--storage-media-type=application/json", "--etcd-compaction-interval=0")

_EVERYTHING = ("/registry/", "/registry0")
_SERVICES = "/registry/services/specs/"
_CONFIGS = "/registry/configmaps/"
_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object; without content the object was deleted."""

    revision: int
    """Of the whole store; it is the object's resourceVersion too."""
    kind: str
    key: str
    content: Object | None


def chronicle(api: ControlPlane) -> list[Version]:
    """Give every version of every Service and ConfigMap, oldest first."""
    last = int(_touch(api)["metadata"]["resourceVersion"])
    create = {"key": _encoded(_EVERYTHING[0]), "range_end": _encoded(_EVERYTHING[1]), "start_revision": "1"}
    request = urllib.request.Request(  # noqa: S310 - etcd's own address
        f"{_etcd_url(api)}/v3/watch", json.dumps({"create_request": create}).encode()
    )
    versions: list[Version] = []
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as stream:  # noqa: S310
        revision = 0
        while revision < last:
            for event in json.loads(stream.readline())["result"].get("events", ()):
                revision = int(event["kv"]["mod_revision"])
                version = _version(revision, event)
                if version:
                    versions.append(version)
    return versions


def _version(revision: int, event: Object) -> Version | None:
    key = base64.b64decode(event["kv"]["key"]).decode()
    for prefix, kind in ((_SERVICES, "Service"), (_CONFIGS, "ConfigMap")):
        if key.startswith(prefix):
            value = base64.b64decode(event["kv"].get("value", ""))
            content = json.loads(value) if event.get("type") != "DELETE" else None
            return Version(revision, kind, key.removeprefix(prefix), content)
    return None


def _touch(api: ControlPlane) -> Object:
    """Write something, so that the last revision is known."""
    touched: Object = api.admin.create("/api/v1/namespaces/default/configmaps", {"metadata": {"generateName": "end-"}})
    return touched


def _etcd_url(api: ControlPlane) -> str:
    """Find etcd where the API server was told that it is."""
    command = Path(f"/proc/{api.api_server.pid}/cmdline").read_text(encoding="utf-8").split("\0")
    return next(word.partition("=")[2] for word in command if word.startswith("--etcd-servers="))


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
