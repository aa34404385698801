"""Where the configuration's text stands in its ConfigMap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalpy.config.findings import shown
from metalpy.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_KEY = "config"
USUAL_NAMES = ("config", "metallb-config")
"""The ConfigMap's own: the second is of 0.9-era Helm installs, and counts only where the first is not there."""


def possible_names(asked: str | None) -> tuple[str, ...]:
    """Name the ConfigMaps that may hold the configuration: the one asked for, or these. The first there is counts."""
    return (asked,) if asked else USUAL_NAMES


def config_text(data: Mapping[str, str]) -> str:
    """Pick the configuration out of a ConfigMap's data.

    An empty text is a configuration, without pools and peers. Raises `ConfigError` where the key is missing:
    MetalLB took that for an empty configuration, which takes every address away.
    """
    if CONFIG_KEY in data:
        return data[CONFIG_KEY]
    keys = ", ".join(shown(key) for key in sorted(data))
    text = f"the ConfigMap has no key {shown(CONFIG_KEY)}, which must hold the configuration; "
    text += f"its keys are {keys}: rename the right one" if keys else "it has no key at all: add it"
    raise ConfigError([Problem(1, 1, "data", "", text)])
