"""Custom resources as a daemon's configuration: all or nothing, told on the object, and never a Service's loss."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from metalpy.allocation.allocator import OnConflict
from metalpy.cluster.interface import ResourcesChanged, Synced
from metalpy.cluster.resources import resource_set
from metalpy.daemon import controller as daemon
from metalpy.model import ObjectKey
from tests.unit.daemon.fake_cluster import changed, pools, service
from tests.unit.daemon.fake_cluster import pool as legacy_pool
from tests.unit.daemon.test_controller import Setup

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

NAMESPACE = "metallb-system"


@pytest.fixture
def on_conflict() -> OnConflict:
    return OnConflict.REFUSE


@pytest.fixture
async def setup(on_conflict: OnConflict, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Setup]:
    monkeypatch.setattr(daemon, "GRACE_S", 3600.0)
    made = Setup(on_conflict)
    running = asyncio.create_task(made.controller.run())
    yield made
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def resource(kind: str, name: str, version: str = "v1beta1", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}"}
    return {"apiVersion": f"metallb.io/{version}", "kind": kind, "metadata": metadata, "spec": spec}


def pool(name: str, *addresses: str, **spec: Any) -> dict[str, Any]:
    return resource("IPAddressPool", name, addresses=list(addresses), **spec)


def resources(
    *objects: dict[str, Any], secrets_unseen: bool = False, namespaces: Mapping[str, str] | None = None
) -> ResourcesChanged:
    """Make the change to these; `namespaces` and the colour that each is labelled with, None if nobody may look."""
    labelled = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"colour": colour}}}
        for name, colour in (namespaces or {}).items()
    ]
    unseen = namespaces is None
    return resource_set(
        NAMESPACE, objects, (), namespaces=labelled, secrets_unseen=secrets_unseen, namespaces_unseen=unseen
    )


def key(name: str) -> ObjectKey:
    return ObjectKey(NAMESPACE, name)


async def test_resources_give_addresses_and_an_edit_is_in_force(setup: Setup) -> None:
    await setup.take([resources(pool("a", "10.3.0.0/32")), *changed(service("one"), service("two")), Synced()])
    await setup.take([resources(pool("a", "10.3.0.0/31"))])

    assert setup.written(service("one").key) == [("10.3.0.0",)]
    assert setup.written(service("two").key) == [("10.3.0.1",)]


async def test_every_faulty_object_is_told_and_the_last_good_set_stays(setup: Setup) -> None:
    await setup.take([resources(pool("a", "10.3.0.0/31")), Synced()])
    bad_peer = resource("BGPPeer", "p", "v1beta2", myASN=1, peerASN=2, peerAddress="nowhere")
    await setup.take([resources(pool("a", "10.4.0.0/33"), bad_peer, pool("b", "10.5.0.0/24"))])

    told = {(event.kind, event.key.name, event.uid, event.api_version) for event in setup.cluster.events}
    assert told == {
        ("IPAddressPool", "a", "uid-a", "metallb.io/v1beta1"),
        ("BGPPeer", "p", "uid-p", "metallb.io/v1beta2"),
    }
    assert all("spec." in event.message and "stays in force" in event.message for event in setup.cluster.events)
    assert setup.metric("metallb_k8s_client_config_stale_bool") == 1
    await setup.take(changed(service("one")))
    assert setup.written(service("one").key) == [("10.3.0.0",)]


FOR_RED = {"namespaceSelectors": [{"matchLabels": {"colour": "red"}}]}


async def test_namespace_selectors_refuse_the_set_where_namespaces_may_not_be_read(setup: Setup) -> None:
    await setup.take(
        [resources(pool("a", "10.3.0.0/31", serviceAllocation=FOR_RED)), *changed(service("one")), Synced()]
    )

    assert setup.cluster.written == []
    (event,) = setup.cluster.events
    assert event.kind == "IPAddressPool"
    assert "spec.serviceAllocation.namespaceSelectors" in event.message


async def test_pool_is_for_namespaces_that_a_selector_fits_and_follows_their_labels(setup: Setup) -> None:
    red = pool("red", "10.3.0.0/31", serviceAllocation=FOR_RED)
    pools = [red, pool("wide", "10.4.0.0/24")]
    blue = resources(*pools, namespaces={"default": "blue", "other": "red"})
    await setup.take([blue, *changed(service("one")), Synced()])
    assert setup.written(service("one").key) == [("10.4.0.0",)]

    await setup.take([resources(*pools, namespaces={"default": "red"})])
    await setup.take(changed(service("two")))
    assert setup.written(service("two").key) == [("10.3.0.0",)]


async def test_pool_for_namespaces_none_of_which_is_there_is_given_to_who_asks_alone(setup: Setup) -> None:
    red = pool("red", "10.3.0.0/31", serviceAllocation=FOR_RED)
    asks = service("asks", load_balancer_ip="10.3.0.1")
    await setup.take([resources(red, namespaces={"default": "blue"}), *changed(service("one"), asks), Synced()])

    assert setup.written(asks.key) == [("10.3.0.1",)]
    assert setup.written(service("one").key) == []


async def test_namespaces_of_no_concern_are_not_in_the_set() -> None:
    plain = pool("a", "10.3.0.0/31", serviceAllocation={"namespaces": ["default"]})

    assert resources(plain, namespaces={"default": "red"}) == resources(plain, namespaces={})


async def test_verdict_on_the_newest_set_is_shown(setup: Setup) -> None:
    await setup.take([resources(), Synced()])
    await setup.take([resources(pool("a", "10.3.0.0/33"))])
    await setup.take([resources(pool("a", "10.3.0.0/31")), *changed(service("one"))])
    await setup.take([resources(pool("a", "10.4.0.0/31"))])

    verdicts = [shown.verdict for shown in setup.cluster.shown]
    assert [each.is_valid for each in verdicts] == [None, False, True, False]
    assert "10.3.0.0/33" in verdicts[1].message
    assert "default/one" in verdicts[3].message


async def test_set_that_drops_a_held_address_is_refused_until_nobody_holds_it(setup: Setup) -> None:
    await setup.take([resources(pool("a", "10.3.0.0/31")), *changed(service("one")), Synced()])
    await setup.take([resources(pool("b", "10.4.0.0/31"))])

    assert setup.cluster.reasons(key("b")) == ["ConfigConflict"]
    assert setup.written(service("one").key) == [("10.3.0.0",)]


@pytest.mark.parametrize("on_conflict", OnConflict)
async def test_no_pools_touch_no_service_whatever_is_done_on_conflict(setup: Setup) -> None:
    await setup.take([resources(), *changed(service("held", "10.9.0.9")), Synced()])
    await setup.take([resources(pool("a", "10.9.0.0/24"))])
    await setup.take([resources()])
    await setup.take(changed(service("late")))

    assert setup.written(service("held").key) == []
    assert setup.metric("metallb_k8s_client_config_stale_bool") == 1


async def test_start_without_pools_decides_nothing(setup: Setup) -> None:
    held, pending = service("held", "10.9.0.9"), service("pending")
    await setup.take([resources(resource("BFDProfile", "fast")), *changed(held, pending), Synced()])

    assert setup.cluster.written == []
    assert setup.cluster.reasons(pending.key) == [], "not even that there is no address"
    assert setup.metric("metallb_k8s_client_config_stale_bool") == 1


async def test_pools_that_come_one_by_one_move_no_service(setup: Setup) -> None:
    first, second = pool("a", "10.3.0.0/24"), pool("b", "10.4.0.0/24")
    held = service("held", "10.4.0.7")
    asks = service("asks", load_balancer_ip="10.4.0.7", created="2020-01-01T00:00:00Z")
    await setup.take([resources(first), *changed(held, service("new"), asks), Synced()])
    await setup.take([resources(first, second)])

    assert setup.written(held.key) == []
    assert setup.written(service("new").key) == [("10.3.0.0",)]
    assert setup.written(asks.key) == [], "it is held, though nobody could see by whom before its pool came"


async def test_address_of_no_pool_is_cleared_when_the_grace_is_over(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "GRACE_S", 0.05)
    held = service("held", "10.4.0.7")
    await setup.take([resources(pool("a", "10.3.0.0/24")), *changed(held), Synced()])
    assert setup.written(held.key) == []

    async with asyncio.timeout(10):
        await setup.cluster.told.wait()
    assert setup.written(held.key) == [("10.3.0.0",)]


async def test_service_that_went_within_the_grace_is_forgotten(setup: Setup) -> None:
    held = service("held", "10.4.0.7")
    await setup.take([resources(pool("a", "10.3.0.0/24")), *changed(held), Synced()])
    await setup.take(changed(service("held", "10.4.0.7", type="ClusterIP")))

    assert setup.written(held.key) == [()], "it is no load balancer any more"


async def test_configmap_has_no_grace(setup: Setup) -> None:
    held = service("held", "10.4.0.7")
    await setup.take([pools(legacy_pool("p", "10.3.0.0/31")), *changed(held), Synced()])

    assert setup.written(held.key) == [("10.3.0.0",)]


@pytest.mark.parametrize(("unseen", "loaded"), [(True, 1), (False, None)])
async def test_secret_counts_as_there_only_where_it_cannot_be_seen(
    setup: Setup, unseen: bool, loaded: int | None
) -> None:
    spec = {"myASN": 1, "peerASN": 2, "peerAddress": "10.9.0.1", "passwordSecret": {"name": "s"}}
    peer = resource("BGPPeer", "p", "v1beta2", **spec)
    await setup.take([resources(pool("a", "10.3.0.0/31"), peer, secrets_unseen=unseen), Synced()])

    assert bool(setup.metric("metallb_k8s_client_config_loaded_bool")) is bool(loaded)
    assert bool(setup.cluster.reasons(key("p"))) is not bool(loaded)


async def test_text_that_a_manifest_does_not_quote_is_refused_and_not_guessed(setup: Setup) -> None:
    peer = resource("BGPPeer", "p", "v1beta2", myASN=1, peerASN=2, peerAddress="10.9.0.1", password=493)
    await setup.take([resources(pool("a", "10.3.0.0/31"), peer), Synced()])

    (event,) = setup.cluster.events
    assert "put it in quotes" in event.message
