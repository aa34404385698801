"""How requests are named where they are counted."""

from __future__ import annotations

import pytest

from metalpy.cluster.traffic import verb_and_resource


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/api/v1/services", {"limit": "500"}, ("list", "services")),
        ("GET", "/api/v1/services", {"watch": "1"}, ("watch", "services")),
        ("GET", "/api/v1/namespaces/a/services/b", {}, ("get", "services")),
        ("PATCH", "/api/v1/namespaces/a/services/b/status", {}, ("patch", "services/status")),
        ("POST", "/api/v1/namespaces/a/events", {}, ("create", "events")),
        ("GET", "/api/v1/namespaces/a/configmaps", {"watch": "1"}, ("watch", "configmaps")),
        ("GET", "/api/v1/namespaces/a", {}, ("get", "namespaces")),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/b", {}, ("update", "leases")),
        ("GET", "/apis/discovery.k8s.io/v1/endpointslices", {}, ("list", "endpointslices")),
        ("GET", "/apis/discovery.k8s.io/v1", {}, ("get", "/apis/discovery.k8s.io/v1")),
        ("GET", "/version", {}, ("get", "/version")),
    ],
)
def test_requests_are_named_as_rbac_names_them(
    method: str, path: str, query: dict[str, str], expected: tuple[str, str]
) -> None:
    assert verb_and_resource(method, path, query) == expected
