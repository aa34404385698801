"""Tokens and certificates that end while a daemon runs: the next ones are in the files by then, and are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from metalpy.cluster import home
from metalpy.cluster.api_session import UNAUTHORIZED, ApiError, ApiSession
from metalpy.cluster.traffic import Uncounted
from tests.cluster.controllers import BRISK, NAMESPACE, PATIENT, Site
from tests.lab.kube.certificates import Authority
from tests.lab.kube.client import ApiRefusal
from tests.lab.kube.control_plane import ControlPlane
from tests.lab.kube.kubeconfig import kubeconfig_text
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.kube.client import Client

POOL = "address-pools:\n- {name: p, protocol: layer2, addresses: [10.206.65.234/31]}\n"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
SERVICES = "/api/v1/services"
REFUSED_S = 30
"""The API server remembers tokens for ten seconds."""


class Token:
    """The controller's token in a file."""

    def __init__(self, site: Site, file: Path) -> None:
        self.file = file
        self._site = site
        self._number = 0
        self._write()

    def pass_on(self, *, to_next: bool = True) -> None:
        """Put the next one into the file, or the same again; returns when the API server refuses the former one."""
        secret, client = self._secret, self._site.api.client_with(self.file.read_text(encoding="ascii"))
        if to_next:
            self._write()
        self._site.api.admin.delete(f"{SECRETS}/{secret}")
        wait_until(lambda: _is_refused(client), REFUSED_S, "the token is refused")

    @property
    def _secret(self) -> str:
        return f"token-{self._number}"

    def _write(self) -> None:
        """Have one made that ends when its Secret goes."""
        self._number += 1
        made = self._site.api.admin.create(SECRETS, {"metadata": {"name": self._secret}})
        secret = {"apiVersion": "v1", "kind": "Secret", "name": self._secret, "uid": made["metadata"]["uid"]}
        token = self._site.api.service_account_token(NAMESPACE, "controller", bound_to=secret)
        self.file.write_text(token, encoding="ascii")


def _is_refused(client: Client) -> bool:
    try:
        client.get(SERVICES)
    except ApiRefusal as refusal:
        return refusal.status == UNAUTHORIZED
    return False


def test_leader_and_standby_read_the_next_token_in_a_kubeconfigs_file(site: Site, tmp_path: Path) -> None:
    token = Token(site, tmp_path / "token")
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(kubeconfig_text(site.api.url, site.api.ca, token_file=token.file), encoding="utf-8")
    site.configure(POOL)
    leader = site.start(*BRISK, kubeconfig=kubeconfig)
    leader.await_event("stateSynced")
    standby = site.start(*BRISK, kubeconfig=kubeconfig)
    standby.await_log(lambda line: line["msg"] == "waiting to lead", "the second one waits")

    token.pass_on()
    site.service("a")
    site.await_addresses("a", "10.206.65.234")
    assert leader.process.poll() is None

    leader.kill()
    site.service("b")
    site.await_addresses("b", "10.206.65.235")


async def test_pods_token_is_read_again_when_it_is_refused_not_by_the_wall_clock(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = site.api.service_account_directory(NAMESPACE, "controller")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", site.api.address)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(site.api.port))
    monkeypatch.setattr(home, "SERVICE_ACCOUNT", directory)
    token = Token(site, directory / "token")
    async with await ApiSession.open(None, Uncounted()) as session:
        await session.get(SERVICES)
        token.pass_on()
        await session.get(SERVICES)

        token.pass_on(to_next=False)
        with pytest.raises(ApiError, match="401 Unauthorized"):
            await session.get(SERVICES)


NAME = "api.front.example"
"""By which the API server is called by who does not use its address, with a certificate of its own."""


def test_leader_follows_its_cluster_to_another_authority(tmp_path: Path) -> None:
    first, second = Authority(tmp_path / "first"), Authority(tmp_path / "second")
    front, good = first.server("front", [f"DNS:{NAME}"]), tmp_path / "ca.crt"
    good.write_bytes(first.pair.certificate.read_bytes())
    flags = (f"--tls-sni-cert-key={front.certificate},{front.key}:{NAME}",)
    with ControlPlane(flags=flags) as api, Site(api, tmp_path) as site:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(_by_name(api, good), encoding="utf-8")
        site.configure(POOL)
        leader = site.start(*PATIENT, kubeconfig=kubeconfig)
        site.service("a")
        site.await_addresses("a", "10.206.65.234")

        api.stop(crash=True)
        front.become(second.server("front", [f"DNS:{NAME}"]))
        api.start()
        site.service("b")
        good.write_bytes(second.pair.certificate.read_bytes())

        site.await_addresses("b", "10.206.65.235")
        assert leader.process.poll() is None


def _by_name(api: ControlPlane, authority: Path) -> str:
    """Write a kubeconfig that calls the API server by that name, and names the file of who vouches for it."""
    token = api.service_account_token(NAMESPACE, "controller")
    found = yaml.safe_load(kubeconfig_text(api.url, api.ca, token=token))
    found["clusters"][0]["cluster"] = {
        "server": api.url,
        "tls-server-name": NAME,
        "certificate-authority": str(authority),
    }
    return yaml.safe_dump(found)
