"""Where the API server is, and who we are to it: a kubeconfig, or what a Pod finds, read again once it is refused."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import structlog
import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, kube_config, load_incluster_config, load_kube_config

from metalpy.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from ipaddress import IPv4Network, IPv6Network
    from pathlib import Path

RENEW_S = 5.0
"""Credentials that are refused are read again no sooner than this: a kubeconfig may have a program run for them."""

_TOKEN = "BearerToken"  # noqa: S105 - the client's name for where it is kept
# The client looks into a file that is no kubeconfig without a word of its own.
_NOT_UNDERSTOOD = (ConfigException, OSError, ValueError, TypeError, AttributeError, KeyError, yaml.YAMLError)

_log = structlog.get_logger()


class Credentials:
    """The official client's configuration, and what to do when the API server does not know us any more."""

    def __init__(self, configuration: Configuration, kubeconfig: Path | None) -> None:
        self.configuration = configuration
        self._kubeconfig = kubeconfig
        self._renewing = asyncio.Lock()
        self._renew_from_s = 0.0
        """Not before then, by the event loop's clock."""

    @classmethod
    async def read(cls, kubeconfig: Path | None) -> Self:
        """Read a kubeconfig, or without one the credentials of the pod.

        Raises `ClusterError` if they are not there or cannot be understood.
        """
        configuration = Configuration()
        await _load(configuration, kubeconfig)
        configuration.proxy = _proxy(configuration)
        return cls(configuration, kubeconfig)

    async def headers(self) -> dict[str, str]:
        """Give the headers that say who we are: none for a certificate. Raises `OSError` or `ConfigException`."""
        return {each["key"]: each["value"] for each in (await self.configuration.auth_settings()).values()}

    async def renewed(self, refused: Mapping[str, str]) -> bool:
        """Read again what was refused with these headers; tells whether there are others by now.

        The client itself reads a Pod's token once a minute by the wall's clock, which may be set back, and a
        kubeconfig never; but the tokens in files that one names expire, and so do those of programs that it names.
        """
        async with self._renewing:
            now_s = asyncio.get_running_loop().time()
            try:
                if await self.headers() != refused:
                    return True
                if now_s < self._renew_from_s:
                    return False
                self._renew_from_s = now_s + RENEW_S
                await _load(self.configuration, self._kubeconfig)
                remove_files()
                return await self.headers() != refused
            except (ClusterError, ConfigException, OSError) as error:
                _log.warning("cannot read the credentials again", op="renewCredentials", error=str(error))
                return False


def remove_files() -> None:
    """Remove the files that the client made of what a kubeconfig has in it, once they were read.

    It would do so at the end: what is killed leaves a private key behind.
    """
    kube_config._cleanup_temp_files()  # noqa: SLF001 - it has no other way, and would look for them by itself


def source(kubeconfig: Path | None) -> str:
    """Name where credentials come from."""
    return f"kubeconfig {kubeconfig}" if kubeconfig else "in-cluster credentials (give --kubeconfig elsewhere)"


async def _load(configuration: Configuration, kubeconfig: Path | None) -> None:
    """Read everything, and have a program run that a kubeconfig names. Raises `ClusterError`."""
    try:
        if kubeconfig:
            loader = await load_kube_config(config_file=str(kubeconfig), client_configuration=configuration)
            user = loader._user or {}  # noqa: SLF001 - the client has no other way to tell
            if "exec" in user and _TOKEN not in configuration.api_key and not configuration.cert_file:
                raise ConfigException("the program that is to give credentials gave none")
        else:
            load_incluster_config(client_configuration=configuration)
            _trim_what_is_refreshed(configuration)
        _trim(configuration)
    except _NOT_UNDERSTOOD as error:
        raise ClusterError(f"{source(kubeconfig)}: {error}") from error


def _trim(configuration: Configuration) -> None:
    """Take off what an editor puts at the end of a token's file: no header may have it."""
    if token := configuration.api_key.get(_TOKEN):
        configuration.api_key[_TOKEN] = token.strip()


def _trim_what_is_refreshed(configuration: Configuration) -> None:
    refresh: Callable[[Configuration], None] = configuration.refresh_api_key_hook

    def refresh_and_trim(refreshed: Configuration) -> None:
        refresh(refreshed)
        _trim(refreshed)
        # The client's own hook puts itself back.
        refreshed.refresh_api_key_hook = refresh_and_trim

    configuration.refresh_api_key_hook = refresh_and_trim


def _proxy(configuration: Configuration) -> str | None:
    """Find the proxy for the API server: the kubeconfig's, else the environment's, which is asked this once.

    A session that trusts the environment looks there for a proxy and into ~/.netrc for a password at each request,
    each in a thread: that is a third of what a request costs, and a password found there beside our token would be
    refused.
    """
    if configuration.proxy:
        return str(configuration.proxy)
    url, proxies = urlsplit(configuration.host), getproxies()
    name = url.hostname or ""
    if proxy_bypass(name) or proxy_bypass(url.netloc) or _is_near(name, proxies.get("no", "")):
        return None
    proxy = proxies.get(url.scheme)
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _is_near(host: str, excepted: str) -> bool:
    """Tell what Python's own rules for NO_PROXY leave out and Go's have: this host, and addresses within a network."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or any(address in network for network in _networks(excepted))


def _networks(texts: str) -> list[IPv4Network | IPv6Network]:
    found = []
    for text in texts.split(","):
        try:
            found.append(ip_network(text.strip(), strict=False))
        except ValueError:
            continue
    return found
