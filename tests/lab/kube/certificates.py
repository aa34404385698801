"""A certificate authority for one control plane, by the openssl command."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.parts import LabError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_VALID_DAYS = "30"
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")
_CONFIG = """
[req]
distinguished_name = name
string_mask = utf8only
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
authorityKeyIdentifier = keyid
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path

    def become(self, other: Pair) -> None:
        """Put another certificate and its key into these files, as who renews them does."""
        self.certificate.write_bytes(other.certificate.read_bytes())
        self.key.write_bytes(other.key.read_bytes())


class Authority:
    """Signs certificates with a key of its own, all in one directory. Raises `LabError` if openssl cannot."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self._directory = directory
        self._config = directory / "openssl.cnf"
        self._config.write_text(_CONFIG, encoding="ascii")
        self._count = 0
        self.pair = Pair(directory / "ca.crt", directory / "ca.key")
        self._make(self.pair, "authority", "/CN=metalpy-lab")

    def client(self, user: str, groups: Sequence[str] = ()) -> Pair:
        """Issue a client's certificate: the common name is the user, the organisations are its groups."""
        self._count += 1
        pair = Pair(*(self._directory / f"client-{self._count}.{suffix}" for suffix in ("crt", "key")))
        subject = "".join(f"/O={_escaped(group)}" for group in groups) + f"/CN={_escaped(user)}"
        self._make(pair, "client", subject, *self._signed)
        return pair

    def server(self, name: str, alternatives: Sequence[str]) -> Pair:
        """Issue a server's certificate for alternative names like `IP:127.0.0.1` and `DNS:localhost`."""
        pair = Pair(self._directory / f"{name}.crt", self._directory / f"{name}.key")
        alternative_names = f"subjectAltName={','.join(alternatives)}"
        self._make(pair, "server", f"/CN={name}", "-addext", alternative_names, *self._signed)
        return pair

    def signing_key(self, name: str) -> tuple[Path, Path]:
        """Make a key pair that signs tokens: the private key's file and the public key's."""
        private, public = (self._directory / f"{name}.{suffix}" for suffix in ("key", "pub"))
        _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(private))
        _openssl("pkey", "-in", str(private), "-pubout", "-out", str(public))
        return private, public

    @property
    def _signed(self) -> tuple[str, ...]:
        return ("-CA", str(self.pair.certificate), "-CAkey", str(self.pair.key))

    def _make(self, pair: Pair, kind: str, subject: str, *more: str) -> None:
        files = ("-keyout", str(pair.key), "-out", str(pair.certificate))
        about = ("-config", str(self._config), "-extensions", kind, "-subj", subject, "-days", _VALID_DAYS)
        _openssl("req", "-x509", *_NEW_KEY, *about, *files, *more)


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\/+=" else letter for letter in text)


def _openssl(*arguments: str) -> None:
    try:
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise LabError("the lab needs openssl (Debian package openssl): make lab installs it") from error
    if done.returncode:
        raise LabError(f"openssl {' '.join(arguments)}: {done.stderr.strip()}")
