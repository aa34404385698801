"""Reads how the API server is reached: `python -m metalpy.cluster.access_program KUBECONFIG`.

The official client does it, in a process that ends: its import takes 0.3 s, for which nobody has to wait who has
something to import himself, and 20 MB, which nothing else of it is worth. It writes one line of JSON, see `access`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import Configuration, KubeConfigLoader, KubeConfigMerger

from metalpy.cluster.access import Access, error_text, source
from metalpy.errors import ClusterError

_TOKEN = "BearerToken"  # noqa: S105 - the client's name for where it is kept
# The client looks into a file that is no kubeconfig without a word of its own.
_NOT_UNDERSTOOD = (ConfigException, OSError, ValueError, TypeError, AttributeError, KeyError, yaml.YAMLError)


def read(kubeconfig: Path) -> Access:
    """Read everything, and have a program run that a kubeconfig names. Raises `ClusterError`."""
    found = Configuration()
    try:
        _load(kubeconfig, found)
        return _access(found)
    except _NOT_UNDERSTOOD as error:
        raise ClusterError(f"{source(kubeconfig)}: {error}") from error


def _load(kubeconfig: Path, found: Configuration) -> None:
    file = KubeConfigMerger(str(kubeconfig))
    if file.config is None:
        raise ConfigException("there is nothing in it")
    loader = KubeConfigLoader(file.config, config_base_path=None, config_persister=file.save_changes)
    loader.load_and_set(found)
    user = loader._user or {}  # noqa: SLF001 - the client has no other way to tell
    if "exec" in user and _TOKEN not in found.api_key and not found.cert_file:
        raise ConfigException("the program that is to give credentials gave none")


def _access(found: Configuration) -> Access:
    shown: dict[str, Any] = found.auth_settings().get(_TOKEN) or {}
    return Access(
        host=str(found.host),
        # An editor puts the end of a line at the end of a token's file, which no header may have.
        authorization=str(shown.get("value") or "").strip(),
        authority=_pem(found.ssl_ca_cert),
        certificate=_pem(found.cert_file),
        key=_pem(found.key_file),
        is_verified=bool(found.verify_ssl),
        server_name=found.tls_server_name or "",
        proxy=found.proxy or "",
    )


def _pem(file: str | None) -> str:
    return Path(file).read_bytes().decode("latin-1") if file else ""


def main() -> None:
    """Write what was found, or why there is nothing."""
    try:
        text = read(Path(sys.argv[1])).text()
    except ClusterError as error:
        text = error_text(error)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
