"""What deploy/ says and what the programs understand are one."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from metalpy import __version__
from metalpy.cli.bgp_options import bgp_settings
from metalpy.cluster.home import USUAL_NAMESPACE
from metalpy.config import resource_sections
from metalpy.config.legacy import parse_legacy
from metalpy.config.manifest import text_of_file
from metalpy.config.resource_objects import OLD_POOL, VERSIONS
from metalpy.daemon.settings import DEFAULT_PORT
from tests.lab.parts import PARTS
from tests.lab.toolchain import GO_WHEEL

if TYPE_CHECKING:
    import click

Object = dict[str, Any]

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = sorted(DEPLOY.glob("*.yaml"))
OBJECTS: list[Object] = [each for file in FILES for each in yaml.safe_load_all(file.read_text(encoding="utf-8"))]
WORKLOADS = [each for each in OBJECTS if each["kind"] in {"Deployment", "DaemonSet"}]
each_workload = pytest.mark.parametrize("workload", WORKLOADS, ids=lambda each: each["metadata"]["name"])


def pod_of(workload: Object) -> Object:
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def container_of(workload: Object) -> Object:
    (container,) = pod_of(workload)["containers"]
    return dict(container)


def command_of(container: Object) -> click.Command:
    program, name = container["command"]
    assert program == "metalpy"
    command: click.Command = getattr(importlib.import_module(f"metalpy.cli.{name}"), name)
    return command


def parse(container: Object) -> dict[str, Any]:
    """Parse a container's command line as metalpy does, with what the kubelet would put into the environment."""
    return command_of(container).make_context("metalpy", list(container["args"])).params


