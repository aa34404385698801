"""`metalpy check`: exit status and both formats."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from metalpy.cli.check import check

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

GOOD = "address-pools: [{name: a, protocol: layer2, addresses: [198.18.4.0/24]}]"
DOUBTFUL = "address-pools: [{name: a, protocol: layer2, addresses: [198.18.4.7/24]}]"
BAD = "address-pools:\n- name: a\n  protocol: Layer2\n  addresses: [198.18.4.7/24]\n"


def _check(text: str, *arguments: str) -> Result:
    return CliRunner().invoke(check, list(arguments), input=text)


def test_a_good_text_ends_with_zero_and_a_summary() -> None:
    result = _check(GOOD)

    assert result.exit_code == 0
    assert result.stdout == (
        "config: ok, 1 pool, 256 addresses, 0 peers, 0 BFD profiles, 0 community aliases, 0 warnings\n"
    )


def test_a_doubtful_text_ends_with_zero_and_its_warning() -> None:
    result = _check(DOUBTFUL, "-")

    assert result.exit_code == 0
    assert result.stdout.startswith('config:1:57: warning: address-pools[0].addresses[0]: "198.18.4.7/24": host bits')


def test_a_bad_text_ends_with_one_and_its_lines() -> None:
    result = _check(BAD)

    assert result.exit_code == 1
    error, warning, summary = result.stdout.splitlines()
    assert error.startswith('config:3:13: address-pools[0].protocol: "Layer2": must be layer2 or bgp')
    assert warning.startswith("config:4:15: warning: ")
    assert summary == "config: refused, 1 error, 1 warning"


def test_lines_are_those_inside_the_config_map(tmp_path: Path) -> None:
    file = tmp_path / "cm.yaml"
    indented = "".join(f"    {line}\n" for line in BAD.splitlines())
    file.write_text(f"kind: ConfigMap\ndata:\n  config: |\n{indented}", encoding="utf-8")

    assert _check("", str(file)).stdout.startswith("config:3:13: ")


def test_json_of_a_refusal() -> None:
    result = _check(BAD, "--format", "json")

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "ok": False,
        "errors": [
            {
                "line": 3,
                "column": 13,
                "path": "address-pools[0].protocol",
                "value": '"Layer2"',
                "message": "must be layer2 or bgp: did you mean `layer2`?",
            }
        ],
        "warnings": [
            {
                "line": 4,
                "column": 15,
                "path": "address-pools[0].addresses[0]",
                "value": '"198.18.4.7/24"',
                "message": "host bits are cleared: write 198.18.4.0/24",
            }
        ],
        "summary": {},
    }


def test_json_of_a_good_text() -> None:
    result = _check(GOOD, "--format=json")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["summary"] == {
        "pools": 1,
        "addresses": 256,
        "peers": 0,
        "bfd_profiles": 0,
        "communities": 0,
    }


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_cannot_be_read_is_one_line_and_two(name: str, tmp_path: Path) -> None:
    result = _check("", str(tmp_path / name))

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_a_file_that_is_no_text_is_one_line_and_two(tmp_path: Path) -> None:
    file = tmp_path / "binary"
    file.write_bytes(b"\xff\xfe\x00")

    result = _check("", str(file))

    assert result.exit_code == 2
    assert "not UTF-8 text" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_unknown_format_is_wrong_usage() -> None:
    assert _check(GOOD, "--format", "xml").exit_code == 2
