"""The controller on a real API server, under the rights that deploy/ grants."""

from __future__ import annotations

import copy

from tests.cluster.controllers import BRISK, NAMESPACE, PATIENT, Site, deployed

POOL = "address-pools:\n- {name: default, protocol: layer2, addresses: [10.206.65.234-10.206.65.253]}\n"
SMALL = "- {name: expensive, protocol: layer2, auto-assign: false, addresses: [10.206.65.224/31]}\n"
EXPENSIVE = {"metallb.universe.tf/address-pool": "expensive"}


def test_pending_service_gets_address_and_event(site: Site) -> None:
    site.configure(POOL)
    site.service("nginx")
    site.start()

    site.await_addresses("nginx", "10.206.65.234")
    event = site.await_event("Service", "nginx", "IPAllocated")
    assert event["message"] == 'Assigned IP ["10.206.65.234"]'
    assert event["source"]["component"] == "metallb-controller"


def test_configmap_of_old_helm_installs_is_found(site: Site) -> None:
    site.configure(POOL, name="metallb-config")
    site.service("nginx")
    site.start()

    site.await_addresses("nginx", "10.206.65.234")


def test_restart_writes_nothing_and_keeps_every_address(site: Site) -> None:
    site.configure(POOL)
    for number in range(5):
        site.service(f"app-{number}")
    me = "--leader-elect-identity=me"
    before = len(site.writes())
    first = site.start(me)
    for number in range(5):
        site.await_addresses(f"app-{number}", f"10.206.65.{234 + number}")
    site.api.admin.delete("/api/v1/namespaces/default/services/app-0")
    first.await_log(lambda line: line.get("event") == "serviceDeleted", "the deletion was seen")
    first.kill()
    site.await_writes(before + 5)

    site.start(me).await_event("configLoaded")
    site.service("late")

    site.await_addresses("late", "10.206.65.234")
    site.await_writes(before + 6)
    assert len(site.writes()) == before + 6, "only the new Service is written"


