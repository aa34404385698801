"""The controller behind a proxy that lets everything go wrong that can: nothing is lost, and all comes to rest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.cluster.chronicle import FLAGS, chronicle
from tests.cluster.churn import moved, twice_at_some_time
from tests.cluster.controllers import CONVERGED_S, NAMESPACE, Controller, Site
from tests.cluster.sides import CONFIG, SERVICES
from tests.cluster.weather import Of, Weather, gone_line
from tests.lab.kube.control_plane import ControlPlane
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POOL = "address-pools:\n- {name: default, protocol: layer2, addresses: [10.40.0.0/24]}\n"


class Place:
    """A cluster, and the weather between it and its controller."""

    def __init__(self, site: Site, weather: Weather) -> None:
        self.site = site
        self.weather = weather
        self._made = 0

    def start(self) -> Controller:
        """Start the controller."""
        token = self.site.api.service_account_token(NAMESPACE, "controller")
        return self.site.start(kubeconfig=self.weather.kubeconfig(token))

    def make(self, count: int) -> None:
        """Create Services."""
        for _ in range(count):
            self.site.service(f"app-{self._made}")
            self._made += 1

    def addresses(self) -> list[str]:
        """List the addresses of all Services, in the order of the addresses."""
        items = self.site.api.admin.get(SERVICES)["items"]
        found = [entry["ip"] for item in items for entry in item["status"]["loadBalancer"].get("ingress", ())]
        return sorted(found, key=lambda text: int(text.rpartition(".")[2]))

    def await_all(self) -> None:
        """Wait until every Service has an address, and see that none was given twice or taken back."""
        expected = [f"10.40.0.{number}" for number in range(self._made)]
        wait_until(lambda: self.addresses() == expected, CONVERGED_S, f"{expected} are given")
        versions = chronicle(self.site.api)
        assert moved(versions) == []
        assert twice_at_some_time(versions) == []


@pytest.fixture(scope="module")
def history() -> Iterator[ControlPlane]:
    """Give a control plane that keeps every version of everything."""
    with ControlPlane(audit_level="Metadata", flags=FLAGS) as api:
        yield api


@pytest.fixture
def place(history: ControlPlane, tmp_path: Path) -> Iterator[Place]:
    """Give a cluster with one pool and fine weather."""
    with Weather(history) as weather, Site(history, tmp_path) as site:
        site.configure(POOL)
        yield Place(site, weather)


def test_start_amid_errors_waits_until_they_are_over(place: Place) -> None:
    place.make(3)
    trouble = place.weather.brings(*Of, status=500, times=12)
    place.start()

    place.await_all()
    assert trouble.happened == 12


def test_address_is_written_to_the_next_only_after_the_former_lost_it(place: Place) -> None:
    place.site.configure(
        "address-pools:\n"
        "- {name: default, protocol: layer2, addresses: [10.40.0.0/32]}\n"
        "- {name: more, protocol: layer2, addresses: [10.40.1.0/32], auto-assign: false}\n"
    )
    place.start().await_event("stateSynced")
    place.make(1)
    place.site.await_addresses("app-0", "10.40.0.0")
    place.make(1)
    place.site.await_event("Service", "app-1", "AllocationFailed")
    trouble = place.weather.brings(Of.WRITE, status=500, times=2, path="app-0")
    place.site.api.admin.patch(f"{SERVICES}/app-0", {"spec": {"loadBalancerIP": "10.40.1.0"}})

    place.site.await_addresses("app-1", "10.40.0.0")
    assert trouble.happened == 2
    assert twice_at_some_time(chronicle(place.site.api)) == []


@pytest.mark.parametrize("status", [409, 429, 500])
def test_refused_write_is_tried_again_with_the_same_address(place: Place, status: int) -> None:
    place.start().await_event("stateSynced")
    trouble = place.weather.brings(Of.WRITE, status=status, headers={"Retry-After": "1"}, times=6)
    place.make(5)

    place.await_all()
    assert trouble.happened == 6


def test_write_whose_answer_is_lost_is_not_made_another_way(place: Place) -> None:
    place.start().await_event("stateSynced")
    trouble = place.weather.brings(Of.WRITE, lost=True, times=4)
    place.make(4)
    place.await_all()
    place.make(1)

    place.await_all()
    assert trouble.happened == 4


def test_slow_answers_are_waited_for_side_by_side(place: Place) -> None:
    place.start().await_event("stateSynced")
    trouble = place.weather.brings(Of.WRITE, late_s=0.5)
    began = time.monotonic()
    place.make(60)

    place.await_all()
    assert trouble.happened >= 60
    assert time.monotonic() - began < 60 * 0.5 / 2, "one after the other"


def test_watch_that_is_cut_within_a_line_misses_nothing(place: Place) -> None:
    trouble = place.weather.brings(Of.WATCH, cut=True, times=3)
    place.start().await_event("stateSynced")
    for _ in range(3):
        place.make(2)
        place.await_all()

    assert trouble.happened == 3


@pytest.mark.parametrize("trouble", [{"status": 410}, {"answer": gone_line()}], ids=["status", "event"])
def test_watch_that_cannot_go_on_is_begun_anew(place: Place, trouble: dict[str, object]) -> None:
    gone = place.weather.brings(Of.WATCH, **trouble, times=5)
    place.start().await_event("stateSynced")
    place.make(5)

    place.await_all()
    wait_until(lambda: gone.happened == 5, CONVERGED_S, "every watch that could not go on")
    place.make(2)
    place.await_all()


def test_list_from_the_past_takes_no_address_from_anybody(place: Place) -> None:
    place.start().await_event("stateSynced")
    place.make(2)
    place.await_all()
    past = place.site.api.admin.get("/api/v1/services")
    place.make(2)
    place.await_all()

    stale = place.weather.brings(Of.LIST, answer=past, times=1)
    place.weather.brings(Of.WATCH, status=410, times=1)
    place.weather.breaks_watches()
    place.make(2)

    place.await_all()
    assert stale.happened == 1


def test_configmap_that_is_deleted_stays_in_force_and_its_return_is_taken(place: Place) -> None:
    controller = place.start()
    place.make(2)
    place.await_all()
    kept = place.site.api.admin.get(CONFIG)["data"]["config"]

    place.site.api.admin.delete(CONFIG)
    controller.await_log(lambda line: "configuration is missing" in line["msg"], "the loss is told")
    place.make(1)
    place.await_all()
    place.site.configure(kept.replace("/24", "/23"))
    wait_until(
        lambda: len([line for line in controller.log() if line.get("event") == "configLoaded"]) == 2,
        CONVERGED_S,
        "it is taken again",
    )
    place.make(1)
    place.await_all()
