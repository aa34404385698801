"""Events of one object.

An API server writes Events of its own into `default`, on a slow start even one about no object at all
(`KubernetesDefaultServiceCIDRError`): who reads Events asks for those that it means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from tests.lab.kube.client import Client


def events_in(client: Client, namespace: str, **fields: str) -> list[dict[str, Any]]:
    """List a namespace's Events with these fields.

    `fields`: `kind`, `name` and `uid` of the object that an Event is about, `reason`, and `source`, its component.
    """
    own = {"reason", "source"}
    wanted = [f"{field if field in own else f'involvedObject.{field}'}={value}" for field, value in fields.items()]
    path = f"/api/v1/namespaces/{namespace}/events?fieldSelector={quote(','.join(wanted))}"
    found: list[dict[str, Any]] = client.get(path)["items"]
    return found
