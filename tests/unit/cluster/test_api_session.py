"""Connections and credentials towards an API server: what a session does when either is not as it should be."""

from __future__ import annotations

import asyncio
import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING

import certifi
import pytest

from metalpy.cluster import credentials, home
from metalpy.cluster.api_session import LONGEST_LINE, ApiError, ApiSession
from metalpy.cluster.connections import DEAD_S
from metalpy.cluster.credentials import Reading, proxy_for
from metalpy.cluster.traffic import Uncounted
from metalpy.errors import ClusterError
from tests.unit.cluster.kubeconfigs import kubeconfig
from tests.unit.cluster.servers import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_TCP = Path("/proc/self/net/tcp")
_ESTABLISHED, _KEEPALIVE_TIMER = "01", "02"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    async with made.serving():
        yield made


def timers(port: int) -> list[tuple[str, float]]:
    """Give the timer of each connection to a port (proc(5)): which one, and in how many seconds it is due."""
    hertz = os.sysconf("SC_CLK_TCK")
    rows = [line.split() for line in _TCP.read_text().splitlines()[1:]]
    there = [row for row in rows if int(row[2].rpartition(":")[2], 16) == port and row[3] == _ESTABLISHED]
    return [(row[5].partition(":")[0], int(row[5].partition(":")[2], 16) / hertz) for row in there]


async def test_line_of_a_watch_that_is_too_long_is_the_servers_fault(server: Server, tmp_path: Path) -> None:
    server.line = b"x" * (3 * LONGEST_LINE)
    path = kubeconfig(tmp_path, f"http://127.0.0.1:{server.port}")
    async with await ApiSession.open(path, Uncounted()) as session, asyncio.timeout(10):
        with pytest.raises(ClusterError, match="a line of more than"):
            await anext(aiter(session.stream("/watch", {})))


async def test_connection_of_a_quiet_watch_is_asked_soon_whether_the_server_is_there(
    server: Server, tmp_path: Path
) -> None:
    """A node of the control plane that lost its power says no goodbye; the address behind it may serve on elsewhere."""
    path = kubeconfig(tmp_path, f"http://127.0.0.1:{server.port}")
    async with await ApiSession.open(path, Uncounted()) as session:

        async def watch() -> None:
            async for _ in session.stream("/watch", {}):
                pass

        watching = asyncio.create_task(watch())
        async with asyncio.timeout(10):
            await server.is_watched.wait()
        found = timers(server.port)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    ((timer, due_s),) = found
    assert timer == _KEEPALIVE_TIMER
    assert due_s < DEAD_S


async def shown(server: Server, path: Path) -> str:
    """Ask the server something, and tell what it was shown."""
    async with await ApiSession.open(path, Uncounted()) as session:
        await session.get("/version")
    return server.answered[-1]


async def test_token_of_a_file_ends_before_the_end_of_the_line(server: Server, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    path = kubeconfig(tmp_path, f"http://127.0.0.1:{server.port}", user="tokenFile: token")

    assert await shown(server, path) == "Bearer abc"


async def test_token_of_a_file_is_read_again_when_it_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "RENEW_S", 0.0)
    token = tmp_path / "token"
    token.write_text("first\n")
    path = kubeconfig(tmp_path, f"http://127.0.0.1:{server.port}", user="tokenFile: token")
    async with await ApiSession.open(path, Uncounted()) as session:
        await session.get("/version")
        server.refused = "Bearer first"
        with pytest.raises(ApiError, match="401 Unauthorized"):
            await session.get("/version")
        token.write_text("second\n")
        await session.get("/version")
        assert server.answered == ["Bearer first", "Bearer second"]

        server.refused = "Bearer second"
        token.unlink()
        with pytest.raises(ApiError, match="401 Unauthorized"):
            await session.get("/version")


PLUGIN = """#!/bin/sh
echo "$(cat {count} 2>/dev/null)x" > {count}
cat <<END
{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
 "status": {{"token": "$(cat {count})"}}}}
END
"""
EXEC = "exec: {{apiVersion: client.authentication.k8s.io/v1, command: {command}}}"


async def test_program_is_asked_again_for_a_token_that_is_refused_but_not_for_each_request(
    server: Server, tmp_path: Path
) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text(PLUGIN.format(count=tmp_path / "count"))
    plugin.chmod(0o755)
    path = kubeconfig(tmp_path, f"http://127.0.0.1:{server.port}", user=EXEC.format(command=plugin))
    async with await ApiSession.open(path, Uncounted()) as session:
        await session.get("/version")
        server.refused = "Bearer x"
        await asyncio.gather(*(session.get("/version") for _ in range(8)))
        server.refused = "Bearer xx"
        with pytest.raises(ApiError, match="401 Unauthorized"):
            await session.get("/version")

    assert server.answered == ["Bearer x", *["Bearer xx"] * 8]


NO_KUBECONFIG = ["", "a: [", "[1]", "hello", "a: b"]
JUNK = "anVuaw=="


@pytest.mark.parametrize("text", NO_KUBECONFIG)
async def test_file_that_is_no_kubeconfig_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(ClusterError, match=f"^kubeconfig {path}: "):
        await ApiSession.open(path, Uncounted())


