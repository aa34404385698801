"""Which of the two forms of a configuration counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from metalpy.config.source import ConfigSource, chosen


@dataclass(frozen=True)
class SetOf:
    objects: list[dict[str, Any]]


POOL_OBJECT = {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "a"}}
PEER_OBJECT = {"apiVersion": "metallb.io/v1beta2", "kind": "BGPPeer", "metadata": {"name": "a"}}


@pytest.mark.parametrize(
    ("source", "configmap", "objects", "expected"),
    [
        (ConfigSource.CONFIGMAP, True, [POOL_OBJECT], "configmap"),
        (ConfigSource.CONFIGMAP, False, [POOL_OBJECT], None),
        (ConfigSource.CRS, True, [POOL_OBJECT], "resources"),
        (ConfigSource.CRS, True, [], "resources"),
        (ConfigSource.AUTO, True, [POOL_OBJECT], "configmap"),
        (ConfigSource.AUTO, False, [POOL_OBJECT], "resources"),
        (ConfigSource.AUTO, False, [PEER_OBJECT], None),
    ],
)
def test_one_source_counts_and_they_are_never_merged(
    source: ConfigSource, configmap: bool, objects: list[dict[str, Any]], expected: str | None
) -> None:
    resources = SetOf(objects)

    found = chosen(source, "a text" if configmap else None, resources)

    assert found == {"configmap": "a text", "resources": resources, None: None}[expected]
