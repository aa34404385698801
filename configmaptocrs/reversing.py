"""The whole way back: read custom resources, write a ConfigMap, and prove that it means the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from configmaptocrs.document import to_text
from configmaptocrs.failure import ConversionError
from configmaptocrs.findings import Finding
from configmaptocrs.reverse import passwords_told, reverse
from configmaptocrs.targets import Mode, Target
from configmaptocrs.verify import Cluster, reading_of_source, reading_of_target
from metalpy.announcement.equivalence import Side, differences
from metalpy.cluster.home import USUAL_NAMESPACE
from metalpy.config.legacy import parse_legacy
from metalpy.config.resource_peers import Surroundings
from metalpy.config.resources import parse_resources
from metalpy.errors import ConfigError

if TYPE_CHECKING:
    from configmaptocrs.convert import Wishes


def config_map_of(
    resources: str, wishes: Wishes, cluster: Cluster | None, *, partial: bool
) -> tuple[str, list[Finding]]:
    """Give the ConfigMap that means what custom resources mean, as text, and what there is to tell.

    Raises `ConversionError` where there is none; with `partial`, what it cannot say is left out and told.
    """
    cluster = cluster or Cluster()
    surroundings = Surroundings(wishes.namespace, cluster.secrets, timers=wishes.target.timers())
    try:
        config = parse_resources(resources, surroundings).config
    except ConfigError as error:
        raise ConversionError(*(problem.describe("resources") for problem in error.problems)) from None
    result = reverse(config, cluster.nodes)
    if result.dropped and not partial:
        raise ConversionError(*(finding.describe() for finding in result.dropped))
    try:
        legacy = parse_legacy(result.text).config
    except ConfigError as error:
        raise ConversionError(*(problem.describe("result") for problem in error.problems)) from None
    left = Side(legacy, reading_of_source(_mode(wishes.source_mode, wishes.target)))
    found = differences(left, Side(config, reading_of_target(wishes.target)), renamed={}, nodes=cluster.nodes)
    told = [Finding(one.code, one.object, one.text) for one in found if not one.code.startswith("W-")]
    if told and not partial:
        raise ConversionError(*(finding.describe() for finding in told))
    metadata = {"name": "config", "namespace": wishes.namespace or USUAL_NAMESPACE}
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"config": result.text}}
    return to_text([config_map]), [*result.dropped, *told, *passwords_told(config)]


def _mode(asked: Mode | None, target: Target) -> Mode:
    return asked or (Mode.FRR if target.mode.is_frr else Mode.NATIVE)
