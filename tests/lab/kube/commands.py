"""The command lines of the control plane's servers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.lab.parts import lab_binary

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.lab.kube.certificates import Authority

AUDIT_LOG = "audit.log"
"""The audit log's name in the authority's directory: a JSON object a line."""

_ISSUER = "https://kubernetes.default.svc"
_SERVICE_RANGES = "10.79.0.0/16,fd79::/112"
_SERVER_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")
_FIRST_SERVICE_IP = "10.79.0.1"

_FLAGS_WITHOUT_NODES = (
    "--authorization-mode=RBAC",
    "--endpoint-reconciler-type=none",  # an Endpoints object may not name a loopback address
    "--disable-admission-plugins=ServiceAccount",  # nobody makes the account that every pod would need
)


def etcd_command(data: Path, client_port: int, peer_port: int) -> list[str]:
    """One etcd member on the loopback that never waits for a disk: its data ends with it anyway."""
    clients, peers = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return [
        str(lab_binary("etcd")),
        f"--data-dir={data}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def api_server_command(
    authority: Authority,
    address: str,
    port: int,
    etcd_port: int,
    *,
    audit_level: str | None,
    with_nodes: bool,
    flags: Sequence[str],
) -> list[str]:
    """One API server with RBAC that serves for an address, its key, certificates and logs beside the authority's.

    `with_nodes`: it speaks to kubelets, and there are controllers that do what pods and nodes need.
    """
    directory = authority.pair.certificate.parent
    names = [f"DNS:{name}" for name in _SERVER_NAMES]
    pair = authority.server("kube-apiserver", [f"IP:{address}", f"IP:{_FIRST_SERVICE_IP}", *names])
    private_key, public_key = authority.signing_key("service-accounts")
    return [
        str(lab_binary("kube-apiserver")),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        f"--bind-address={address}",
        f"--advertise-address={address}",
        f"--secure-port={port}",
        f"--cert-dir={directory}",
        f"--tls-cert-file={pair.certificate}",
        f"--tls-private-key-file={pair.key}",
        f"--client-ca-file={authority.pair.certificate}",
        f"--service-account-issuer={_ISSUER}",
        f"--service-account-key-file={public_key}",
        f"--service-account-signing-key-file={private_key}",
        f"--service-cluster-ip-range={_SERVICE_RANGES}",
        *(_flags_with_nodes(authority) if with_nodes else _FLAGS_WITHOUT_NODES),
        "--allow-privileged=true",
        *(_audit_flags(directory, audit_level) if audit_level else ()),
        *flags,
    ]


def _flags_with_nodes(authority: Authority) -> list[str]:
    pair = authority.client("kube-apiserver-kubelet-client", ["system:masters"])
    return [
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--kubelet-certificate-authority={authority.pair.certificate}",
        f"--kubelet-client-certificate={pair.certificate}",
        f"--kubelet-client-key={pair.key}",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def _audit_flags(directory: Path, level: str) -> list[str]:
    policy = directory / "audit-policy.yaml"  # JSON is YAML
    rules = {"omitStages": ["RequestReceived"], "rules": [{"level": level}]}
    policy.write_text(json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", **rules}), encoding="ascii")
    return [f"--audit-policy-file={policy}", f"--audit-log-path={directory / AUDIT_LOG}"]
