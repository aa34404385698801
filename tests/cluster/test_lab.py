"""The lab's control plane is a real one: what the other tests of this tier rely on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.kube.client import ApiRefusal
from tests.lab.kube.events import events_in
from tests.lab.parts import PARTS, asset
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.kube.client import Client
    from tests.lab.kube.control_plane import ControlPlane

_RBAC = "rbac.authorization.k8s.io"


def _service(name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}


def _services(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/services"


def _refusal(call: Callable[[], object]) -> int:
    with pytest.raises(ApiRefusal) as refused:
        call()
    return refused.value.status


def _let_get_services(api_server: ControlPlane, namespace: str, subject: dict[str, str]) -> None:
    """Grant one verb on Services in one namespace."""
    rules = [{"apiGroups": [""], "resources": ["services"], "verbs": ["get"]}]
    path = f"/apis/{_RBAC}/v1/namespaces/{namespace}"
    api_server.admin.create(f"{path}/roles", {"metadata": {"name": "reader"}, "rules": rules})
    role = {"apiGroup": _RBAC, "kind": "Role", "name": "reader"}
    binding = {"metadata": {"name": "reader"}, "roleRef": role, "subjects": [subject]}
    api_server.admin.create(f"{path}/rolebindings", binding)


def _certificate_client(api_server: ControlPlane, namespace: str) -> Client:
    _let_get_services(api_server, namespace, {"apiGroup": _RBAC, "kind": "Group", "name": f"readers-{namespace}"})
    return api_server.client_for("jane", [f"readers-{namespace}", "others"])


def _service_account_client(api_server: ControlPlane, namespace: str) -> Client:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    api_server.admin.create(path, {"metadata": {"name": "robot"}})
    _let_get_services(api_server, namespace, {"kind": "ServiceAccount", "name": "robot", "namespace": namespace})
    return api_server.service_account_client(namespace, "robot")


def test_server_tells_the_version_that_the_lab_builds(api_server: ControlPlane) -> None:
    version = api_server.admin.get("/version")["gitVersion"]

    assert asset("kube-apiserver") or version == f"v{PARTS['kube'].version}"


def test_user_without_a_role_may_nothing(api_server: ControlPlane, namespace: str) -> None:
    stranger = api_server.client_for("stranger")

    assert _refusal(lambda: stranger.get(_services(namespace))) == 403
    assert _refusal(lambda: api_server.anonymous().get(_services(namespace))) == 403


@pytest.mark.parametrize("make_client", [_certificate_client, _service_account_client])
def test_user_with_a_role_may_exactly_what_it_grants(
    api_server: ControlPlane, namespace: str, make_client: Callable[[ControlPlane, str], Client]
) -> None:
    stored = api_server.admin.create(_services(namespace), _service("web"))
    user = make_client(api_server, namespace)
    path = f"{_services(namespace)}/web"

    assert user.get(path)["metadata"]["uid"] == stored["metadata"]["uid"]
    assert _refusal(lambda: user.get(_services(namespace))) == 403
    assert _refusal(lambda: user.replace(path, stored)) == 403
    assert _refusal(lambda: user.get("/api/v1/namespaces/default/services/kubernetes")) == 403


def test_kubeconfigs_name_the_user_they_were_made_for(api_server: ControlPlane, namespace: str) -> None:
    api_server.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": namespace}}
    )
    whoami = ("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
    jane = api_server.kubeconfig_for("jane")
    robot = api_server.service_account_kubeconfig(namespace, "robot")

    assert api_server.kubectl(*whoami) == "kubernetes-admin"
    assert api_server.kubectl(*whoami, kubeconfig=jane) == "jane"
    assert api_server.kubectl(*whoami, kubeconfig=robot) == f"system:serviceaccount:{namespace}:robot"


def test_service_takes_a_status_and_an_event(api_server: ControlPlane, namespace: str) -> None:
    admin = api_server.admin
    service = admin.create(_services(namespace), _service("web"))
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    reference = {"kind": "Service", "namespace": namespace, "name": "web", "uid": service["metadata"]["uid"]}
    event = {"metadata": {"generateName": "web."}, "involvedObject": reference, "reason": "IPAllocated"}

    admin.patch(f"{_services(namespace)}/web/status", status)
    admin.create(f"/api/v1/namespaces/{namespace}/events", event)

    ingress = admin.get(f"{_services(namespace)}/web")["status"]["loadBalancer"]["ingress"]
    assert [entry["ip"] for entry in ingress] == ["192.0.2.1"]
    assert "IPAllocated" in api_server.kubectl("-n", namespace, "get", "events")


def test_events_are_found_by_their_object_beside_one_about_none(api_server: ControlPlane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/events"
    for reference in ({}, {"kind": "Service", "name": "web"}, {"kind": "Service", "name": "dns"}):
        event = {"metadata": {"generateName": "one."}, "involvedObject": {"namespace": namespace} | reference}
        api_server.admin.create(path, event | {"source": {"component": "tests"}})

    found = events_in(api_server.admin, namespace, kind="Service", name="web")
    assert [event["involvedObject"]["name"] for event in found] == ["web"]
    assert len(events_in(api_server.admin, namespace, source="tests")) == 3


def test_audit_log_tells_who_asked_for_what(api_server: ControlPlane, namespace: str) -> None:
    api_server.client_for("auditee", ["system:masters"]).get(_services(namespace))

    requests = wait_until(
        lambda: [each for each in api_server.audited() if each["user"].get("username", "") == "auditee"],
        10,
        "an audit record",
    )
    assert [("list", namespace)] == [(each["verb"], each["objectRef"]["namespace"]) for each in requests]


@pytest.mark.parametrize("crash", [False, True], ids=["in good order", "by a crash"])
def test_restart_keeps_data_and_address(api_server: ControlPlane, namespace: str, *, crash: bool) -> None:
    web = f"{_services(namespace)}/web"
    stored = api_server.admin.create(_services(namespace), _service("web"))
    url = api_server.url

    api_server.stop(crash=crash)
    try:
        with pytest.raises(ConnectionRefusedError):
            api_server.admin.get(web)
    finally:
        api_server.start()

    assert api_server.url == url
    assert api_server.admin.get(web)["metadata"]["uid"] == stored["metadata"]["uid"]


def test_paused_server_answers_once_it_is_resumed(api_server: ControlPlane, namespace: str) -> None:
    hurried = api_server.client_for("hurried", ["system:masters"], timeout_s=0.2)
    api_server.api_server.pause()
    try:
        with pytest.raises(TimeoutError):
            hurried.get(_services(namespace))
    finally:
        api_server.api_server.resume()

    assert api_server.admin.get(_services(namespace))["items"] == []


def test_removed_namespace_is_free_for_another(api_server: ControlPlane) -> None:
    admin = api_server.admin
    admin.create("/api/v1/namespaces", {"metadata": {"name": "twice"}})
    admin.create(_services("twice"), _service("web", finalizers=["service.kubernetes.io/load-balancer-cleanup"]))
    admin.create("/api/v1/namespaces/twice/configmaps", {"metadata": {"name": "config"}})

    api_server.remove_namespace("twice")

    admin.create("/api/v1/namespaces", {"metadata": {"name": "twice"}})
    assert admin.get(_services("twice"))["items"] == []
    assert admin.get("/api/v1/namespaces/twice/configmaps")["items"] == []
    api_server.remove_namespace("twice")


def test_wiped_server_is_as_new(api_server: ControlPlane) -> None:
    admin = api_server.admin
    admin.create("/api/v1/namespaces", {"metadata": {"name": "gone"}})
    admin.create(_services("gone"), _service("web"))
    admin.create(_services("default"), _service("web"))
    admin.create("/api/v1/nodes", {"metadata": {"name": "node1"}})
    admin.create(f"/apis/{_RBAC}/v1/clusterroles", {"metadata": {"name": "mine"}, "rules": []})

    api_server.wipe()

    assert [each["metadata"]["name"] for each in admin.get("/api/v1/services")["items"]] == ["kubernetes"]
    assert admin.get("/api/v1/nodes")["items"] == []
    assert _refusal(lambda: admin.get("/api/v1/namespaces/gone")) == 404
    assert _refusal(lambda: admin.get(f"/apis/{_RBAC}/v1/clusterroles/mine")) == 404
    assert admin.get(f"/apis/{_RBAC}/v1/clusterroles/cluster-admin")["rules"]


def test_servers_end_with_a_killed_program() -> None:
    with subprocess.Popen([sys.executable, "-m", "tests.lab.kube"], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        kubeconfig = Path(program.stdout.readline().strip().removeprefix("export KUBECONFIG="))
        assert kubeconfig.is_file()
        children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text(encoding="ascii").split()
        program.kill()

    assert len(children) == 2
    wait_until(lambda: not any(map(_runs, map(int, children))), 10, "no server left")
    shutil.rmtree(kubeconfig.parent)  # else the next control plane would do it


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii")
