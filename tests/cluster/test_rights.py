"""The controller's rights in deploy/ on a real API server: there is none that it does without."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.cluster.controllers import CONVERGED_S, DEPLOY, NAMESPACE, Site, deployed
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.kube.control_plane import ControlPlane

POOL = "address-pools:\n- {name: default, protocol: layer2, addresses: [10.206.65.234-10.206.65.253]}\n"
DEFINITIONS = DEPLOY / "crds" / "metallb.io.yaml"
CUSTOM_RESOURCES = {
    definition["spec"]["names"]["plural"]
    for definition in [*yaml.safe_load_all(DEFINITIONS.read_text(encoding="utf-8"))]
} | {"addresspools"}


@pytest.fixture
def site(defining: ControlPlane, tmp_path: Path) -> Iterator[Site]:
    with Site(defining, tmp_path, definitions=[_address_pools()]) as made:
        yield made


def _grants() -> list[tuple[str, str, str, str]]:
    """List each right of the controller: kind and name of the role, resource, verb.

    But for the one that its Pod has, not it: Kubernetes before 1.25 asks for it.
    """
    rbac = deployed("rbac.yaml")
    its_own = {
        (each["roleRef"]["kind"], each["roleRef"]["name"])
        for each in rbac
        for subject in each.get("subjects", ())
        if subject["name"] == "controller"
    }
    return [
        (role["kind"], role["metadata"]["name"], resource, verb)
        for role in rbac
        if (role["kind"], role["metadata"]["name"]) in its_own
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if resource != "podsecuritypolicies"
    ]


def _without(rule: dict[str, Any], verb: str) -> dict[str, Any]:
    return {**rule, "verbs": [granted for granted in rule["verbs"] if granted != verb]}


def _address_pools() -> dict[str, Any]:
    """Define AddressPools, which MetalLB had until 0.14.2 and deploy/ does not define."""
    definition: dict[str, Any] = copy.deepcopy(next(iter(yaml.safe_load_all(DEFINITIONS.read_text(encoding="utf-8")))))
    definition["metadata"]["name"] = "addresspools.metallb.io"
    definition["spec"]["names"] = {"kind": "AddressPool", "plural": "addresspools"}
    return definition


def _state_of_an_earlier_pod() -> dict[str, Any]:
    pod = {"apiVersion": "v1", "kind": "Pod", "name": "controller-w", "uid": "uid-1"}
    metadata = {"name": "controller", "namespace": NAMESPACE, "ownerReferences": [pod]}
    return {"apiVersion": "metallb.io/v1beta1", "kind": "ConfigurationState", "metadata": metadata}


@pytest.mark.parametrize(("kind", "name", "resource", "verb"), _grants(), ids=str)
def test_every_right_is_needed(site: Site, kind: str, name: str, resource: str, verb: str) -> None:
    role = next(each for each in deployed("rbac.yaml") if (each["kind"], each["metadata"]["name"]) == (kind, name))
    rules = ({**rule, "resources": [each]} for rule in role["rules"] for each in rule["resources"])
    role["rules"] = [_without(rule, verb) if rule["resources"] == [resource] else rule for rule in rules]
    role["rules"] = [rule for rule in role["rules"] if rule["verbs"]]
    site.api.apply(role)
    site.api.apply(*deployed("workloads.yaml"))  # the secret belongs to the Deployment
    site.configure(POOL)
    site.service("nginx")
    flags = ["--ml-secret-name=memberlist", "--deployment=controller"]
    if resource in {*CUSTOM_RESOURCES, "namespaces"}:
        flags.append("--config-source=crs")
    if resource.startswith("configurationstates"):
        site.api.apply(_state_of_an_earlier_pod())
        flags += ["--pod-name=controller-x", "--pod-uid=uid-2"]
    since = len(site.api.audited())
    controller = site.start(*flags)

    def missed() -> bool:
        refused = any(
            record.get("responseStatus", {}).get("code") == 403
            for record in site.api.audited()[since:]
            if record.get("objectRef", {}).get("resource") == resource.partition("/")[0]
        )
        return refused or any("not granted" in line["msg"] for line in controller.log())

    if (resource, verb) == ("events", "patch"):
        # An equal Event is counted up: the Service loses its address and gets it again.
        site.await_event("Service", "nginx", "IPAllocated")
        site.api.admin.patch("/api/v1/namespaces/default/services/nginx/status", {"status": {"loadBalancer": None}})
    wait_until(missed, CONVERGED_S, f"{verb} {resource} is missed")
