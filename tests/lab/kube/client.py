"""A plain client of an API server, for what a test itself does: JSON in, JSON out, one connection, no retries."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.kube.certificates import Pair

TIMEOUT_S = 30.0
IDLE_S = 30.0
"""An older connection is not used again: the API server closes one that was idle for 90 s."""
_MERGE_PATCH = "application/merge-patch+json"


class ApiRefusal(RuntimeError):  # noqa: N818 - it says what happened
    """The API server answered with a status of 400 or more."""

    def __init__(self, method: str, path: str, status: int, answer: str) -> None:
        super().__init__(f"{method} {path}: {status}: {answer}")
        self.status = status


class Client:
    """Speaks to one API server as one user: with a client certificate, with a bearer token, or as nobody.

    Paths are the API's own, as `/api/v1/namespaces/default/services`. Every method raises `ApiRefusal` when the
    server says no and `OSError` when it does not answer; the next call then connects anew.
    """

    def __init__(
        self,
        host: str,
        port: int,
        ca: Path,
        *,
        pair: Pair | None = None,
        token: str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        context = ssl.create_default_context(cafile=str(ca))
        if pair:
            context.load_cert_chain(pair.certificate, pair.key)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
        self._used_s = time.monotonic()

    def get(self, path: str, *, accept: str = "application/json") -> Any:
        """Read an object or a list."""
        return self.request("GET", path, accept=accept)

    def create(self, path: str, content: Any) -> Any:
        """Add an object to a collection and return it as it was stored."""
        return self.request("POST", path, content)

    def replace(self, path: str, content: Any) -> Any:
        """Put an object in place of the one that is there."""
        return self.request("PUT", path, content)

    def patch(self, path: str, content: Any, content_type: str = _MERGE_PATCH) -> Any:
        """Change a part of an object, by a merge patch (RFC 7386) unless told otherwise."""
        return self.request("PATCH", path, content, content_type=content_type)

    def delete(self, path: str) -> Any:
        """Remove an object, or a whole collection."""
        return self.request("DELETE", path)

    def request(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Any:
        """Send one request and return the answer: JSON as objects, anything else as text."""
        if time.monotonic() > self._used_s + IDLE_S:
            self.close()
        body = None if content is None else json.dumps(content).encode()
        headers = {**self._headers, "Accept": accept, **({"Content-Type": content_type} if body else {})}
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if isinstance(error, OSError):
                raise
            raise ConnectionError(f"{method} {path}: {error!r}") from error
        finally:
            self._used_s = time.monotonic()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise ApiRefusal(method, path, answer.status, text)
        return json.loads(text) if "json" in answer.headers.get("Content-Type", "") else text

    def close(self) -> None:
        """Close the connection; the next call opens one again."""
        self._connection.close()
