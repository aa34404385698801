"""The key that speakers' gossip is encrypted with: made once, by the controller, as MetalLB since 0.10 makes it."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING

import structlog

from metalpy.cluster.api_session import ApiError

if TYPE_CHECKING:
    from metalpy.cluster.api_session import ApiSession

KEY_BYTES = 16

_log = structlog.get_logger()


async def ensure_secret(session: ApiSession, namespace: str, name: str, deployment: str) -> None:
    """Create the Secret unless it is there, owned by the Deployment, so that it goes with it.

    Its `secretkey` is 16 random bytes in standard base64 without padding. Raises `ClusterError`.
    """
    path = f"/api/v1/namespaces/{namespace}/secrets"
    found = await session.get(path, {"fieldSelector": f"metadata.name={name}"})
    if found.get("items"):
        return
    owner = await session.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}")
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).rstrip(b"=")
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment, "uid": owner["metadata"]["uid"]}
            ],
        },
        "data": {"secretkey": base64.b64encode(key).decode()},
    }
    try:
        await session.post(path, body)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
    else:
        _log.info("created the memberlist secret", op="CreateMlSecret", secret=f"{namespace}/{name}")
