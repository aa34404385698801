"""Where the API server is, and who we are to it: a kubeconfig, or what a Pod finds, read again once it is refused."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import structlog

from metalpy.cluster.access import Access, source
from metalpy.cluster.home import home_access
from metalpy.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Network, IPv6Network

RENEW_S = 5.0
"""Credentials that are refused are read again no sooner than this: a kubeconfig may have a program run for them."""
FRESH_S = 60.0
"""A token that is kept fresh in a file is read again after so long."""

_log = structlog.get_logger()


class Reading:
    """The credentials on their way: a kubeconfig is read by `access_program`, from when this is made."""

    def __init__(self, kubeconfig: Path | None) -> None:
        """Without a kubeconfig those of the Pod are read."""
        self.kubeconfig = kubeconfig
        self._found: Credentials | None = None
        self._turn = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        if kubeconfig:
            # Unlike what speaks for a node, this may be somebody's own installation: his site directory counts.
            program = [sys.executable, "-P", "-m", "metalpy.cluster.access_program", str(kubeconfig)]
            self._process = subprocess.Popen(program, stdout=subprocess.PIPE)

    async def credentials(self) -> Credentials:
        """Wait for them; the same ones for all who ask.

        Raises `ClusterError` if they are not there or cannot be understood.
        """
        async with self._turn:
            if self._found is None:
                self._found = Credentials(await self.access(), self.kubeconfig)
            return self._found

    async def access(self) -> Access:
        """Wait for what was read. Once. Raises `ClusterError`."""
        if self._process is None:
            return home_access()
        try:
            text, _ = await asyncio.to_thread(self._process.communicate)
        except asyncio.CancelledError:
            self._process.kill()
            raise
        try:
            return Access.of(text)
        except ValueError as error:
            status = self._process.returncode
            raise ClusterError(f"{source(self.kubeconfig)}: who reads them ended with status {status}") from error


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request shows the API server, and what that has to show: equal as long as neither is read anew."""

    headers: Mapping[str, str]
    """That say who we are; none for a certificate."""
    tls: ssl.SSLContext
    """With our certificate, if we have one, and the authorities whose certificates are good."""


class Credentials:
    """How the API server is reached, and what to do when one of us does not know the other any more."""

    def __init__(self, access: Access, kubeconfig: Path | None) -> None:
        """Raises `ClusterError` for certificates that are none."""
        self.host = access.host
        self.server_name = access.server_name
        self.proxy = access.proxy or proxy_for(access.host)
        self._kubeconfig = kubeconfig
        self._token_file = Path(access.token_file) if access.token_file else None
        self._secured_by: tuple[object, ...] = ()
        # Times are by the event loop's clock: that of the wall may be set.
        self._stale_from_s = 0.0
        self._renewing = asyncio.Lock()
        self._renew_from_s = 0.0
        self._authorization = ""
        self._take(access)

    def _take(self, access: Access) -> None:
        """Show this from now on. Raises `ClusterError`."""
        if not self._token_file:
            self._authorization = access.authorization
        secured_by = (access.authority, access.certificate, access.key, access.is_verified)
        if self._secured_by != secured_by:
            try:
                self._tls = _tls(access)
            except (OSError, ValueError) as error:
                raise ClusterError(f"{source(self._kubeconfig)}: {error}") from error
            self._secured_by = secured_by

    async def shown(self) -> Shown:
        """Give what to show with a request. Raises `OSError` for a token never seen."""
        now_s = asyncio.get_running_loop().time()
        if self._token_file and now_s >= self._stale_from_s:
            try:
                self._authorization = _token_in(self._token_file)
            except OSError as error:
                if not self._authorization:
                    raise
                _log.warning("cannot read the token again, the last one stays", op="renewCredentials", error=str(error))
            self._stale_from_s = now_s + FRESH_S
        return Shown({"authorization": self._authorization} if self._authorization else {}, self._tls)

    async def renewed(self, refused: Shown) -> bool:
        """Read again what was refused, by the server or by us; tells whether there is something else by now.

        The tokens in files that a kubeconfig names expire, those of programs that it names, and certificates. A
        cluster that is given another authority has that told to whoever is in it by then.
        """
        async with self._renewing:
            if await self._shows_other_than(refused):
                return True
            now_s = asyncio.get_running_loop().time()
            if now_s < self._renew_from_s:
                return False
            self._renew_from_s = now_s + RENEW_S
            self._stale_from_s = now_s
            try:
                self._take(await Reading(self._kubeconfig).access())
            except (ClusterError, OSError) as error:
                _log.warning("cannot read the credentials again", op="renewCredentials", error=str(error))
            return await self._shows_other_than(refused)

    async def _shows_other_than(self, refused: Shown) -> bool:
        try:
            return await self.shown() != refused
        except OSError:  # a token never seen
            return False


def _token_in(file: Path) -> str:
    token = file.read_text(encoding="utf-8", errors="replace").strip()
    if not token:
        raise OSError(f"{file} is empty")
    return f"Bearer {token}"


def _tls(access: Access) -> ssl.SSLContext:
    """Make what connections are secured by. Raises `OSError` or `ValueError` for certificates that are none."""
    with ExitStack() as files:
        context = ssl.create_default_context(cafile=_file(access.authority, files))
        if certificate := _file(access.certificate, files):
            context.load_cert_chain(certificate, _file(access.key, files))
    if not access.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _file(text: str, files: ExitStack) -> str | None:
    """Put a text where OpenSSL, which takes names of files only, finds it and nobody else: into memory."""
    if not text:
        return None
    file = files.enter_context(os.fdopen(os.memfd_create("pem"), "wb", buffering=0))
    file.write(text.encode("latin-1"))
    return f"/proc/self/fd/{file.fileno()}"


def proxy_for(host: str) -> str:
    """Find the environment's proxy for a URL, empty for none. The environment is asked this once.

    A session that trusts the environment looks there for a proxy and into ~/.netrc for a password at each request,
    each in a thread: that is a third of what a request costs, and a password found there beside our token would be
    refused.
    """
    url, proxies = urlsplit(host), getproxies()
    name = url.hostname or ""
    if proxy_bypass(name) or proxy_bypass(url.netloc) or _is_near(name, proxies.get("no", "")):
        return ""
    proxy = proxies.get(url.scheme, "")
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
