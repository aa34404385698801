"""The speaker between a cluster and the network; elections are tested with the announcement."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from metalpy.announcement.candidates import Rules
from metalpy.announcement.states import Shown, Verdict
from metalpy.cluster.interface import (
    ConfigSynced,
    EndpointsChanged,
    NodeChanged,
    ServiceChanged,
    SpeakerPodChanged,
    Synced,
)
from metalpy.cluster.resources import resource_set
from metalpy.daemon.layer2_announcing import Layer2Announcing
from metalpy.daemon.speaker import Speaker
from metalpy.layer2.absences import Absence
from metalpy.layer2.conflicts import Conflict
from metalpy.membership.sources import ClusterMembers, StaticMembers
from metalpy.model import Endpoint, Node, ObjectKey, Protocol, ServicePort, SpeakerPod, parse_address
from metalpy.observe.metrics import ClientMetrics, FailoverMetrics, SpeakerMetrics
from tests.unit.daemon.fake_cluster import FakeCluster, changed, config, pool, pools, service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from metalpy.cluster.interface import Change, ResourcesChanged
    from metalpy.model import Event, IPAddress, Service

POOL = pool("p", "192.168.1.0/24")
OWNED_BY_3, OWNED_BY_1 = "192.168.1.240", "192.168.1.241"
NODES = ("node1", "node2", "node3")
PLAIN = Rules()
SHARING = (("a", 80), ("b", 81))


class FakeNetwork:
    def __init__(self) -> None:
        self.history: list[frozenset[IPAddress]] = []
        self.is_prepared = False
        self.only: Mapping[IPAddress, frozenset[str]] = {}
        self.claims: asyncio.Queue[Conflict] = asyncio.Queue()
        self.absent: asyncio.Queue[Absence] = asyncio.Queue()

    def prepare(self) -> None:
        self.is_prepared = True

    async def announce(self, addresses: frozenset[IPAddress], only: Mapping[IPAddress, frozenset[str]]) -> None:
        self.history.append(addresses)
        self.only = only

    async def absences(self) -> AsyncIterator[Absence]:
        while True:
            yield await self.absent.get()

    async def conflicts(self) -> AsyncIterator[Conflict]:
        while True:
            yield await self.claims.get()

    @property
    def announced(self) -> set[str]:
        return {str(address) for address in self.history[-1]} if self.history else set()


class Setup:
    def __init__(self, node: str = "node3", members: tuple[str, ...] = NODES, rules: Rules = PLAIN) -> None:
        self.cluster, self.network, self.registry = FakeCluster(), FakeNetwork(), CollectorRegistry()
        layer2 = Layer2Announcing(self.network, node=node, rules=rules, metrics=FailoverMetrics(self.registry))
        self.speaker = Speaker(
            self.cluster,
            (layer2,),
            StaticMembers(members) if members else ClusterMembers(node),
            node=node,
            client=ClientMetrics(self.registry),
            metrics=SpeakerMetrics(self.registry, node),
        )
        self.take = self.speaker.take


@pytest.fixture
def setup() -> Setup:
    return Setup()


def with_endpoints(*services: Service) -> list[Change]:
    endpoint = Endpoint("10.1.0.1", node="node2")
    return [*changed(*services), *(EndpointsChanged(one.key, (endpoint,)) for one in services)]


async def test_only_the_elected_node_announces(setup: Setup) -> None:
    await setup.take([pools(POOL), *with_endpoints(service("a", OWNED_BY_3), service("b", OWNED_BY_1)), Synced()])

    assert setup.network.announced == {OWNED_BY_3}
    assert setup.cluster.reasons(service("a").key) == ["nodeAssigned"]
    assert setup.cluster.events[0].message == 'announcing from node "node3"'
    assert setup.cluster.events[0].component == "metallb-speaker"
    assert setup.cluster.reasons(service("b").key) == []


async def test_nothing_is_announced_before_everything_was_seen(setup: Setup) -> None:
    await setup.take([pools(POOL), *with_endpoints(service("a", OWNED_BY_3))])

    assert setup.network.history == []


@pytest.mark.parametrize(("protocol", "is_prepared"), [("layer2", True), ("bgp", False)])
async def test_network_gets_ready_while_services_are_read_where_a_pool_is_for_it(
    setup: Setup, protocol: str, is_prepared: bool
) -> None:
    await setup.take([pools(pool("p", "10.3.0.0/24", protocol)), ConfigSynced()])

    assert (setup.network.is_prepared, setup.network.history) == (is_prepared, [])


async def test_address_that_services_share_is_announced_as_long_as_one_of_them_has_it(setup: Setup) -> None:
    one, other = (service(name, OWNED_BY_3) for name in ("a", "b"))
    await setup.take([pools(POOL), *with_endpoints(one, other), Synced()])
    await setup.take([ServiceChanged(one.key, None)])
    assert setup.network.announced == {OWNED_BY_3}
    await setup.take([ServiceChanged(other.key, None)])
    assert setup.network.announced == set()


async def test_announcement_is_told_once_however_often_it_is_evaluated(setup: Setup) -> None:
    a = service("a", OWNED_BY_3)
    await setup.take([pools(POOL), *with_endpoints(a), Synced()])
    await setup.take(changed(a))
    await setup.take([pools(POOL)])

    assert setup.cluster.reasons(a.key) == ["nodeAssigned"]


async def test_service_without_ready_endpoints_is_withdrawn(setup: Setup) -> None:
    a = service("a", OWNED_BY_3)
    await setup.take([pools(POOL), *with_endpoints(a), Synced()])
    with capture_logs() as logs:
        await setup.take([EndpointsChanged(a.key, None)])

    assert setup.network.announced == set()
    withdrawn = next(line for line in logs if line.get("event_name") == "serviceWithdrawn")
    assert (withdrawn["reason"], withdrawn["ip"]) == ("notOwner", [OWNED_BY_3])


async def test_moved_service_is_withdrawn_and_announced_by_its_new_address(setup: Setup) -> None:
    await setup.take([pools(POOL), *with_endpoints(service("a", OWNED_BY_3)), Synced()])
    with capture_logs() as logs:
        await setup.take(changed(service("a", "192.168.1.250", external_traffic_policy="Cluster")))

    reasons = [line["reason"] for line in logs if line.get("event_name") == "serviceWithdrawn"]
    assert reasons == ["loadBalancerIPChanged"]


async def test_deleted_service_is_withdrawn(setup: Setup) -> None:
    a = service("a", OWNED_BY_3)
    await setup.take([pools(POOL), *with_endpoints(a), Synced()])
    await setup.take([ServiceChanged(a.key, None)])

    assert setup.network.announced == set()


async def test_metric_shows_what_is_announced_and_goes_with_it(setup: Setup) -> None:
    a = service("a", OWNED_BY_3)
    labels = {"service": "default/a", "protocol": "layer2", "node": "node3", "ip": OWNED_BY_3}
    await setup.take([pools(POOL), *with_endpoints(a), Synced()])
    assert setup.registry.get_sample_value("metallb_speaker_announced", labels) == 1

    await setup.take([ServiceChanged(a.key, None)])
    assert setup.registry.get_sample_value("metallb_speaker_announced", labels) is None


async def test_bad_configuration_leaves_announcements_alone(setup: Setup) -> None:
    await setup.take([pools(POOL), *with_endpoints(service("a", OWNED_BY_3)), Synced()])
    await setup.take([config("address-pools: 7")])
    await setup.take([config(None)])

    assert setup.network.announced == {OWNED_BY_3}


async def test_configuration_that_takes_any_services_pool_is_refused_by_every_speaker(setup: Setup) -> None:
    elsewhere = service("b", OWNED_BY_1)
    await setup.take([pools(POOL), *with_endpoints(service("a", OWNED_BY_3), elsewhere), Synced()])
    await setup.take([pools(pool("p", f"{OWNED_BY_3}/32"))])
    await setup.take([ServiceChanged(service("a").key, None)])
    assert setup.registry.get_sample_value("metallb_k8s_client_config_stale_bool") == 1

    await setup.take([ServiceChanged(elsewhere.key, None)])
    assert setup.registry.get_sample_value("metallb_k8s_client_config_stale_bool") == 0


async def test_next_node_announces_when_the_cluster_shows_the_owner_not_ready() -> None:
    setup = Setup("node1", members=())
    nodes = [NodeChanged(name, Node(name)) for name in NODES]
    await setup.take([pools(POOL), *nodes, *with_endpoints(service("a", OWNED_BY_3)), Synced()])
    assert setup.network.announced == set()

    await setup.take([NodeChanged("node3", Node("node3", ready=False))])
    assert setup.network.announced == {OWNED_BY_3}


async def test_lone_speaker_of_a_cluster_without_nodes_announces_everything() -> None:
    setup = Setup("alone", members=())
    await setup.take([pools(POOL), *with_endpoints(service("a", OWNED_BY_3), service("b", OWNED_BY_1)), Synced()])

    assert setup.network.announced == {OWNED_BY_3, OWNED_BY_1}


async def test_bgp_pool_is_not_announced_on_the_lan(setup: Setup) -> None:
    bgp = pools(pool("p", "192.168.1.0/24", protocol="bgp"))
    await setup.take([pools(POOL), *with_endpoints(service("a", OWNED_BY_3)), Synced()])
    await setup.take([bgp])

    assert setup.network.announced == set()
    assert parse_address(OWNED_BY_3) in setup.network.history[0]


async def test_claim_of_another_host_is_told_on_the_service_that_has_the_address(setup: Setup) -> None:
    a = service("a", OWNED_BY_3)
    await setup.take([pools(POOL), *with_endpoints(a), Synced()])
    running = asyncio.create_task(setup.speaker.run())
    setup.cluster.told.clear()
    setup.network.claims.put_nowait(Conflict(parse_address(OWNED_BY_3), "eth0", "0a:00:00:00:00:99", datetime.now(UTC)))
    async with asyncio.timeout(10):
        await setup.cluster.told.wait()
    running.cancel()

    assert setup.cluster.reasons(a.key) == ["nodeAssigned", "addressConflict"]
    assert "0a:00:00:00:00:99 on eth0" in setup.cluster.events[-1].message


async def test_service_that_is_deleted_while_a_claim_is_told_on_another_is_passed_over(setup: Setup) -> None:
    shared = [service(name, OWNED_BY_3, sharing_key="x", ports=(ServicePort("TCP", port),)) for name, port in SHARING]
    await setup.take([pools(POOL), *with_endpoints(*shared), Synced()])
    first, second = shared
    emit, told = setup.cluster.emit, asyncio.Event()

    async def delete_meanwhile(event: Event) -> None:
        await emit(event)
        if event.reason == "addressConflict":
            await setup.take([ServiceChanged(second.key, None)])
            told.set()

    setup.cluster.emit = delete_meanwhile  # type: ignore[method-assign]
    running = asyncio.create_task(setup.speaker.run())
    for mac in ("98", "99"):
        claim = Conflict(parse_address(OWNED_BY_3), "eth0", f"0a:00:00:00:00:{mac}", datetime.now(UTC))
        setup.network.claims.put_nowait(claim)
        async with asyncio.timeout(10):
            await told.wait()
        told.clear()
    running.cancel()

    assert setup.cluster.reasons(first.key)[-2:] == ["addressConflict", "addressConflict"]
    assert "addressConflict" not in setup.cluster.reasons(second.key)


def resources(**advertisement: Any) -> ResourcesChanged:
    pools = {"IPAddressPool": {"addresses": ["192.168.1.0/24"]}, "L2Advertisement": advertisement}
    objects = [
        {"apiVersion": "metallb.io/v1beta1", "kind": kind, "metadata": {"name": "p", "namespace": "n"}, "spec": spec}
        for kind, spec in pools.items()
    ]
    return resource_set("n", objects, ())


async def test_advertisement_with_interfaces_is_announced_on_these_alone(setup: Setup) -> None:
    a = service("a", OWNED_BY_3)
    await setup.take([resources(interfaces=["eth1", "eth0"]), *with_endpoints(a), Synced()])
    assert setup.network.only == {parse_address(OWNED_BY_3): {"eth0", "eth1"}}

    await setup.take([resources()])
    assert setup.network.only == {}
    assert setup.network.announced == {OWNED_BY_3}


async def test_interfaces_of_what_another_node_answers_for_are_not_for_this_node(setup: Setup) -> None:
    await setup.take([resources(interfaces=["eth1"]), *with_endpoints(service("b", OWNED_BY_1)), Synced()])

    assert (setup.network.announced, setup.network.only) == (set(), {})


async def test_address_without_any_of_its_interfaces_is_told_on_the_service(setup: Setup) -> None:
    a = service("a", OWNED_BY_3)
    await setup.take([resources(interfaces=["eth9"]), *with_endpoints(a), Synced()])
    running = asyncio.create_task(setup.speaker.run())
    setup.cluster.told.clear()
    setup.network.absent.put_nowait(Absence(parse_address(OWNED_BY_3), frozenset({"eth9"})))
    async with asyncio.timeout(10):
        await setup.cluster.told.wait()
    running.cancel()

    assert setup.cluster.reasons(a.key) == ["nodeAssigned", "announceFailed"]
    assert "eth9" in setup.cluster.events[-1].message


async def test_what_this_node_answers_for_is_shown_with_its_interfaces_until_it_is_lost(setup: Setup) -> None:
    a, elsewhere = service("a", OWNED_BY_3), service("b", OWNED_BY_1)
    valid = Verdict(is_valid=True)
    await setup.take([resources(), *with_endpoints(a, elsewhere), Synced()])
    await setup.take([resources(interfaces=["eth1"])])
    await setup.take(changed(elsewhere))
    await setup.take([ServiceChanged(a.key, None)])

    assert setup.cluster.shown == [
        Shown(valid, {Protocol.LAYER2: {a.key: ()}}),
        Shown(valid, {Protocol.LAYER2: {a.key: ("eth1",)}}),
        Shown(valid, {Protocol.LAYER2: {}}),
    ]


async def test_verdict_on_the_newest_configuration_is_shown(setup: Setup) -> None:
    await setup.take([config(None), *with_endpoints(service("a", OWNED_BY_3)), Synced()])
    await setup.take([config("address-pools: 7")])
    await setup.take([pools(POOL)])

    none, wrong, right = (shown.verdict for shown in setup.cluster.shown)
    assert (none.is_valid, wrong.is_valid, right.is_valid) == (None, False, True)
    assert "address-pools" in wrong.message


async def test_failover_is_counted_and_logged_once_with_its_cause_when_the_network_knows() -> None:
    setup = Setup("node1", members=())
    a = service("a", OWNED_BY_3)
    nodes = [NodeChanged(name, Node(name)) for name in NODES]
    await setup.take([pools(POOL), *nodes, *with_endpoints(a), Synced()])
    with capture_logs() as logs:
        await setup.take([NodeChanged("node3", Node("node3", ready=False))])
        await setup.take([pools(POOL), *changed(a)])

    (line,) = (line for line in logs if line.get("event_name") == "failover")
    assert (line["service"], line["former"], line["cause"]) == ("default/a", "node3", "nodeNotReady")
    assert line["ips"] == [OWNED_BY_3]
    count = "metalpy_layer2_failover_seconds_count"
    assert setup.registry.get_sample_value(count, {"cause": "nodeNotReady"}) == 1
    seconds = setup.registry.get_sample_value("metalpy_layer2_failover_seconds_sum", {"cause": "nodeNotReady"})
    assert seconds is not None
    assert line["seconds"] == pytest.approx(seconds, abs=1e-6)


async def test_first_announcement_is_no_failover() -> None:
    setup = Setup()
    with capture_logs() as logs:
        await setup.take([pools(POOL), *with_endpoints(service("a", OWNED_BY_3)), Synced()])

    assert not [line for line in logs if line.get("event_name") == "failover"]


async def test_node_whose_speaker_is_not_ready_is_no_candidate() -> None:
    setup = Setup("node1", members=())
    nodes = [NodeChanged(name, Node(name)) for name in NODES]
    speaking = [SpeakerPodChanged(ObjectKey("m", name), SpeakerPod(name)) for name in NODES]
    await setup.take([pools(POOL), *nodes, *speaking, *with_endpoints(service("a", OWNED_BY_3)), Synced()])
    assert setup.network.announced == set()

    await setup.take([SpeakerPodChanged(ObjectKey("m", "node3"), SpeakerPod("node3", ready=False))])
    assert setup.network.announced == {OWNED_BY_3}


async def test_spread_and_preference_reach_the_network() -> None:
    setup = Setup("node2", rules=Rules(spread=True))
    services = [service(f"s{number}", f"192.168.1.{number}") for number in range(9)]
    await setup.take([pools(POOL), *with_endpoints(*services), Synced()])
    assert len(setup.network.announced) == 3

    everything = [replace(one, preferred_node="node2") for one in services]
    await setup.take(changed(*everything))
    assert len(setup.network.announced) == 9
    assert [setup.cluster.reasons(one.key) for one in services] == [["nodeAssigned"]] * 9


async def test_node_is_told_again_that_it_answers_each_time_the_address_comes_back(setup: Setup) -> None:
    a = service("a", OWNED_BY_3)
    await setup.take([pools(POOL), *with_endpoints(a), Synced()])
    await setup.take([EndpointsChanged(a.key, None)])
    await setup.take(with_endpoints(a))

    assert setup.cluster.reasons(a.key) == ["nodeAssigned", "nodeAssigned"]


async def test_list_of_subnets_that_cannot_be_read_is_told_once(setup: Setup) -> None:
    with capture_logs() as logs:
        for ready in (True, False, True):
            await setup.take([NodeChanged("node1", Node("node1", ready=ready, subnets="10.0.0.0/24;"))])

    (line,) = logs
    assert (line["node"], line["error"]) == (
        "node1",
        "'10.0.0.0/24;' is no subnet: want CIDRs with commas between, as 192.168.1.0/24",
    )


async def test_each_look_at_a_service_is_logged_as_the_reference_does(setup: Setup) -> None:
    with capture_logs() as logs:
        await setup.take([*with_endpoints(service("a", OWNED_BY_3)), Synced()])
        await setup.take([pools(POOL)])

    told = [(line["event_name"], line["log_level"]) for line in logs if "Update" in line["event_name"]]
    assert told == [("startUpdate", "debug"), ("endUpdate", "debug")]
    assert logs[0]["event_name"] == "noConfig"