def test_old_rights_are_enough_and_nothing_of_the_service_is_lost(site: Site) -> None:
    rbac = copy.deepcopy(deployed("rbac.yaml"))
    role = next(obj for obj in rbac if obj["kind"] == "ClusterRole" and obj["metadata"]["name"].endswith("controller"))
    role["rules"] = [
        {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["services/status"], "verbs": ["update"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    ]
    without_leases = [
        obj
        for obj in rbac
        if (obj["kind"], obj["metadata"]["name"]) not in {("Role", "controller"), ("RoleBinding", "controller")}
    ]
    site.api.wipe()
    site.grant(without_leases)
    site.configure(POOL)
    created = site.service("nginx", annotations={"example.org/kept": "yes"})
    controller = site.start()

    site.await_addresses("nginx", "10.206.65.234")
    after = site.read("nginx")
    assert after["metadata"]["annotations"] == created["metadata"]["annotations"]
    assert after["spec"] == created["spec"]
    warnings = [line["msg"] for line in controller.log() if line["level"] == "warn"]
    assert len([text for text in warnings if "not granted" in text]) == 2, warnings


def test_bad_configuration_is_told_on_the_configmap_with_line_and_column(site: Site) -> None:
    site.configure(POOL)
    site.service("nginx")
    site.start()
    site.await_addresses("nginx", "10.206.65.234")

    site.configure(POOL.replace("layer2", "layer3"))
    event = site.await_event("ConfigMap", "config", "ConfigInvalid", "config:2:", namespace=NAMESPACE)
    site.service("second")

    assert event["type"] == "Warning"
    site.await_addresses("second", "10.206.65.235")


def test_configuration_that_takes_addresses_is_refused_by_name_until_nobody_is_in_the_way(site: Site) -> None:
    site.configure(POOL)
    site.service("nginx")
    site.start()
    site.await_addresses("nginx", "10.206.65.234")

    site.configure("address-pools:\n" + SMALL)
    event = site.await_event("ConfigMap", "config", "ConfigConflict", "default/nginx", namespace=NAMESPACE)
    assert "10.206.65.234" in event["message"]
    site.service("asks", annotations=EXPENSIVE)
    site.api.admin.delete("/api/v1/namespaces/default/services/nginx")

    site.await_addresses("asks", "10.206.65.224")


def test_release_on_conflict_takes_the_addresses_away(site: Site) -> None:
    site.configure(POOL)
    site.service("nginx")
    site.start("--on-conflict=release")
    site.await_addresses("nginx", "10.206.65.234")

    site.configure(POOL.replace("10.206.65.234-10.206.65.253", "10.206.65.240/28"))

    site.await_addresses("nginx", "10.206.65.240")


def test_kubectl_drives_the_tutorials_story(site: Site) -> None:
    kubectl = site.api.kubectl
    site.configure(POOL + SMALL)
    site.start()
    kubectl("create", "service", "loadbalancer", "nginx", "--tcp=80:80")
    site.await_addresses("nginx", "10.206.65.234")

    site.service("manual", annotations=EXPENSIVE, allocateLoadBalancerNodePorts=False)
    site.await_addresses("manual", "10.206.65.224")
    assert "nodePort" not in site.read("manual")["spec"]["ports"][0]
    kubectl("patch", "service", "manual", "-p", '{"spec":{"loadBalancerIP":"10.206.65.225"}}')
    site.await_addresses("manual", "10.206.65.225")

    site.service("second", annotations=EXPENSIVE)
    site.await_addresses("second", "10.206.65.224")
    site.service("third", annotations=EXPENSIVE)
    site.await_event("Service", "third", "AllocationFailed", 'no available IPs in pool "expensive"')
    kubectl("delete", "service", "second")
    site.await_addresses("third", "10.206.65.224")


def test_services_share_an_address_by_key_and_different_ports(site: Site) -> None:
    shared = {"metallb.universe.tf/allow-shared-ip": "dns"}
    site.configure(POOL)
    site.start()
    ip = "10.206.65.240"
    site.service("tcp", annotations=shared, loadBalancerIP=ip, ports=[{"port": 53, "protocol": "TCP"}])
    site.service("udp", annotations=shared, loadBalancerIP=ip, ports=[{"port": 53, "protocol": "UDP"}])
    site.await_addresses("tcp", ip)
    site.await_addresses("udp", ip)

    site.service("again", annotations=shared, loadBalancerIP=ip, ports=[{"port": 53, "protocol": "UDP"}])
    site.service("stranger", loadBalancerIP=ip, ports=[{"port": 80}])
    site.await_event("Service", "again", "AllocationFailed", "port UDP/53 is already in use")
    site.await_event("Service", "stranger", "AllocationFailed", "can't change sharing key")


def test_api_server_that_restarts_is_followed_again(site: Site) -> None:
    site.configure(POOL)
    site.start(*PATIENT).await_event("configLoaded")
    for number in range(3):
        site.api.restart(crash=True)
        site.service(f"app-{number}")
        site.await_addresses(f"app-{number}", f"10.206.65.{234 + number}")


def test_second_controller_stands_by_and_takes_over(site: Site) -> None:
    site.configure(POOL)
    first = site.start(*BRISK)
    first.await_event("stateSynced")
    second = site.start(*BRISK)
    second.await_log(lambda line: line["msg"] == "waiting to lead", "the second one waits")
    site.service("a")
    site.await_addresses("a", "10.206.65.234")

    first.kill()
    site.service("b")
    site.await_addresses("b", "10.206.65.235")
    second.await_event("stateSynced")

    third = site.start(*BRISK)
    third.await_log(lambda line: line["msg"] == "waiting to lead", "the third one waits")
    assert second.stop() == 0
    site.service("c")
    site.await_addresses("c", "10.206.65.236")


def test_service_of_another_class_is_left_alone(site: Site) -> None:
    site.configure(POOL)
    site.service("theirs", loadBalancerClass="example.org/other")
    site.service("ours")
    site.start()

    site.await_addresses("ours", "10.206.65.234")
    assert site.addresses("theirs") == []
