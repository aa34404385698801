"""What a Pod finds of its cluster: where the API server is, who it is to that, and the namespace that it is in."""

from __future__ import annotations

import os
from pathlib import Path

from metalpy.cluster.access import Access, source
from metalpy.errors import ClusterError

USUAL_NAMESPACE = "metallb-system"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts `namespace`, `ca.crt` and `token`, which it keeps fresh."""


def home_namespace() -> str:
    """Give the namespace of the pod that this runs in, else MetalLB's usual one."""
    try:
        return (SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip() or USUAL_NAMESPACE
    except OSError:
        return USUAL_NAMESPACE


def home_access() -> Access:
    """Find out how the API server is reached from the pod that this runs in. Raises `ClusterError` where it is none.

    These places are Kubernetes' promise to whatever runs in a Pod ("Accessing the Kubernetes API from a Pod" in its
    documentation), and all that the official client looks at; to import that takes 0.3 s.
    """
    try:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        authority = (SERVICE_ACCOUNT / "ca.crt").read_bytes().decode("latin-1")
        if not authority:
            raise ClusterError(f"{source(None)}: {SERVICE_ACCOUNT / 'ca.crt'} is empty")
    except KeyError as error:
        raise ClusterError(f"{source(None)}: {error.args[0]} is not set") from error
    except OSError as error:
        raise ClusterError(f"{source(None)}: {error}") from error
    url = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return Access(url, token_file=str(SERVICE_ACCOUNT / "token"), authority=authority)
