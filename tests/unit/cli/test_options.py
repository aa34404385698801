"""The daemons' command lines, as operators and old Deployments write them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from metalpy.cli import _two_dashes, options
from metalpy.cli.options import (
    cluster_options,
    cluster_settings,
    http_settings,
    speaker_options,
    speaker_settings,
)

if TYPE_CHECKING:
    from pathlib import Path


def parsed(*words: str, **environment: str) -> dict[str, Any]:
    """Parse a command line with all options of a daemon."""
    seen: dict[str, Any] = {}

    @click.command
    @cluster_options
    @speaker_options
    def command(**values: Any) -> None:
        seen.update(values)

    result = CliRunner().invoke(command, words, env=environment)
    assert result.exit_code == 0, result.output
    return seen


def test_defaults_are_the_references(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(options, "NAMESPACE_FILE", tmp_path / "absent")
    values = parsed("--manifests", "m", "--node-name", "n")

    assert cluster_settings(values).namespace == "metallb-system"
    assert cluster_settings(values).config_name is None
    assert (http_settings(values).host, http_settings(values).port) == ("", 7472)
    assert speaker_settings(values) == speaker_settings({"node_name": "n", "interfaces": (), "members": ()})


def test_flag_beats_variable_and_variable_beats_the_pods_namespace(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "namespace"
    file.write_text("pods\n")
    monkeypatch.setattr(options, "NAMESPACE_FILE", file)
    words = ("--manifests", "m", "--node-name", "n")

    assert cluster_settings(parsed(*words)).namespace == "pods"
    assert cluster_settings(parsed(*words, METALLB_NAMESPACE="variable")).namespace == "variable"
    flag = parsed(*words, "--namespace", "flag", METALLB_NAMESPACE="variable")
    assert cluster_settings(flag).namespace == "flag"


def test_node_name_comes_from_the_environment_too() -> None:
    values = parsed("--manifests", "m", METALLB_NODE_NAME="node7")

    assert speaker_settings(values).node == "node7"


def test_state_directory_is_the_same_for_the_same_directory_and_not_inside_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    by_path, by_detour = (
        cluster_settings(parsed("--manifests", str(path), "--node-name", "n")).state
        for path in (tmp_path / "a", tmp_path / "a" / ".." / "a")
    )

    assert by_path == by_detour
    assert tmp_path not in by_path.parents


@pytest.mark.parametrize(
    ("written", "read"),
    [("-port=7472", "--port=7472"), ("--port=7472", "--port=7472"), ("-h", "-h"), ("-", "-"), ("file", "file")],
)
def test_one_dash_is_as_good_as_two(written: str, read: str) -> None:
    assert _two_dashes(written) == read


def test_help_imports_no_daemon() -> None:
    program = "import sys; from metalpy.cli import group; print('aiohttp' in sys.modules, 'scapy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "False False\n"