@each_workload
def test_arguments_and_variables_are_understood(workload: Object, monkeypatch: pytest.MonkeyPatch) -> None:
    container = container_of(workload)
    known = {option.envvar for option in command_of(container).params if isinstance(option.envvar, str)}
    for variable in container["env"]:
        assert variable["name"] in known
        monkeypatch.setenv(variable["name"], variable.get("value") or "from-the-field")
    options = parse(container)

    (port,) = container["ports"]
    assert options["port"] == port["containerPort"] == DEFAULT_PORT
    assert workload["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == str(DEFAULT_PORT)
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == port["name"]


@each_workload
def test_account_exists_and_labels_select_the_pods(workload: Object) -> None:
    accounts = {each["metadata"]["name"] for each in OBJECTS if each["kind"] == "ServiceAccount"}

    assert pod_of(workload)["serviceAccountName"] in accounts
    labels = workload["spec"]["template"]["metadata"]["labels"]
    # A selector never changes, so this is what an apply over MetalLB 0.12 stands or falls with.
    assert workload["spec"]["selector"]["matchLabels"] == labels
    assert labels == {"app": "metallb", "component": workload["metadata"]["name"]}


@each_workload
def test_image_is_of_this_version_and_never_has_to_be_pulled_again(workload: Object) -> None:
    container = container_of(workload)

    assert container["image"] == f"metalpy:{__version__}"
    assert container["imagePullPolicy"] == "IfNotPresent"


@each_workload
def test_container_has_no_right_but_net_raw_for_the_speaker(workload: Object) -> None:
    security = container_of(workload)["securityContext"]

    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    added = {"speaker": ["NET_RAW"]}.get(workload["metadata"]["name"])
    assert security["capabilities"] == ({"drop": ["ALL"], "add": added} if added else {"drop": ["ALL"]})


def test_speaker_starts_gobgpd_where_it_may_write_and_the_image_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    speaker = next(each for each in WORKLOADS if each["kind"] == "DaemonSet")
    container = container_of(speaker)
    (mount,) = container["volumeMounts"]
    monkeypatch.setattr("os.geteuid", lambda: container["securityContext"]["runAsUser"])
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setenv("METALLB_NODE_NAME", "node1")
    settings = bgp_settings(parse(container))

    assert settings.directory is not None
    assert settings.directory.is_relative_to(mount["mountPath"])
    assert [volume["name"] for volume in pod_of(speaker)["volumes"] if "emptyDir" in volume] == [mount["name"]]
    assert "COPY --from=gobgpd /gobgpd /usr/local/bin/" in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def test_image_has_the_gobgpd_that_is_tested_built_by_the_same_go() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")

    assert PARTS["gobgp"].source == DEPLOY / "gobgpd"
    assert GO_WHEEL in dockerfile.split()
    assert f"github.com/osrg/gobgp/v4 v{PARTS['gobgp'].version}" in (DEPLOY / "gobgpd" / "go.mod").read_text("utf-8")


@each_workload
def test_pod_may_use_metallbs_pod_security_policy_of_its_name(workload: Object) -> None:
    name = workload["metadata"]["name"]
    role = next(each for each in OBJECTS if each["metadata"]["name"] == f"metallb-system:{name}" and "rules" in each)
    (rule,) = (rule for rule in role["rules"] if rule["apiGroups"] == ["policy"])

    assert pod_of(workload)["serviceAccountName"] == name
    assert (rule["resources"], rule["resourceNames"], rule["verbs"]) == (["podsecuritypolicies"], [name], ["use"])


def test_secret_and_its_owner_are_what_the_rights_name() -> None:
    deployment = next(each for each in WORKLOADS if each["kind"] == "Deployment")
    variables = {each["name"]: each.get("value") for each in container_of(deployment)["env"]}
    rules = [rule for each in OBJECTS if each["kind"] == "Role" for rule in each["rules"]]
    named = {rule["resources"][0]: rule["resourceNames"] for rule in rules if "resourceNames" in rule}

    assert named["secrets"] == [variables["METALLB_ML_SECRET_NAME"]]
    assert named["deployments"] == [variables["METALLB_DEPLOYMENT"]] == [deployment["metadata"]["name"]]


def test_everything_is_in_the_one_namespace_and_that_comes_first() -> None:
    cluster_wide = {"Namespace", "ClusterRole", "ClusterRoleBinding"}

    assert (OBJECTS[0]["kind"], OBJECTS[0]["metadata"]["name"]) == ("Namespace", USUAL_NAMESPACE)
    assert {each["metadata"].get("namespace") for each in OBJECTS if each["kind"] not in cluster_wide} == {
        USUAL_NAMESPACE
    }


def test_apply_of_the_directory_leaves_the_users_configuration_alone() -> None:
    assert "ConfigMap" not in {each["kind"] for each in OBJECTS}


def test_definitions_are_of_the_kinds_that_are_read_in_their_newest_version_and_no_others() -> None:
    text = (DEPLOY / "crds" / "metallb.io.yaml").read_text(encoding="utf-8")
    found = {each["spec"]["names"]["kind"]: each["spec"]["versions"] for each in yaml.safe_load_all(text)}

    assert {kind: tuple(each["name"] for each in versions) for kind, versions in found.items()} == {
        kind: versions[-1:] for kind, versions in VERSIONS.items() if kind != OLD_POOL
    }


def test_definitions_have_every_field_that_is_read() -> None:
    text = (DEPLOY / "crds" / "metallb.io.yaml").read_text(encoding="utf-8")
    found = {
        each["spec"]["names"]["kind"]: set(
            each["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        )
        for each in yaml.safe_load_all(text)
    }

    assert found == {
        "IPAddressPool": set(resource_sections.POOL.keys),
        "L2Advertisement": set(resource_sections.L2_ADVERTISEMENT.keys),
        "BGPAdvertisement": set(resource_sections.BGP_ADVERTISEMENT.keys),
        "BGPPeer": set(resource_sections.PEER["v1beta2"].keys),
        "BFDProfile": set(resource_sections.PROFILE.keys),
        "Community": set(resource_sections.COMMUNITY.keys),
    }


@pytest.mark.parametrize("file", sorted((DEPLOY / "examples").glob("*.yaml")), ids=lambda file: str(file.name))
def test_example_is_a_good_configuration_where_the_daemons_look_for_it(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    metadata = yaml.safe_load(text)["metadata"]
    parsed = parse_legacy(text_of_file(text))

    assert not parsed.warnings
    assert metadata["namespace"] == USUAL_NAMESPACE
    assert {f"--config={metadata['name']}"} <= set(container_of(WORKLOADS[0])["args"])


def test_image_starts_the_program_that_the_manifests_call() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")

    assert re.search(r'^ENTRYPOINT \["metalpy"\]$', dockerfile, re.MULTILINE)
    assert f"-t metalpy:{__version__} " in dockerfile
