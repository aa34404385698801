"""What `make demo-bgp` plays, whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.seeds.demo_bgp import play
from tests.seeds.edge import ADDRESS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_demo_shows_three_neighbours_three_ways_and_two_when_a_node_died(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    play(tmp_path)
    told = capsys.readouterr().out

    summary = [line.split() for line in told.splitlines() if line.split()[2:3] == ["65001"]]
    assert [(words[0], words[9]) for words in summary] == [(f"192.168.3.{number}", "1") for number in (103, 104, 105)]
    before, after = told.split("node2 is killed")
    assert [before.count("nexthop via"), after.count("nexthop via")] == [3, 2]
    assert f"they took {ADDRESS} back" in after
