"""Where the configuration's text stands in its ConfigMap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalpy.config.findings import shown
from metalpy.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_KEY = "config"


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
