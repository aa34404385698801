"""Certificates that are replaced while a session lasts: the server's, by another authority, and our own."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from metalpy.cluster import credentials, home
from metalpy.cluster.api_session import ApiError, ApiSession
from metalpy.cluster.traffic import Uncounted
from metalpy.errors import ClusterError
from tests.lab.kube.certificates import Authority
from tests.unit.cluster.kubeconfigs import kubeconfig
from tests.unit.cluster.servers import LOOPBACK, Server

if TYPE_CHECKING:
    from pathlib import Path


def vouched_for(authority: Authority) -> ssl.SSLContext:
    """Make what a server on the loopback shows: this authority vouches for it, and for the clients that it knows."""
    pair = authority.server("server", [f"IP:{LOOPBACK}"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.pair.certificate))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "RENEW_S", 0.0)


async def test_pod_follows_the_api_server_to_another_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, server = Authority(tmp_path / "first"), Authority(tmp_path / "second"), Server()
    (tmp_path / "token").write_text("token")
    good = tmp_path / "ca.crt"
    good.write_bytes(first.pair.certificate.read_bytes())
    monkeypatch.setattr(home, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", LOOPBACK)
    async with server.serving(vouched_for(first)):
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
        session = await ApiSession.open(None, Uncounted())
        async with session:
            await session.get("/version")
    async with session, server.serving(vouched_for(second)):
        with pytest.raises(ClusterError, match="CERTIFICATE_VERIFY_FAILED"):
            await session.get("/version")

        good.write_text("not yet whole")
        with pytest.raises(ClusterError, match="CERTIFICATE_VERIFY_FAILED"):
            await session.get("/version")

        good.write_bytes(second.pair.certificate.read_bytes())
        await session.get("/version")
    assert server.answered == ["Bearer token", "Bearer token"]


async def test_certificate_of_a_kubeconfig_is_read_again_when_it_is_refused(tmp_path: Path) -> None:
    known, server = Authority(tmp_path / "authority"), Server()
    shown = known.client("first")
    async with server.serving(vouched_for(known)):
        path = kubeconfig(
            tmp_path,
            f"https://{LOOPBACK}:{server.port}",
            cluster=f", certificate-authority: {known.pair.certificate}",
            user=f"client-certificate: {shown.certificate}, client-key: {shown.key}",
        )
        async with await ApiSession.open(path, Uncounted()) as session:
            await session.get("/version")
            server.refused = "first"
            with pytest.raises(ApiError, match="401 Unauthorized"):
                await session.get("/version")

            shown.become(known.client("second"))
            await session.get("/version")
            await session.get("/version")
    assert server.answered == ["first", "second", "second"]
