"""What can be counted of the traffic with an API server; who counts is somebody else's business."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

UNREACHABLE = "unreachable"
"""Stands for the code of an answer that did not come."""

_WRITES = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_AFTER_CORE = 3
_AFTER_GROUP = 4
_NAMED = 2
_WITH_SUBRESOURCE = 3


class Traffic(Protocol):
    """Counts. `resource` is as RBAC has it, `services/status`."""

    def answered(self, verb: str, resource: str, code: str) -> None:
        """Count one request, by RBAC's verb and the answer's HTTP status or `UNREACHABLE`."""
        ...

    def listed(self, resource: str) -> None:
        """Count one list from the beginning, its pages as one."""
        ...

    def watch_ended(self, resource: str, cause: str) -> None:
        """Count one watch that was over: `ended` by the server in good order, `expired`, or `error`."""
        ...


class Uncounted:
    """Counts nothing: for who asks a few questions and ends."""

    def answered(self, verb: str, resource: str, code: str) -> None:
        """Pass over it."""

    def listed(self, resource: str) -> None:
        """Pass over it."""

    def watch_ended(self, resource: str, cause: str) -> None:
        """Pass over it."""


def verb_and_resource(method: str, path: str, query: Mapping[str, str]) -> tuple[str, str]:
    """Name a request as RBAC does. What is about no resource, as `/version`, has itself for a resource."""
    parts = path.split("/")
    start = {"api": _AFTER_CORE, "apis": _AFTER_GROUP}.get(parts[1])
    if start is None or len(parts) <= start:
        return "get", path
    parts = parts[start:]
    if parts[0] == "namespaces" and len(parts) > _NAMED:
        parts = parts[_NAMED:]
    resource = "/".join((parts[0], *parts[_NAMED:_WITH_SUBRESOURCE]))
    if method != "GET":
        return _WRITES.get(method, method.lower()), resource
    if len(parts) < _NAMED:
        return "watch" if "watch" in query else "list", resource
    return "get", resource
