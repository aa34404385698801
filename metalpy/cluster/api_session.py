"""Raw JSON to and from an API server, without the official client.

Its generated methods validate every object, at more than a millisecond of CPU each, and its way to send a
request costs a third of what aiohttp's own does; metalpy reads and writes a few fields of many objects.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

import aiohttp
import msgspec
import structlog
from aiohttp.http_exceptions import LineTooLong
from yarl import URL

from metalpy.cluster.connections import Connections
from metalpy.cluster.credentials import Reading
from metalpy.cluster.shapes import Shape
from metalpy.cluster.traffic import UNREACHABLE, verb_and_resource
from metalpy.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from metalpy.cluster.credentials import Credentials
    from metalpy.cluster.traffic import Traffic

Json = dict[str, Any]

MERGE_PATCH = "application/merge-patch+json"
"""RFC 7386: lists are replaced, null removes."""

LONGEST_LINE = 2**21
"""Bytes of one event of a watch: more than an object may have in etcd."""

CONNECT_S = 10
REQUEST_S = 60
SILENCE_S = 330
"""A watch that is silent for longer than the server lets it live is dead."""

CONNECTIONS = 100
"""At a time."""

FAREWELL_S = 2.0
"""How long connections may take to end after their session: one that hangs does not hold up the program."""

RETRY_S = 1.0
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, GONE = 401, 403, 404, 409, 410
TOO_MANY_REQUESTS = 429
INTERNAL_ERROR = 500

_log = structlog.get_logger()

_REQUEST = aiohttp.ClientTimeout(total=REQUEST_S, sock_connect=CONNECT_S)
_WATCH = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)

NO_ANSWER = (aiohttp.ClientError, TimeoutError, OSError)
"""What a request raises to which there is none."""
_TOO_LONG = (LineTooLong, ValueError)
"""What aiohttp raises for a line; the second in versions without an error of its own for it."""


class Status(Shape):
    """What an API server says of a failure."""

    code: int | None = None
    reason: str | None = None
    message: str | None = None


class ApiError(ClusterError):
    """The API server answered with an error: `code` is the HTTP status, `reason` the Status object's."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"{code} {reason}: {message}")


