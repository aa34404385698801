"""etcd and a kube-apiserver, with RBAC and audit, as plain processes that end with the program.

    with ControlPlane() as cluster:
        cluster.admin.create("/api/v1/namespaces", {"metadata": {"name": "web"}})
        print(cluster.kubectl("get", "namespaces"))
        cluster.restart()

There is no controller manager: nobody makes ServiceAccounts or Endpoints, and nobody deletes a namespace but
`remove_namespace` and `wipe`.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any, Self

from tests.lab.kube import applying, contents
from tests.lab.kube.certificates import Authority
from tests.lab.kube.client import TIMEOUT_S, ApiRefusal, Client
from tests.lab.kube.commands import AUDIT_LOG, api_server_command, etcd_command
from tests.lab.kube.kubeconfig import kubeconfig_text
from tests.lab.kube.server import Server, free_ports
from tests.lab.parts import LabError, lab_binary
from tests.lab.scratch import scratch_directory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.lab.kube.certificates import Pair

_READY_S = 60
_TOKEN_S = 3600


class CommandFailed(RuntimeError):  # noqa: N818 - it says what happened
    """A kubectl command ended with a status other than 0; the message has what it said."""


class ControlPlane:
    """A Kubernetes API on one address of this machine, as a context manager. Start it from the main thread.

    `address` is what the server listens on and calls itself; `audit_level` (`Metadata`, `Request`,
    `RequestResponse`) records every request for `audited`; `with_nodes` prepares the API server for kubelets and for
    the controllers of `tests.lab.nodes`; `flags` go to the API server behind ours.
    Raises `LabError` while a binary is missing.
    """

    def __init__(
        self,
        *,
        address: str = "127.0.0.1",
        audit_level: str | None = None,
        with_nodes: bool = False,
        flags: Sequence[str] = (),
    ) -> None:
        self.address = address
        self._audit_level = audit_level
        self._with_nodes = with_nodes
        self._flags = flags
        self._resources = contextlib.ExitStack()
        self._clients: list[Client] = []
        self._kubeconfigs = 0
        self._audited: list[dict[str, Any]] = []
        self._audited_bytes = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            self.directory = undo.enter_context(scratch_directory())
            """Everything of this control plane: certificates, logs, etcd's data."""
            self.port, *etcd_ports = free_ports(3, ipv6=":" in self.address)
            self.authority = Authority(self.directory)
            """Signs everybody's certificates."""
            undo.callback(self._close_clients)
            admin = self.authority.client("kubernetes-admin", ["system:masters"])
            self.admin = self._client(pair=admin)
            """A client that may do everything."""
            self.kubeconfig = self._kubeconfig(pair=admin)
            """The administrator's kubeconfig."""
            self._start_servers(undo, *etcd_ports)
            self._resources = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"https://{f'[{self.address}]' if ':' in self.address else self.address}:{self.port}"

    @property
    def ca(self) -> Path:
        """The certificate, as a PEM file, of the authority that signed the API server's."""
        return self.authority.pair.certificate

    def start(self) -> None:
        """Start the API server, stopped before, and wait until it answers for everything."""
        self.api_server.start(self._is_ready, _READY_S)

    def stop(self, *, crash: bool = False) -> None:
        """Stop the API server in good order, or kill it; its data stays, and so does its port."""
        if crash:
            self.api_server.kill()
        else:
            self.api_server.stop()
        self._close_clients()

    def restart(self, *, crash: bool = False) -> None:
        """Stop the API server, or kill it, and start it again on the same port with the same data."""
        self.stop(crash=crash)
        self.start()

    def client_for(self, user: str, groups: Sequence[str] = (), *, timeout_s: float = TIMEOUT_S) -> Client:
        """Make a client with a certificate for any user; `system:authenticated` is everybody's group."""
        return self._client(pair=self.authority.client(user, groups), timeout_s=timeout_s)

    def kubeconfig_for(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Write a kubeconfig with a certificate for any user."""
        return self._kubeconfig(pair=self.authority.client(user, groups))

    def anonymous(self) -> Client:
        """Make a client without credentials."""
        return self._client()

    def service_account_token(
        self, namespace: str, name: str, *, valid_s: int = _TOKEN_S, bound_to: Mapping[str, str] | None = None
    ) -> str:
        """Have a token made for a ServiceAccount that exists, as the kubelet does for a pod.

        It is valid as long as the object exists that it is `bound_to`, in the form of a `boundObjectRef`.
        """
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        spec = {"expirationSeconds": valid_s, **({"boundObjectRef": bound_to} if bound_to else {})}
        token: str = self.admin.create(path, {"spec": spec})["status"]["token"]
        return token

    def service_account_client(self, namespace: str, name: str) -> Client:
        """Make a client with a token of a ServiceAccount."""
        return self.client_with(self.service_account_token(namespace, name))

    def client_with(self, token: str) -> Client:
        """Make a client with a token."""
        return self._client(token=token)

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """Write a kubeconfig with a token of a ServiceAccount."""
        return self._kubeconfig(token=self.service_account_token(namespace, name))

    def service_account_directory(self, namespace: str, name: str) -> Path:
        """Write what a pod finds in /var/run/secrets/kubernetes.io/serviceaccount: token, ca.crt and namespace."""
        directory = self.directory / "serviceaccounts" / namespace / name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "token").write_text(self.service_account_token(namespace, name), encoding="ascii")
        (directory / "ca.crt").write_bytes(self.ca.read_bytes())
        (directory / "namespace").write_text(namespace, encoding="ascii")
        return directory

    def kubectl(self, *arguments: str, input: str | None = None, kubeconfig: Path | None = None) -> str:  # noqa: A002
        """Run kubectl, as the administrator unless told otherwise, and return what it printed.

        `input` is its standard input, for `-f -`. Raises `CommandFailed`.
        """
        environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig or self.kubeconfig),
            "KUBECACHEDIR": str(self.directory / "kubectl-cache"),
        }
        command = [str(lab_binary("kubectl")), *arguments]
        done = subprocess.run(
            command, input=input or "", capture_output=True, text=True, env=environment, check=False, timeout=_READY_S
        )
        if done.returncode:
            raise CommandFailed(f"kubectl {' '.join(arguments)}: status {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *objects: Any) -> None:
        """Create or change objects by the requests of `kubectl apply --server-side`."""
        applying.apply(self.admin, objects)

    def audited(self) -> list[dict[str, Any]]:
        """Read the audit log: a mapping a request that was answered, oldest first; the last may still be missing."""
        if not self._audit_level:
            raise LabError("this control plane keeps no audit log: give it an audit_level")
        with (self.directory / AUDIT_LOG).open("rb") as log:
            log.seek(self._audited_bytes)
            whole = log.read().rpartition(b"\n")[0]  # the last line may not be whole
        if whole:
            self._audited_bytes += len(whole) + 1
            self._audited += map(json.loads, whole.split(b"\n"))
        return self._audited

    def remove_namespace(self, namespace: str) -> None:
        """Delete a namespace with everything in it, finalizers or not; its name is free when this returns."""
        contents.remove_namespace(self.admin, namespace)

    def wipe(self, *, but_definitions: bool = False) -> None:
        """Remove tests' namespaces, contents of `default`, nodes, cluster roles, bindings, and CRDs unless told."""
        contents.wipe(self.admin, but_definitions=but_definitions)

    def _start_servers(self, undo: contextlib.ExitStack, etcd_port: int, peer_port: int) -> None:
        self.etcd = Server(etcd_command(self.directory / "etcd", etcd_port, peer_port), self.directory / "etcd.log")
        command = api_server_command(
            self.authority,
            self.address,
            self.port,
            etcd_port,
            audit_level=self._audit_level,
            with_nodes=self._with_nodes,
            flags=self._flags,
        )
        self.api_server = Server(command, self.directory / "kube-apiserver.log")
        undo.callback(self.etcd.kill)
        self.etcd.start(lambda: True, _READY_S)  # the API server waits for it by itself
        undo.callback(self.api_server.kill)
        self.start()

    def _is_ready(self) -> bool:
        try:
            return bool(self.etcd.pid) and self.admin.get("/readyz") == "ok"
        except ApiRefusal:
            return False

    def _client(self, *, pair: Pair | None = None, token: str | None = None, timeout_s: float = TIMEOUT_S) -> Client:
        client = Client(self.address, self.port, self.ca, pair=pair, token=token, timeout_s=timeout_s)
        self._clients.append(client)
        return client

    def _close_clients(self) -> None:
        """Close every connection: those to a server that is gone would only fail the next request."""
        for client in self._clients:
            client.close()

    def _kubeconfig(self, *, pair: Pair | None = None, token: str | None = None) -> Path:
        self._kubeconfigs += 1
        path = self.directory / f"kubeconfig-{self._kubeconfigs}"
        path.write_text(kubeconfig_text(self.url, self.ca, pair=pair, token=token), encoding="utf-8")
        return path
