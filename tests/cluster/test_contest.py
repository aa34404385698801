"""Two who write the same status: ours gives way to a stranger, and two of ours agree."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.controllers import CONVERGED_S, Site
from tests.cluster.rival import ADDRESS, NAME, Rival
from tests.cluster.sides import SERVICES
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.kube.control_plane import ControlPlane

POOL = "address-pools:\n- {name: default, protocol: layer2, addresses: [10.50.0.0/24]}\n"


@pytest.fixture
def site(api_server: ControlPlane, tmp_path: Path) -> Iterator[Site]:
    with Site(api_server, tmp_path) as made:
        made.configure(POOL)
        yield made


def test_contested_status_is_told_given_way_and_written_when_the_other_one_ends(site: Site) -> None:
    controller = site.start()
    controller.await_event("stateSynced")
    site.service("fought")
    site.service("peaceful")
    site.await_addresses("fought", "10.50.0.0")
    before = len(_writes(site))
    began = time.monotonic()
    with Rival(site.api, "fought") as rival:
        event = site.await_event("Service", "fought", "StatusContested")
        wait_until(lambda: _waits(controller.log()) >= 4, CONVERGED_S, "it waits for 4 s")
        lasted_s = time.monotonic() - began
        rounds = len(rival.undone)
        site.service("late")
        site.await_addresses("late", "10.50.0.2")

    assert event["type"] == "Warning"
    assert f'field manager "{NAME}"' in event["message"]
    assert ADDRESS in event["message"]
    assert "StatusContested" in site.api.kubectl("describe", "service", "fought")
    # Five rounds at once, then one after each wait: 1 s, 2 s.
    assert rounds <= 8, f"{rounds} in {lasted_s} s"
    assert len(_writes(site)) - before <= 10
    site.await_addresses("fought", "10.50.0.0")
    site.await_addresses("peaceful", "10.50.0.1")


def test_edits_of_a_user_however_fast_are_no_contest(site: Site) -> None:
    controller = site.start()
    controller.await_event("stateSynced")
    site.service("moves")
    for number in range(20):
        wanted = f"10.50.0.{10 + number}"
        site.api.admin.patch(f"{SERVICES}/moves", {"spec": {"loadBalancerIP": wanted}})
        if number % 3 == 0:
            site.await_addresses("moves", wanted)
    site.await_addresses("moves", wanted)

    assert _waits(controller.log()) == 0


def test_two_controllers_without_an_election_agree(site: Site) -> None:
    controllers = [site.start("--leader-elect=false") for _ in range(2)]
    for controller in controllers:
        controller.await_event("stateSynced")
    count = 20
    for number in range(count):
        site.service(f"app-{number}")
    site.api.admin.delete(f"{SERVICES}/app-0")

    def held() -> list[str]:
        found = [address for number in range(1, count) for address in site.addresses(f"app-{number}")]
        return found if len(set(found)) == count - 1 else []

    wait_until(held, CONVERGED_S, "each Service has an address of its own")
    site.service("last")
    wait_until(lambda: site.addresses("last"), CONVERGED_S, "so has one that comes later")
    at_rest = held()
    for controller in controllers:
        assert _waits(controller.log()) == 0
    assert held() == at_rest


def _writes(site: Site) -> list[dict[str, object]]:
    return [record for record in site.writes() if record["objectRef"]["name"] == "fought"]


def _waits(log: list[dict[str, Any]]) -> float:
    """Give the longest wait that was told of a contested status."""
    waits: list[float] = [line["wait_s"] for line in log if line.get("event") == "statusContested"]
    return max(waits, default=0.0)
