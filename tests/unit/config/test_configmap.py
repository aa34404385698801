"""The key of the ConfigMap."""

from __future__ import annotations

import pytest

from metalpy.config.configmap import config_text
from metalpy.errors import ConfigError


def test_config_is_picked_among_other_keys() -> None:
    assert config_text({"other": "x", "config": "peers: []"}) == "peers: []"


def test_an_empty_text_is_a_configuration() -> None:
    assert config_text({"config": ""}) == ""


def test_a_missing_key_names_those_that_are_there() -> None:
    with pytest.raises(ConfigError, match=r'no key "config".*"config\.yaml", "other"'):
        config_text({"other": "", "config.yaml": ""})


def test_no_key_at_all_says_so() -> None:
    with pytest.raises(ConfigError, match="no key at all"):
        config_text({})