@pytest.mark.parametrize(
    ("cluster", "user"),
    [
        (f", certificate-authority-data: {JUNK}", ""),
        ("", f"client-certificate-data: {JUNK}, client-key-data: {JUNK}"),
        (", certificate-authority: missing", ""),
        ("", EXEC.format(command="/missing")),
    ],
    ids=["authority", "certificate", "file", "plugin"],
)
async def test_credentials_that_are_none_are_told(tmp_path: Path, cluster: str, user: str) -> None:
    path = kubeconfig(tmp_path, "https://127.0.0.1:1", cluster=cluster, user=user)
    with pytest.raises(ClusterError, match=f"^kubeconfig {path}: "):
        await ApiSession.open(path, Uncounted())


async def test_certificates_in_a_kubeconfig_are_left_in_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    monkeypatch.setenv("TMPDIR", str(files))
    authority = base64.b64encode(certifi.contents().encode()).decode()
    path = kubeconfig(tmp_path, "https://127.0.0.1:1", cluster=f", certificate-authority-data: {authority}")
    for _ in range(2):
        async with await ApiSession.open(path, Uncounted()) as session:
            assert list(files.iterdir()) == []
            assert not await session.credentials.renewed(await session.credentials.shown())
            assert list(files.iterdir()) == []


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this a Pod's place; gives the directory of its service account."""
    monkeypatch.setattr(home, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "ca.crt").write_text(certifi.contents())
    (tmp_path / "token").write_text("first\n")
    return tmp_path


@pytest.mark.parametrize(
    ("host", "url"), [("10.96.0.1", "https://10.96.0.1:443"), ("fd00::1", "https://[fd00::1]:443")]
)
@pytest.mark.usefixtures("pod")
async def test_pod_finds_the_api_server_and_its_token(monkeypatch: pytest.MonkeyPatch, host: str, url: str) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    found = await Reading(None).credentials()

    assert found.host == url
    assert (await found.shown()).headers == {"authorization": "Bearer first"}
    assert len((await found.shown()).tls.get_ca_certs()) > 1


async def test_pods_token_is_read_again_after_a_while_though_nobody_refused_it(
    pod: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await Reading(None).credentials()
    await found.shown()
    (pod / "token").write_text("second\n")
    assert (await found.shown()).headers == {"authorization": "Bearer first"}

    monkeypatch.setattr(credentials, "FRESH_S", 0.0)
    found = await Reading(None).credentials()
    await found.shown()
    (pod / "token").write_text("third\n")

    assert (await found.shown()).headers == {"authorization": "Bearer third"}

    (pod / "token").unlink()
    assert (await found.shown()).headers == {"authorization": "Bearer third"}


@pytest.mark.parametrize("missing", ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "ca.crt", "token"])
async def test_pod_that_lacks_something_says_what(pod: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    if missing.isupper():
        monkeypatch.delenv(missing)
    else:
        (pod / missing).write_text("")

    with pytest.raises((ClusterError, OSError), match=missing):
        await (await Reading(None).credentials()).shown()


PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("environment", "host", "found"),
    [
        ({"https_proxy": PROXY}, "https://10.96.0.1:443", PROXY),
        ({"HTTPS_PROXY": "proxy.example:3128"}, "https://10.96.0.1:443", PROXY),
        ({"https_proxy": PROXY, "no_proxy": ".svc,10.0.0.0/8"}, "https://10.96.0.1:443", ""),
        ({"https_proxy": PROXY, "NO_PROXY": "fd00::/8, x"}, "https://[fd00::1]:443", ""),
        ({"https_proxy": PROXY, "no_proxy": "10.0.0.0/8"}, "https://192.168.1.1", PROXY),
        ({"https_proxy": PROXY, "no_proxy": "10.96.0.1"}, "https://10.96.0.1:443", ""),
        ({"https_proxy": PROXY, "no_proxy": "10.96.0.1:443"}, "https://10.96.0.1:443", ""),
        ({"https_proxy": PROXY, "no_proxy": ".example"}, "https://api.example:6443", ""),
        ({"https_proxy": PROXY}, "https://127.0.0.1:6443", ""),
        ({"https_proxy": PROXY}, "https://localhost:6443", ""),
        ({"http_proxy": PROXY}, "https://10.96.0.1:443", ""),
        ({}, "https://10.96.0.1:443", ""),
    ],
)
def test_proxy_is_the_environments_by_the_rules_of_go(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], host: str, found: str
) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert proxy_for(host) == found


async def test_environments_proxy_is_used_where_a_kubeconfig_names_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", PROXY)

    assert (await Reading(kubeconfig(tmp_path, "https://10.96.0.1")).credentials()).proxy == PROXY


async def test_proxy_of_a_kubeconfig_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", PROXY)
    path = kubeconfig(tmp_path, "https://127.0.0.1:6443", cluster=', proxy-url: "http://other:1"')

    assert (await Reading(path).credentials()).proxy == "http://other:1"


@pytest.mark.parametrize("status", [301, 302, 303, 307])
async def test_write_that_is_sent_elsewhere_is_not_taken_for_done(server: Server, tmp_path: Path, status: int) -> None:
    """As by a page to log in on, which whatever stands before an API server answers with."""
    path = f"/elsewhere/{status}"
    async with await ApiSession.open(kubeconfig(tmp_path, f"http://127.0.0.1:{server.port}"), Uncounted()) as session:
        for write in (session.post(path, {}), session.put(path, {}), session.patch(path, {}), session.delete(path)):
            with pytest.raises(ApiError) as found:
                await write
            assert found.value.code == status

        assert await session.get(path) == {"major": "1"}
