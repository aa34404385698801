"""Whether this node's kernel answers ARP for every Service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog.testing

from metalpy.layer2 import ipvs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("names", "arp_ignore", "is_so"),
    [("lo kube-ipvs0", "0", True), ("lo kube-ipvs0", "1", False), ("lo eth0", "0", False)],
    ids=["neither strict", "strict", "no IPVS"],
)
def test_ipvs_without_strict_arp_is_warned_of(names: str, arp_ignore: str, is_so: bool, tmp_path: Path) -> None:
    setting = tmp_path / "arp_ignore"
    setting.write_text(f"{arp_ignore}\n")
    with structlog.testing.capture_logs() as logs:
        assert ipvs.warn(names.split(), setting) is is_so

    assert ["strictARP" in line["event"] for line in logs] == [True] * is_so


def test_unreadable_setting_is_no_trouble(tmp_path: Path) -> None:
    assert not ipvs.warn([ipvs.INTERFACE], tmp_path / "absent")
