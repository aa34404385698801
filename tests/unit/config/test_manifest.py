"""The configuration's text out of a file."""

from __future__ import annotations

import pytest

from metalpy.config.manifest import text_of_file
from metalpy.errors import ConfigError

MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata:
  namespace: metallb-system
  name: {name}
data:
  {key}: |
    {text}
"""


def _manifest(text: str = "peers: []", key: str = "config", name: str = "config") -> str:
    return MANIFEST.format(name=name, key=key, text=text)


@pytest.mark.parametrize("text", ["", "peers: []\n", "address-pools: [", "- 1", "kind: Pod", "a: b\n---\nc: ["])
def test_a_text_without_config_map_is_the_configuration(text: str) -> None:
    assert text == text_of_file(text)


def test_a_manifest_holds_the_text() -> None:
    assert text_of_file(_manifest()) == "peers: []\n"


def test_a_manifest_among_other_documents_is_found() -> None:
    assert text_of_file("kind: Namespace\nmetadata: {name: x}\n---\n" + _manifest()) == "peers: []\n"


def test_a_list_of_objects_is_looked_through() -> None:
    text = '{"kind": "List", "items": [{"kind": "Secret"}, {"kind": "ConfigMap", "data": {"config": "peers: []"}}]}'

    assert text_of_file(text) == "peers: []"


def test_the_config_map_that_has_the_config_is_taken() -> None:
    files = [_manifest("x", key="other"), _manifest("peers: []", name="later"), _manifest("x: y", name="config")]

    assert text_of_file("---\n".join(files)) == "x: y\n"
    assert text_of_file("---\n".join(files[:2])) == "peers: []\n"


def test_a_config_map_without_the_key_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        text_of_file(_manifest(key="config.yaml"))


def test_a_config_map_that_is_no_yaml_is_refused_as_such() -> None:
    with pytest.raises(ConfigError, match="not valid YAML"):
        text_of_file(_manifest() + "\tx: y\n")
