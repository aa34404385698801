"""A speaker that announces by BGP, and by layer 2 beside, with a router in memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from metalpy.announcement.candidates import Rules
from metalpy.bgp.chronicle import GOBGPD, Complaint, SessionChange
from metalpy.cluster.interface import ConfigSynced, EndpointsChanged, NodeChanged, ServiceChanged, Synced
from metalpy.config.legacy import ParsedConfig, parse_legacy
from metalpy.daemon import bgp_announcing, origins
from metalpy.daemon.bgp_announcing import BGPAnnouncing
from metalpy.daemon.layer2_announcing import Layer2Announcing
from metalpy.daemon.settings import Parting
from metalpy.daemon.speaker import Speaker
from metalpy.membership.sources import StaticMembers
from metalpy.model import Endpoint, L2Advertisement, Node, Protocol
from metalpy.observe.metrics import ClientMetrics, FailoverMetrics, SpeakerMetrics
from tests.unit.daemon.fake_cluster import CONFIG, FakeCluster, changed, config, service
from tests.unit.daemon.fake_router import FakeRouter
from tests.unit.daemon.test_speaker import FakeNetwork

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from metalpy.bgp.router import Router
    from metalpy.cluster.interface import Change, ConfigChanged
    from metalpy.model import ObjectKey, Service

NODE = "node1"
PEER, RACKED = "10.0.0.254", "10.0.0.253"
ONE_PEER = f"- {{peer-address: {PEER}, peer-asn: 64512, my-asn: 64500}}\n"
TWO_PEERS = ONE_PEER + (
    f"- {{peer-address: {RACKED}, peer-asn: 64512, my-asn: 64500, node-selectors: [{{match-labels: {{rack: a}}}}]}}\n"
)
POOLS = """\
address-pools:
- {name: routed, protocol: bgp, addresses: [192.0.2.0/24]}
- {name: here, protocol: layer2, addresses: [192.168.1.0/24]}
"""
A, B = service("a", "192.0.2.1"), service("b", "192.0.2.2")
ON_LAN = service("lan", "192.168.1.1")


def peered(peers: str = ONE_PEER, pools: str = POOLS) -> ConfigChanged:
    return config(("peers:\n" + peers if peers else "") + pools)


def behind(*services: Service, node: str = NODE) -> list[Change]:
    return [*changed(*services), *(EndpointsChanged(one.key, (Endpoint("10.1.0.1", node=node),)) for one in services)]


def here(*labels: tuple[str, str], network_unavailable: bool = False) -> NodeChanged:
    """Make the change to this node."""
    return NodeChanged(NODE, Node(NODE, labels, network_unavailable=network_unavailable))


class Setup:
    """A speaker on node1; every router that it makes is in `routers`, the next ones cannot be run for `error`."""

    def __init__(self, members: tuple[str, ...] = (NODE,)) -> None:
        self.cluster, self.network, self.registry = FakeCluster(), FakeNetwork(), CollectorRegistry()
        self.routers: list[FakeRouter] = []
        self.error = ""
        self.ends_for_good = False
        self.bgp = BGPAnnouncing(
            self._make,
            node=NODE,
            address=None,
            ignore_exclude_label=False,
            parting=Parting(1.5, graceful_shutdown=True),
            ends_for_good=lambda: self.ends_for_good,
        )
        metrics = FailoverMetrics(self.registry)
        layer2 = Layer2Announcing(self.network, node=NODE, rules=Rules(), metrics=metrics)
        self.speaker = Speaker(
            self.cluster,
            (layer2, self.bgp),
            StaticMembers(members),
            node=NODE,
            client=ClientMetrics(self.registry),
            metrics=SpeakerMetrics(self.registry, NODE),
        )
        self.take = self.speaker.take
        self.running: asyncio.Task[None] | None = None

    def _make(self) -> Router:
        self.routers.append(FakeRouter(self.error))
        return cast("Router", self.routers[-1])

    @property
    def router(self) -> FakeRouter:
        """The only router that there is."""
        (router,) = self.routers
        return router

    async def run(self, *changes: Change) -> None:
        """Let the speaker run, and see these changes first."""
        self.running = asyncio.create_task(self.speaker.run())
        self.cluster.batches.put_nowait(changes)

    async def end(self) -> None:
        """End the speaker, if it runs."""
        if self.running:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)

    def messages(self, reason: str) -> list[str]:
        """List the Events with a reason on the ConfigMap."""
        return [event.message for event in self.cluster.events if (event.key, event.reason) == (CONFIG, reason)]


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    made = Setup()
    yield made
    await made.end()


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - on another task's work, seen from outside
            await asyncio.sleep(0.001)


async def test_router_is_made_only_when_there_is_a_session_to_keep(setup: Setup) -> None:
    await setup.take([peered(""), *behind(A), here(), Synced()])
    assert setup.routers == []

    await setup.take([peered()])
    assert setup.router.said == [f"keep {PEER}", "announce +192.0.2.1/32", "ready"]


async def test_routes_of_the_start_go_out_as_they_are_decided_and_those_of_a_change_together(setup: Setup) -> None:
    many = [service(f"s{number}", f"192.0.2.{number}") for number in range(1, 251)]
    turns: list[int] = []

    async def look() -> None:
        while True:
            if setup.routers:
                turns.append(len(setup.router.routes))
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    await setup.take([peered(), *behind(*many), here(), Synced()])
    looking.cancel()

    announced = [words.count("+") for words in setup.router.said if words.startswith("announce")]
    assert announced == [100, 100, 50]
    assert {100, 200} <= set(turns)
    assert setup.router.said[-1] == "ready"

    await setup.take([peered(TWO_PEERS), here(("rack", "a"))])
    assert [words.count("+") for words in setup.router.said if words.startswith("announce")] == [100, 100, 50, 250]


async def test_router_keeps_sessions_once_their_configuration_was_seen_and_is_ready_only_with_all_routes(
    setup: Setup,
) -> None:
    await setup.run(peered(), here(), *behind(A))
    setup.cluster.batches.put_nowait(behind(B))
    await eventually(setup.cluster.batches.empty)
    assert setup.routers == []

    setup.cluster.batches.put_nowait([ConfigSynced()])
    await eventually(lambda: setup.routers and "enter" in setup.router.said)
    assert setup.router.said == [f"keep {PEER}", "enter"]

    setup.cluster.batches.put_nowait([Synced()])
    await eventually(lambda: "ready" in setup.router.said)
    assert setup.router.said == [f"keep {PEER}", "enter", "announce +192.0.2.1/32 +192.0.2.2/32", "ready"]


async def test_sessions_follow_edits_while_services_are_being_read(setup: Setup) -> None:
    await setup.take([peered(""), *behind(A), here(), ConfigSynced()])
    assert setup.routers == []

    await setup.take([peered(TWO_PEERS)])
    assert setup.router.peers == {PEER}
    await setup.take([here(("rack", "a"))])
    assert setup.router.peers == {PEER, RACKED}
    assert setup.router.routes == {}

    await setup.take([Synced()])
    assert setup.router.routes == {"192.0.2.1/32": {PEER, RACKED}}


async def test_sessions_follow_this_node_s_labels_and_routes_follow_the_sessions(setup: Setup) -> None:
    await setup.take([peered(TWO_PEERS), *behind(A), here(), Synced()])
    assert setup.router.routes == {"192.0.2.1/32": {PEER}}

    await setup.take([here(("rack", "a"))])
    assert setup.router.peers == {PEER, RACKED}
    assert setup.router.routes == {"192.0.2.1/32": {PEER, RACKED}}

    await setup.take([here(("rack", "b"))])
    assert setup.router.peers == {PEER}
    assert setup.router.routes == {"192.0.2.1/32": {PEER}}


async def test_peers_that_routes_are_for_are_shown_and_follow_the_sessions(setup: Setup) -> None:
    def shown() -> dict[ObjectKey, tuple[str, ...]]:
        return dict(setup.cluster.shown[-1].announced[Protocol.BGP])

    await setup.take([peered(TWO_PEERS), *behind(A), *changed(B), here(), Synced()])
    assert shown() == {A.key: (PEER,)}

    await setup.take([here(("rack", "a"))])
    assert shown() == {A.key: (RACKED, PEER)}

    await setup.take([peered(""), here(("rack", "a"))])
    assert shown() == {}


async def test_another_node_s_labels_change_nothing_here(setup: Setup) -> None:
    await setup.take([peered(TWO_PEERS), *behind(A), here(), Synced()])
    setup.router.said.clear()
    await setup.take([NodeChanged("node2", Node("node2", (("rack", "a"),)))])

    assert setup.router.said == []


async def test_router_hears_of_changed_services_only(setup: Setup) -> None:
    await setup.take([peered(), *behind(A), here(), Synced()])
    setup.router.said.clear()
    await setup.take(behind(B))
    await setup.take(changed(A, B))
    await setup.take([ServiceChanged(A.key, None)])

    assert setup.router.said == ["announce +192.0.2.2/32", "announce -192.0.2.1/32"]


async def test_prefix_of_two_services_goes_with_the_last_of_them(setup: Setup) -> None:
    shared = [replace(A, sharing_key="k"), replace(A, key=B.key, sharing_key="k")]
    await setup.take([peered(), *behind(*shared), here(), Synced()])
    await setup.take([ServiceChanged(A.key, None)])
    assert setup.router.routes == {"192.0.2.1/32": {PEER}}

    await setup.take([ServiceChanged(B.key, None)])
    assert setup.router.routes == {}


LOCAL = replace(A, external_traffic_policy="Local")
WITHDRAWALS: dict[str, tuple[Service, list[Change]]] = {
    "noEndpoints": (A, [EndpointsChanged(A.key, None)]),
    "noLocalEndpoints": (LOCAL, [EndpointsChanged(A.key, (Endpoint("10.1.0.1", node="node2"),))]),
    "nodeNetworkUnavailable": (A, [here(network_unavailable=True)]),
    "nodeLabeledExcludeBalancers": (A, [here(("node.kubernetes.io/exclude-from-external-load-balancers", ""))]),
    "serviceDeleted": (A, [ServiceChanged(A.key, None)]),
    "noIPAllocated": (A, changed(replace(A, ingress=()))),
    "protocolChanged": (A, [peered(pools=POOLS.replace("protocol: bgp", "protocol: layer2"))]),
}


@pytest.mark.parametrize("reason", WITHDRAWALS)
async def test_withdrawal_is_logged_with_its_reason_and_reaches_the_router(setup: Setup, reason: str) -> None:
    announced, changes = WITHDRAWALS[reason]
    await setup.take([peered(), *behind(announced), here(), Synced()])
    assert setup.router.routes == {"192.0.2.1/32": {PEER}}
    with capture_logs() as logs:
        await setup.take(changes)

    (told,) = (line for line in logs if line.get("event_name") == "serviceWithdrawn")
    assert (told["reason"], told["protocol"], told["ip"]) == (reason, "bgp", ["192.0.2.1"])
    assert setup.router.routes == {}


async def test_every_node_with_a_session_announces_though_another_is_elected_on_the_lan() -> None:
    setup = Setup(members=("node2",))
    await setup.take([peered(), *behind(A, ON_LAN), here(), Synced()])

    assert setup.network.announced == set()
    assert setup.router.routes == {"192.0.2.1/32": {PEER}}
    assert setup.cluster.reasons(A.key) == ["nodeAssigned"]


async def test_pool_of_both_protocols_is_announced_by_both(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    def both(text: str) -> ParsedConfig:
        parsed = parse_legacy(text)
        pools = tuple(replace(each, layer2=(L2Advertisement(),)) for each in parsed.config.pools)
        return replace(parsed, config=replace(parsed.config, pools=pools))

    monkeypatch.setattr(origins, "parse_legacy", both)  # a legacy configuration cannot say it, custom resources can
    labels = {"service": "default/a", "node": NODE, "ip": "192.0.2.1"}

    def shown(protocol: str) -> float | None:
        return setup.registry.get_sample_value("metallb_speaker_announced", {**labels, "protocol": protocol})

    await setup.take([peered(), *behind(A), here(), Synced()])
    assert setup.network.announced == {"192.0.2.1"}
    assert setup.router.routes == {"192.0.2.1/32": {PEER}}
    assert [shown("layer2"), shown("bgp")] == [1, 1]
    assert setup.cluster.reasons(A.key) == ["nodeAssigned"]

    await setup.take(changed(replace(A, external_traffic_policy="Local")))
    with capture_logs() as logs:
        await setup.take([EndpointsChanged(A.key, (Endpoint("10.1.0.1", node="node2"),))])
    withdrawn = {line["protocol"]: line["reason"] for line in logs if line.get("event_name") == "serviceWithdrawn"}
    assert withdrawn == {"layer2": "notOwner", "bgp": "noLocalEndpoints"}
    assert (setup.network.announced, setup.router.routes) == (set(), {})
    assert [shown("layer2"), shown("bgp")] == [None, None]


async def test_routes_stay_when_the_speaker_fails_and_go_when_it_is_asked_to_end() -> None:
    for is_asked, words in ((False, ["leave"]), (True, ["stop 1.5 True", "leave"])):
        setup = Setup()
        await setup.run(peered(), here(), *behind(A), Synced())
        await eventually(lambda made=setup: made.routers and "ready" in made.router.said)  # type: ignore[misc]
        setup.ends_for_good = is_asked
        setup.router.said.clear()
        await setup.end()

        assert setup.router.said == words


async def test_router_that_cannot_be_run_is_told_once_and_tried_again_while_layer2_goes_on(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bgp_announcing, "RETRY_S", 0.001)
    setup.error = "gobgpd: /usr/bin/gobgpd cannot be run: exec format error"
    await setup.run(peered(), here(), *behind(A, ON_LAN), Synced())
    await eventually(lambda: len(setup.routers) > 3)
    assert setup.network.announced == {"192.168.1.1"}
    assert setup.messages("BGPNotAvailable") == [f"node {NODE}: {setup.error}"]

    setup.cluster.batches.put_nowait(behind(B, service("lan2", "192.168.1.2")))
    await eventually(lambda: setup.network.announced == {"192.168.1.1", "192.168.1.2"})
    setup.error = ""
    await eventually(lambda: "ready" in setup.routers[-1].said)
    assert setup.routers[-1].peers == {PEER}
    assert setup.routers[-1].routes == {"192.0.2.1/32": {PEER}, "192.0.2.2/32": {PEER}}


async def test_router_that_cannot_be_run_at_first_is_not_ready_before_everything_was_seen(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bgp_announcing, "RETRY_S", 0.001)
    setup.error = "gobgpd: /run/gobgp: another speaker uses it"
    await setup.run(peered(), here(), *behind(A), ConfigSynced())
    await eventually(lambda: len(setup.routers) > 3)
    setup.error = ""
    await eventually(lambda: "leave" not in setup.routers[-1].said and "enter" in setup.routers[-1].said)
    assert not [each for each in setup.routers if "ready" in each.said]

    setup.cluster.batches.put_nowait([Synced()])
    await eventually(lambda: "ready" in setup.routers[-1].said)
    assert setup.routers[-1].routes == {"192.0.2.1/32": {PEER}}


async def test_session_that_goes_down_is_told_on_the_configmap_with_its_reason(setup: Setup) -> None:
    await setup.run(peered(), here(), Synced())
    await eventually(lambda: setup.routers)
    for change in (
        SessionChange(f"{PEER}:179", is_up=True),
        SessionChange(f"{PEER}:179", is_up=False, reason="not wanted any more", is_wanted=False),
        SessionChange(f"{PEER}:179", is_up=False, reason="hold timer expired"),
    ):
        setup.router.news.put_nowait(change)
    await eventually(lambda: setup.messages("BGPSessionDown"))

    assert setup.messages("BGPSessionDown") == [f"node {NODE}: peer {PEER}:179: hold timer expired"]


async def test_peer_that_cannot_be_had_as_configured_is_told_once_and_the_others_kept(setup: Setup) -> None:
    twice = ONE_PEER + ONE_PEER.replace("64500", "64501")
    await setup.run(peered(twice), here(), Synced())
    await eventually(lambda: setup.messages("BGPNotAsConfigured"))
    with capture_logs() as logs:
        await setup.take([here(("rack", "a"))])
        await setup.take([peered(twice + TWO_PEERS.removeprefix(ONE_PEER))])

    assert not [line for line in logs if line["event"] == "not as configured"]
    (message,) = setup.messages("BGPNotAsConfigured")
    assert message.startswith(f"node {NODE}: peer {PEER}:179: {PEER} is also the address of a peer listed before it")
    assert setup.router.peers == {PEER, RACKED}


async def test_complaint_is_told_on_the_configmap_by_what_it_is_about(setup: Setup) -> None:
    await setup.run(peered(), here(), Synced())
    await eventually(lambda: setup.routers)
    setup.router.news.put_nowait(Complaint(f"peer {PEER}:179", "nothing listens on port 179 there", "session"))
    setup.router.news.put_nowait(Complaint(GOBGPD, "it does not answer"))
    setup.router.news.put_nowait(Complaint(f"peer {PEER}:179", "no BFD", "BFD"))
    await eventually(lambda: setup.messages("BGPNotAsConfigured"))

    assert setup.messages("BGPSessionNotEstablished") == [
        f"node {NODE}: peer {PEER}:179: nothing listens on port 179 there"
    ]
    assert setup.messages("BGPNotAvailable") == [f"node {NODE}: gobgpd: it does not answer"]
    assert setup.messages("BGPNotAsConfigured") == [f"node {NODE}: peer {PEER}:179: no BFD"]
