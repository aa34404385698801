"""The controller between a cluster and the allocation; what it decides is tested with the allocation."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from metalpy.allocation.allocator import OnConflict
from metalpy.cluster.interface import ServiceChanged, Synced
from metalpy.daemon import status_writer
from metalpy.daemon.contests import ROUNDS
from metalpy.daemon.controller import Controller
from metalpy.errors import ClusterError
from metalpy.model import Ingress
from metalpy.observe.metrics import AllocatorMetrics, ClientMetrics, StatusMetrics
from tests.unit.daemon.fake_cluster import CONFIG, FakeCluster, changed, config, pool, pools, service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from metalpy.cluster.interface import Change
    from metalpy.model import ObjectKey, Service

SMALL = pool("p", "10.3.0.0/31")
OTHER = pool("q", "10.4.0.0/31")


class Setup:
    def __init__(self, on_conflict: OnConflict = OnConflict.REFUSE) -> None:
        self.cluster = FakeCluster()
        self.registry = CollectorRegistry()
        client, pools = ClientMetrics(self.registry), AllocatorMetrics(self.registry)
        statuses = StatusMetrics(self.registry)
        self.controller = Controller(self.cluster, client, pools, statuses, on_conflict=on_conflict)

    async def take(self, changes: Sequence[Change]) -> None:
        """Have a batch taken in and everything written that follows from it."""
        await self.controller.take(changes)
        await self.controller.written()

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def written(self, key: ObjectKey) -> list[tuple[str, ...]]:
        return [ips for written, ips in self.cluster.written if written == key]


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    made = Setup()
    running = asyncio.create_task(made.controller.run())
    yield made
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_nothing_is_written_before_everything_was_seen(setup: Setup) -> None:
    await setup.take([pools(SMALL), *changed(service("a"))])
    assert setup.cluster.written == []

    await setup.take([Synced()])
    assert setup.cluster.written == [(service("a").key, ("10.3.0.0",))]


async def test_settled_service_keeps_its_address_when_one_without_comes_first(setup: Setup) -> None:
    await setup.take([*changed(service("a"), service("b", "10.3.0.0")), pools(SMALL), Synced()])

    assert setup.cluster.written == [(service("a").key, ("10.3.0.1",))]


async def test_allocation_is_told_by_event_and_log_after_the_write(setup: Setup) -> None:
    with capture_logs() as logs:
        await setup.take([pools(SMALL), *changed(service("a")), Synced()])

    assert setup.cluster.reasons(service("a").key) == ["IPAllocated"]
    assert {"ip": ["10.3.0.0"], "pool": "p"}.items() <= next(
        line for line in logs if line.get("event_name") == "ipAllocated"
    ).items()


async def test_echo_of_an_own_write_writes_nothing(setup: Setup) -> None:
    await setup.take([pools(SMALL), *changed(service("a")), Synced()])
    await setup.take(changed(service("a", "10.3.0.0")))

    assert len(setup.cluster.written) == 1


async def test_failed_write_is_tried_again_and_told_only_once(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_writer, "RETRY_FIRST_S", 0.01)
    setup.cluster.failing = True
    await setup.take([pools(SMALL), *changed(service("a")), Synced()])
    assert setup.cluster.events == []
    assert setup.metric("metallb_k8s_client_update_errors_total") == 1

    setup.cluster.failing = False
    async with asyncio.timeout(10):
        await setup.cluster.told.wait()
    await setup.take([])

    assert setup.cluster.written == [(service("a").key, ("10.3.0.0",))]
    assert setup.cluster.reasons(service("a").key) == ["IPAllocated"]


async def test_waiting_service_is_told_once_and_gets_the_address_that_is_freed(setup: Setup) -> None:
    a, b, c = service("a"), service("b"), service("c")
    await setup.take([pools(SMALL), *changed(a, b, c), Synced()])
    await setup.take([])
    await setup.take(changed(c))
    assert setup.cluster.reasons(c.key) == ["AllocationFailed"]

    await setup.take([ServiceChanged(a.key, None)])

    assert setup.written(c.key) == [("10.3.0.0",)]
    assert setup.cluster.reasons(c.key) == ["AllocationFailed", "IPAllocated"]


async def test_bad_edit_is_told_with_its_place_and_the_last_good_configuration_stays(setup: Setup) -> None:
    await setup.take([pools(SMALL), Synced()])
    await setup.take([config("address-pools:\n- nam: p\n")])
    await setup.take(changed(service("a")))

    event = setup.cluster.events[0]
    assert (event.key, event.reason) == (CONFIG, "ConfigInvalid")
    assert "config:2:3: address-pools[0].nam" in event.message
    assert setup.written(service("a").key) == [("10.3.0.0",)]
    assert setup.metric("metallb_k8s_client_config_stale_bool") == 1

    await setup.take([pools(SMALL)])
    assert setup.metric("metallb_k8s_client_config_stale_bool") == 0


async def test_missing_key_is_refused_and_names_the_keys_there_are(setup: Setup) -> None:
    misnamed = type(config(""))(CONFIG, {"config.yaml": "address-pools: []"})
    await setup.take([misnamed, Synced()])

    assert "config.yaml" in setup.cluster.events[0].message


async def test_refused_pools_come_into_force_when_the_last_service_in_the_way_goes(setup: Setup) -> None:
    a, b = service("a"), service("b", wanted_pool="q")
    await setup.take([pools(SMALL), *changed(a, b), Synced()])
    await setup.take([pools(OTHER)])
    conflict = setup.cluster.events[-1]
    assert (conflict.reason, "default/a" in conflict.message) == ("ConfigConflict", True)
    assert setup.written(b.key) == []

    await setup.take([ServiceChanged(a.key, None)])

    assert setup.written(b.key) == [("10.4.0.0",)]
    assert setup.metric("metallb_k8s_client_config_stale_bool") == 0


async def test_deleted_configmap_leaves_the_configuration_in_force(setup: Setup) -> None:
    await setup.take([pools(SMALL), Synced()])
    await setup.take([config(None)])
    await setup.take(changed(service("a")))

    assert setup.written(service("a").key) == [("10.3.0.0",)]
    assert setup.metric("metallb_k8s_client_config_stale_bool") == 1


async def test_pool_figures_are_shown_and_go_with_their_pool(setup: Setup) -> None:
    await setup.take([pools(SMALL, OTHER), *changed(service("a")), Synced()])
    assert setup.metric("metallb_allocator_addresses_total", pool="p") == 2
    assert setup.metric("metallb_allocator_addresses_in_use_total", pool="p") == 1
    assert setup.metric("metallb_allocator_services_allocated_total", pool="p") == 1

    await setup.take([pools(SMALL)])
    assert setup.metric("metallb_allocator_addresses_total", pool="q") is None


async def test_service_that_is_no_load_balancer_any_more_is_cleared(setup: Setup) -> None:
    await setup.take([pools(SMALL), *changed(service("a", "10.3.0.0")), Synced()])
    await setup.take(changed(service("a", "10.3.0.0", type="ClusterIP")))

    assert setup.written(service("a").key) == [()]


async def test_failed_write_gives_way_to_a_newer_outcome(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_writer, "RETRY_FIRST_S", 0.01)
    setup.cluster.failing = True
    await setup.take([pools(SMALL, OTHER), *changed(service("a")), Synced()])
    setup.cluster.failing = False
    await setup.take(changed(service("a", wanted_pool="q")))
    await setup.take([])

    assert setup.cluster.written == [(service("a").key, ("10.4.0.0",))]


async def test_outcome_for_a_version_that_an_own_write_made_old_gives_way_and_lets_others_go(setup: Setup) -> None:
    asked, answers = asyncio.Event(), asyncio.Event()
    versions = {"a": 1, "b": 2}

    async def write(service: Service, ingress: tuple[Ingress, ...]) -> None:
        asked.set()
        await answers.wait()
        name = service.key.name
        if service.resource_version != str(versions[name]):
            raise ClusterError("409 Conflict")
        versions[name] = max(versions.values()) + 1
        setup.cluster.written.append((service.key, tuple(entry.ip for entry in ingress)))

    setup.cluster.write_ingress = write  # type: ignore[method-assign]
    moves = service("a", "10.3.0.0", load_balancer_ip="10.3.0.1", resource_version="1")
    waits = service("b", load_balancer_ip="10.3.0.0", resource_version="2")
    await setup.controller.take([pools(SMALL), *changed(moves, waits), Synced()])
    await asked.wait()
    # While its write is under way an edit has it decided again, from the version that this write makes old.
    await setup.controller.take([pools(SMALL, OTHER)])
    answers.set()
    await setup.controller.written()
    assert setup.cluster.written == [(moves.key, ("10.3.0.1",))]

    await setup.take(changed(replace(moves, ingress=(Ingress("10.3.0.1"),), resource_version=str(versions["a"]))))

    assert setup.cluster.written == [(moves.key, ("10.3.0.1",)), (waits.key, ("10.3.0.0",))]


async def test_service_of_another_class_is_no_news(setup: Setup) -> None:
    theirs = service("theirs", "10.3.0.1", load_balancer_class="example.org/other")
    with capture_logs() as logs:
        await setup.take([pools(SMALL), *changed(theirs), Synced()])

    assert setup.cluster.written == []
    assert [line for line in logs if line.get("event_name") == "serviceDeleted"] == []


async def test_deleted_service_is_told(setup: Setup) -> None:
    await setup.take([pools(SMALL), *changed(service("a")), Synced()])
    with capture_logs() as logs:
        await setup.take([ServiceChanged(service("a").key, None)])

    assert [line["service"] for line in logs if line.get("event_name") == "serviceDeleted"] == ["default/a"]


async def test_contested_status_is_told_with_who_else_writes_it_and_given_way(setup: Setup) -> None:
    setup.cluster.writers = ("rival",)
    await setup.take([pools(SMALL), *changed(service("a")), Synced()])
    with capture_logs() as logs:
        for version in range(100):
            await setup.take(changed(service("a", "192.0.2.1", resource_version=f"{version}")))
            if len(setup.cluster.written) == ROUNDS:
                break
        await setup.take(changed(service("a", "192.0.2.1", resource_version="last")))
        async with asyncio.timeout(10):
            while "StatusContested" not in setup.cluster.reasons(service("a").key):
                setup.cluster.told.clear()
                await setup.cluster.told.wait()

    told = next(event for event in setup.cluster.events if event.reason == "StatusContested")
    for word in ('"rival"', "192.0.2.1", "10.3.0.0"):
        assert word in told.message
    assert [line["writers"] for line in logs if line.get("event_name") == "statusContested"] == [["rival"]]
    assert len(setup.cluster.written) == ROUNDS, "it waits"
    assert setup.metric("metallb_controller_status_contested_total") == 1
    assert setup.metric("metallb_controller_contested_services") == 1
