"""Where the API server is, and who we are to it: a kubeconfig, or what a Pod finds, read again once it is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import structlog
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from metalpy.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RENEW_S = 5.0
"""Credentials that are refused are read again no sooner than this: a kubeconfig may have a program run for them."""

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
                return await self.headers() != refused
            except (ClusterError, ConfigException, OSError) as error:
                _log.warning("cannot read the credentials again", op="renewCredentials", error=str(error))
                return False


async def _load(configuration: Configuration, kubeconfig: Path | None) -> None:
    try:
        if kubeconfig:
            await load_kube_config(config_file=str(kubeconfig), client_configuration=configuration)
        else:
            load_incluster_config(client_configuration=configuration)
    except (ConfigException, OSError, ValueError) as error:
        where = f"kubeconfig {kubeconfig}" if kubeconfig else "in-cluster credentials (give --kubeconfig elsewhere)"
        raise ClusterError(f"{where}: {error}") from error


def _proxy(configuration: Configuration) -> str | None:
    """Find the proxy for the API server: the kubeconfig's, else the environment's, which is asked this once.

    A session that trusts the environment looks there for a proxy and into ~/.netrc for a password at each request,
    each in a thread: that is a third of what a request costs, and a password found there beside our token would be
    refused.
    """
    if configuration.proxy:
        return str(configuration.proxy)
    host = urlsplit(configuration.host)
    return None if proxy_bypass(host.hostname or "") else getproxies().get(host.scheme)
