"""What is written stays written: the controller and the API server are killed while everything changes.

Afterwards every version of every Service is read from etcd and held against what must be true. METALPY_KILLS and
METALPY_OUTAGES say how often each is killed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.chronicle import FLAGS, chronicle
from tests.cluster.churn import BASE, Churn, ingress, is_ours, moved, shortcomings
from tests.cluster.controllers import CONVERGED_S, PATIENT, Site
from tests.cluster.sides import SERVICES
from tests.lab.kube.control_plane import ControlPlane
from tests.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.controllers import Controller

Object = dict[str, Any]

KILLS = int(os.environ.get("METALPY_KILLS", "10"))
OUTAGES = int(os.environ.get("METALPY_OUTAGES", "3"))
SEED = int(os.environ.get("METALPY_SEED", "1"))

# Of the same name, it leads at once: the lease of one that was killed need not run out.
_ME = "--leader-elect-identity=me"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a cluster of this test's own, which keeps every version of everything and every request."""
    with ControlPlane(audit_level="RequestResponse", flags=FLAGS) as api, Site(api, tmp_path) as made:
        made.configure(BASE)
        yield made


@pytest.mark.timeout(240 + 5 * KILLS)
def test_controller_that_is_killed_again_and_again_keeps_every_address(site: Site) -> None:
    churn = Churn(site.api.admin, SEED)
    churn.change(30)
    for _ in range(KILLS):
        controller = site.start(_ME)
        if churn.dice.random() < 0.8:
            _await_work(controller)
        churn.change(churn.dice.randint(1, 60))
        controller.kill()
        churn.change(churn.dice.randint(0, 10))
    site.start(_ME)

    _assert_all_is_well(site, churn)


@pytest.mark.timeout(240 + 30 * OUTAGES)
def test_api_server_that_is_killed_again_and_again_sees_no_wrong_write(site: Site) -> None:
    churn = Churn(site.api.admin, SEED)
    churn.change(30)
    _await_work(site.start(_ME, *PATIENT))
    for _ in range(OUTAGES):
        churn.change(churn.dice.randint(1, 60))
        site.api.restart(crash=True)
        churn.change(churn.dice.randint(1, 30))
        _await_convergence(site, churn)

    _assert_all_is_well(site, churn)


def test_address_that_was_passed_on_before_a_crash_is_not_passed_on_again(site: Site) -> None:
    address, other = "10.30.0.3", "10.30.0.5"
    site.service("leaves", loadBalancerIP=other)
    site.service("owns")
    site.service("asks", loadBalancerIP=address)
    for name in ("leaves", "owns"):
        status = {"loadBalancer": {"ingress": [{"ip": address}]}}
        site.api.admin.patch(f"{SERVICES}/{name}/status", {"status": status})
    site.start(_ME)

    site.await_addresses("leaves", other)
    site.await_event("Service", "asks", "AllocationFailed", "default/owns")
    assert site.addresses("owns") == [address]


def _await_work(controller: Controller) -> None:
    """Wait until a controller begins to give out addresses, or has no configuration for that."""
    controller.await_log(
        lambda line: line.get("event") in {"configLoaded", "configStale"}, "the configuration was looked at"
    )


def _await_convergence(site: Site, churn: Churn) -> None:
    churn.configure(BASE)

    def left() -> list[str]:
        return shortcomings(site.api.admin.get(SERVICES)["items"])

    try:
        wait_until(lambda: not left(), CONVERGED_S, "everything is right")
    except TimeoutError:
        assert left() == []


def _assert_all_is_well(site: Site, churn: Churn) -> None:
    _await_convergence(site, churn)
    versions = chronicle(site.api)
    assert moved(versions) == []
    states = {(version.key, version.revision): version.content for version in versions if version.kind == "Service"}
    writes = [record for record in site.writes() if record["responseStatus"]["code"] == 200]
    assert [wrong for record in writes if (wrong := _wrong(record, states))] == []
    assert writes


def _wrong(record: Object, states: dict[tuple[str, int], Object | None]) -> str:
    """Say what is wrong with a write: to a Service that is none of ours, or of what was there already."""
    about, sent = record["objectRef"], record["requestObject"]
    key = f"{about['namespace']}/{about['name']}"
    before = states[key, int(sent["metadata"]["resourceVersion"])]
    assert before
    wanted = tuple(entry["ip"] for entry in sent["status"]["loadBalancer"].get("ingress") or ())
    if wanted == ingress(before):
        return f"{key} had {wanted} already"
    if not is_ours(before) and not (before["spec"]["type"] != "LoadBalancer" and not wanted):
        return f"{key} is not ours"
    return ""
