"""The converter, run as a user runs it, in a directory of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from configmaptocrs.cli import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.configmaptocrs.vectors import Objects


@dataclass(frozen=True)
class Done:
    """What a run left: its status, messages, standard output, and the file, None if there is none."""

    status: int
    messages: str
    output: str
    file: str | None

    @property
    def objects(self) -> Objects:
        return objects_in(self.output or self.file or "")


class Converter:
    """Runs the converter on a text."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self._capsys = capsys

    def __call__(self, text: str, *flags: str) -> Done:
        (self.directory / "config.yaml").write_text(text, encoding="utf-8")
        status = run(["-dir", str(self.directory), *flags])
        captured = self._capsys.readouterr()
        result = self.directory / "resources.yaml"
        file = result.read_text(encoding="utf-8") if result.exists() else None
        return Done(int(status), captured.err, captured.out, file)

    def write(self, name: str, text: str) -> str:
        """Write a file beside the input and give its path."""
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return str(path)


@pytest.fixture
def convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Converter:
    """Give a converter that works in an empty directory."""
    return Converter(tmp_path, capsys)


def objects_in(text: str) -> Objects:
    """Read objects by kind and name, every scalar as text where a custom resource has text."""
    found: dict[str, dict[str, Any]] = {}
    for one in yaml.load_all(text, Loader=_KubernetesLoader):
        if one is not None:
            spec = one.get("spec", {})
            if spec.get("passwordSecret") == {}:
                del spec["passwordSecret"]
            found[f"{one['kind']} {one['metadata']['name']}"] = spec
    return found


class _KubernetesLoader(yaml.SafeLoader):
    """Reads YAML as Kubernetes does: no base-60 numbers, no dates."""


_KubernetesLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(("int", "timestamp", "value"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_KubernetesLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"[-+]?(0[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$"), list("-+0123456789")
)