class ApiSession:
    """Connections to one API server. An async context manager."""

    def __init__(self, credentials: Credentials, traffic: Traffic) -> None:
        self.credentials = credentials
        self.traffic = traffic
        self._connections = Connections()

    @classmethod
    async def open(cls, kubeconfig: Path | None, traffic: Traffic) -> Self:
        """Read a kubeconfig, or without one the credentials of the pod.

        Raises `ClusterError` if they are not there or cannot be understood.
        """
        return cls(await Reading(kubeconfig).credentials(), traffic)

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, socket_factory=self._connections.socket_for),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=LONGEST_LINE,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()
        await self._connections.closed(FAREWELL_S)

    async def answers(self) -> None:
        """Wait until the API server answers at all; a cluster that starts as a whole starts us before it."""
        with contextlib.suppress(ApiError):
            await self._until_answered(lambda: self.get("/version"))

    async def _until_answered(self, ask: Callable[[], Awaitable[Json]]) -> Json:
        """Ask again until there is a yes or a no: a server that is away, busy or broken has said neither.

        Raises `ApiError` for a no. Only for questions at the start, without which nothing can be done.
        """
        told = False
        while True:
            try:
                return await ask()
            except ApiError as error:
                if error.code < INTERNAL_ERROR and error.code != TOO_MANY_REQUESTS:
                    raise
                why = str(error)
            except ClusterError as error:
                why = str(error)
            if not told:
                _log.warning("waiting for the API server", op="startup", error=why)
            told = True
            await asyncio.sleep(RETRY_S)

    async def is_served(self, path: str) -> bool:
        """Ask the API server whether it knows a path."""
        try:
            await self._until_answered(lambda: self.get(path))
        except ApiError as error:
            _log.info("not served here", op="startup", path=path, error=str(error))
            return False
        return True

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """Read one object or list."""
        return await self._exchange("GET", path, query=query)

    async def read(self, path: str, query: Mapping[str, str]) -> bytes:
        """Read one object or list, as the text that it is: for who wants a part of it."""
        return await self._send("GET", path, query=query)

    async def post(self, path: str, body: Json, query: Mapping[str, str] | None = None) -> Json:
        """Create an object."""
        return await self._exchange("POST", path, query=query, body=body)

    async def put(self, path: str, body: Json, query: Mapping[str, str] | None = None) -> Json:
        """Replace an object."""
        return await self._exchange("PUT", path, query=query, body=body)

    async def patch(self, path: str, body: Json) -> None:
        """Merge fields into an object. The answer, the whole object, is not parsed: nobody needs it."""
        await self._send("PATCH", path, body=body, content_type=MERGE_PATCH)

    async def delete(self, path: str) -> None:
        """Remove an object."""
        await self._send("DELETE", path)

    async def is_granted(
        self, verb: str, resource: str, *, group: str = "", subresource: str = "", namespace: str = "", name: str = ""
    ) -> bool:
        """Ask the API server whether these credentials may do something, to one object if `name` is given."""
        attributes = {
            "verb": verb,
            "group": group,
            "resource": resource,
            "subresource": subresource,
            "namespace": namespace,
            "name": name,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = await self._until_answered(lambda: self.post(path, review))
        return bool(answer["status"]["allowed"])

    async def stream(self, path: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """Yield the lines of a watch, each an event as JSON, until the server ends it. Raises as the other calls do."""
        response = await self._response("GET", path, query, timeout=_WATCH)
        async with response:
            try:
                async for line in response.content:
                    yield line
            except NO_ANSWER as error:
                raise ClusterError(f"the watch of {path} broke: {error!r}") from error
            except _TOO_LONG as error:
                raise ClusterError(f"the watch of {path} has a line of more than {LONGEST_LINE} bytes") from error

    async def _exchange(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Json | None = None
    ) -> Json:
        try:
            answer: Json = msgspec.json.decode(await self._send(method, path, query=query, body=body))
        except msgspec.DecodeError as error:
            raise ClusterError(f"{method} {path}: the answer is no JSON") from error
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        response = await self._response(
            method, path, query or {}, timeout=_REQUEST, body=body, content_type=content_type
        )
        async with response:
            try:
                return await response.read()
            except NO_ANSWER as error:
                raise ClusterError(f"{method} {path}: {error!r}") from error

    async def _response(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - a limit of the connection, not of the call
        body: Json | None = None,
        content_type: str = "application/json",
    ) -> aiohttp.ClientResponse:
        """Send a request; gives the answer, not yet read, to be closed by the caller. Raises what is none."""
        url = f"{self.credentials.host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": "metalpy"}
        data = None if body is None else msgspec.json.encode(body)
        try:
            # A write that is sent elsewhere may become a mere look there, and would count as done.
            response = await self.request(
                method, url, headers=headers, data=data, timeout=timeout, allow_redirects=method == "GET"
            )
        except NO_ANSWER as error:
            raise ClusterError(f"{method} {path}: {error!r}") from error
        if response.status < 300:  # noqa: PLR2004 - the first HTTP status that is no success
            return response
        async with response:
            raise await _api_error(response)

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], **options: Any
    ) -> aiohttp.ClientResponse:
        """Send a request with our credentials, by the options of aiohttp. Raises `NO_ANSWER`.

        Where one of us does not know the other, it is sent once more if the credentials are others by now.
        """
        asked = URL(url.removeprefix(self.credentials.host), encoded=True)
        named = verb_and_resource(method, asked.path, asked.query)
        may_renew = True
        while True:
            shown = await self.credentials.shown()
            try:
                response = await self._http.request(
                    method,
                    URL(url, encoded=True),
                    headers={**headers, **shown.headers},
                    # Not the connector's: a connection that was made with earlier credentials is not used again.
                    ssl=shown.tls,
                    server_hostname=self.credentials.server_name or None,
                    proxy=self.credentials.proxy or None,
                    **options,
                )
            except NO_ANSWER as error:
                self.traffic.answered(*named, UNREACHABLE)
                is_unknown = isinstance(error, aiohttp.ClientSSLError)
                if not (is_unknown and may_renew and await self.credentials.renewed(shown)):
                    raise
            else:
                self.traffic.answered(*named, str(response.status))
                is_unknown = response.status == UNAUTHORIZED
                if not (is_unknown and may_renew and await self.credentials.renewed(shown)):
                    return response
                response.release()
            may_renew = False


async def _api_error(response: aiohttp.ClientResponse) -> ApiError:
    """Read what went wrong: a Status object, or whatever something in front of the API server says."""
    try:
        text = await response.read()
    except NO_ANSWER as error:
        text = repr(error).encode()
    try:
        status = msgspec.json.decode(text, type=Status)
    except msgspec.DecodeError:
        return ApiError(response.status, response.reason or "", text.decode(errors="replace")[:200])
    return ApiError(response.status, status.reason or "", status.message or "")
