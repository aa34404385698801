"""Custom resource definitions: MetalLB's, from the Go module that a part was built from, and our own."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.lab.kube.client import ApiRefusal
from tests.lab.parts import PARTS, LabError
from tests.lab.toolchain import go_command, needed_release
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.lab.kube.control_plane import ControlPlane

METALLB = "metallb-0.15"
OURS = Path(__file__).parents[2] / "deploy" / "crds"
READY_S = 30
_HIGHEST_ASN = 2**32 - 1


def install_crds(api: ControlPlane, *, with_long_asns: bool = False) -> None:
    """Give an API server MetalLB's own CRDs, and wait until it serves them. Raises `LabError` if they are gone.

    MetalLB up to 0.15 calls AS numbers int32 with a maximum beyond that, for which Kubernetes 1.36 refuses every
    BGPPeer; `with_long_asns` they are int64, as in 0.16.
    """
    definitions = _definitions(_module_directory(METALLB) / "config" / "crd" / "bases")
    if with_long_asns:
        definitions = copy.deepcopy(definitions)
        _lengthen(definitions)
    api.apply(*definitions)
    wait_until(lambda: _is_served(api, definitions), READY_S, "the API server serves MetalLB's custom resources")


def install_our_crds(api: ControlPlane, *further: dict[str, Any]) -> None:
    """Give an API server the CRDs in deploy/ and further ones of the group, and wait until it serves them."""
    definitions = [*_definitions(OURS), *further]
    api.apply(*definitions)
    wait_until(lambda: _is_served(api, definitions), READY_S, "the API server serves our custom resources")


@cache
def _definitions(directory: Path) -> list[dict[str, Any]]:
    """Read what all files of a directory define. It is read once: do not change it."""
    files = sorted(directory.glob("*.yaml"))
    return [each for file in files for each in yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def _lengthen(schema: Any) -> None:
    if isinstance(schema, dict):
        if schema.get("maximum") == _HIGHEST_ASN and schema.get("format") == "int32":
            schema["format"] = "int64"
        schema = list(schema.values())
    for inner in schema if isinstance(schema, list) else ():
        _lengthen(inner)


def _is_served(api: ControlPlane, definitions: Iterable[dict[str, Any]]) -> bool:
    """Tell whether every kind is listed; for a while after it is defined it is refused as initializing."""
    groups = api.admin.get("/apis")["groups"]
    if not any(group["name"] == "metallb.io" for group in groups):
        return False
    served: set[Any] = set()
    for version in ("v1beta1", "v1beta2"):
        try:
            resources = api.admin.get(f"/apis/metallb.io/{version}")["resources"]
            names = {resource["name"] for resource in resources if "/" not in resource["name"]}
            for name in names:
                api.admin.get(f"/apis/metallb.io/{version}/{name}?limit=1")
        except ApiRefusal:
            return False
        served |= names
    return served >= {definition["spec"]["names"]["plural"] for definition in definitions}


@cache
def _module_directory(part: str) -> Path:
    """Find the sources that a part was built from. Raises `LabError` if Go has them no more."""
    source = PARTS[part].source
    go = go_command(needed_release(source / "go.mod"))
    command = [str(go), "mod", "download", "-json", "go.universe.tf/metallb"]
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=readonly"}
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{part}: its CRDs are not to be had: {done.stderr.strip()}")
    return Path(json.loads(done.stdout)["Dir"])
