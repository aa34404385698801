"""Certificates that are replaced while a session lasts: the server's, by another authority, and our own."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from metalpy.cluster import credentials, home
from metalpy.cluster.api_session import ApiError, ApiSession
from metalpy.cluster.traffic import Uncounted
from metalpy.errors import ClusterError
from tests.lab.kube.certificates import Authority
from tests.unit.cluster.kubeconfigs import kubeconfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.lab.kube.certificates import Pair

LOOPBACK = "127.0.0.1"


class Server:
    """Answers `/version` over TLS, and takes down whose certificate it was shown."""

    def __init__(self) -> None:
        self.port = 0
        self.refused = ""
        self.seen: list[str] = []
        """The names of those who were answered; empty for none."""

    async def version(self, request: web.Request) -> web.Response:
        certificate = (request.transport and request.transport.get_extra_info("peercert")) or {}
        name = "".join(value for ((field, value),) in certificate.get("subject", ()) if field == "commonName")
        if self.refused and name == self.refused:
            return web.json_response({"reason": "Unauthorized", "message": "Unauthorized"}, status=401)
        self.seen.append(name)
        return web.json_response({"major": "1"})

    @asynccontextmanager
    async def serving(self, authority: Authority) -> AsyncIterator[None]:
        """Serve with a certificate of this authority, which also knows the clients; always on the same port."""
        pair = authority.server("server", [f"IP:{LOOPBACK}"])
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.pair.certificate))
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_cert_chain(pair.certificate, pair.key)
        app = web.Application()
        app.add_routes([web.get("/version", self.version)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, LOOPBACK, self.port, ssl_context=context, reuse_address=True).start()
        self.port = runner.addresses[0][1]
        try:
            yield
        finally:
            await runner.cleanup()


def authority(directory: Path) -> Authority:
    directory.mkdir()
    return Authority(directory)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "RENEW_S", 0.0)


async def test_pod_follows_the_api_server_to_another_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, server = authority(tmp_path / "first"), authority(tmp_path / "second"), Server()
    (tmp_path / "token").write_text("token")
    good = tmp_path / "ca.crt"
    good.write_bytes(first.pair.certificate.read_bytes())
    monkeypatch.setattr(home, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", LOOPBACK)
    async with server.serving(first):
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
        session = await ApiSession.open(None, Uncounted())
        async with session:
            await session.get("/version")
    async with session, server.serving(second):
        with pytest.raises(ClusterError, match="CERTIFICATE_VERIFY_FAILED"):
            await session.get("/version")

        good.write_text("not yet whole")
        with pytest.raises(ClusterError, match="CERTIFICATE_VERIFY_FAILED"):
            await session.get("/version")

        good.write_bytes(second.pair.certificate.read_bytes())
        await session.get("/version")
    assert server.seen == ["", ""]


async def test_certificate_of_a_kubeconfig_is_read_again_when_it_is_refused(tmp_path: Path) -> None:
    known, server = authority(tmp_path / "authority"), Server()
    certificate, key = tmp_path / "client.crt", tmp_path / "client.key"

    def show(pair: Pair) -> None:
        certificate.write_bytes(pair.certificate.read_bytes())
        key.write_bytes(pair.key.read_bytes())

    show(known.client("first"))
    async with server.serving(known):
        path = kubeconfig(
            tmp_path,
            f"https://{LOOPBACK}:{server.port}",
            cluster=f", certificate-authority: {known.pair.certificate}",
            user=f"client-certificate: {certificate}, client-key: {key}",
        )
        async with await ApiSession.open(path, Uncounted()) as session:
            await session.get("/version")
            server.refused = "first"
            with pytest.raises(ApiError, match="401 Unauthorized"):
                await session.get("/version")

            show(known.client("second"))
            await session.get("/version")
            await session.get("/version")
    assert server.seen == ["first", "second", "second"]
