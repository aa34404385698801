"""The election must agree with MetalLB 0.11 and later to the bit: mixed clusters depend on it."""

from __future__ import annotations

import hashlib

import pytest

from metalpy.announcement.announceable import Announceable
from metalpy.announcement.layer2 import election_order
from metalpy.model import (
    EXCLUDE_LABEL,
    AddressRange,
    Endpoint,
    L2Advertisement,
    LabelSelector,
    Node,
    ObjectKey,
    Pool,
    PreferredNodes,
    Service,
    parse_address,
)
from tests.election import owner

NODES = ["node1", "node2", "node3"]
WORKERS = ["worker-a", "worker-b", "worker-c", "worker-d"]
CLOUD = ["ip-10-0-1-5.eu-west-1.compute.internal", "ip-10-0-1-6.eu-west-1.compute.internal"]


@pytest.mark.parametrize(
    ("candidates", "address", "expected"),
    [
        pytest.param(NODES, "192.168.1.240", ["node3", "node1", "node2"], id="1"),
        pytest.param(NODES, "192.168.1.241", ["node1", "node3", "node2"], id="2"),
        pytest.param(WORKERS, "10.0.0.1", ["worker-d", "worker-a", "worker-c", "worker-b"], id="3"),
        pytest.param(WORKERS[:3], "10.0.0.1", ["worker-a", "worker-c", "worker-b"], id="4"),
        pytest.param(CLOUD, "203.0.113.7", CLOUD, id="5"),
        pytest.param(NODES, "2001:db8::1", ["node3", "node2", "node1"], id="6"),
        pytest.param(NODES, "2001:0DB8:0:0::1", ["node3", "node2", "node1"], id="6-other-spelling"),
        pytest.param(NODES, "fc00:f853:ccd:e793::10", ["node1", "node2", "node3"], id="7"),
        pytest.param(NODES, "::ffff:192.168.1.240", ["node3", "node1", "node2"], id="mapped-is-ipv4"),
    ],
)
def test_election_orders_nodes_as_the_reference_does(candidates: list[str], address: str, expected: list[str]) -> None:
    assert election_order(reversed(candidates), parse_address(address)) == expected


def test_election_hashes_node_and_canonical_address() -> None:
    digest = hashlib.sha256(b"node3#2001:db8::1").hexdigest()

    assert digest == "4c715e562f09450461c3e94fe52442e22923f492581f591ae3f55f5876c3325d"


ADDRESS = parse_address("192.168.1.240")
POOL = Pool("p", (AddressRange(()),), layer2=(L2Advertisement(),))
ANNOUNCED = Announceable((ADDRESS,), POOL)
CLUSTER = Service(ObjectKey("default", "nginx"))
LOCAL = Service(ObjectKey("default", "nginx"), external_traffic_policy="Local")
ALL_ALIVE = frozenset(NODES)


def prefers(
    *weights: tuple[int, LabelSelector], nodes: LabelSelector | None = None, services: LabelSelector | None = None
) -> L2Advertisement:
    return L2Advertisement(
        (nodes,) if nodes else (),
        service_selectors=(services,) if services else (),
        preferred=tuple(PreferredNodes(*each) for each in weights),
    )


def endpoint(node: str, *, ready: bool = True) -> Endpoint:
    return Endpoint("10.1.0.1", ready=ready, node=node)


def test_any_alive_node_may_own_with_traffic_policy_cluster() -> None:
    assert owner(CLUSTER, ANNOUNCED, [endpoint("node2")], ALL_ALIVE, {}) == "node3"


def test_nobody_owns_while_no_endpoint_is_ready() -> None:
    assert owner(CLUSTER, ANNOUNCED, [endpoint("node3", ready=False)], ALL_ALIVE, {}) is None
    assert owner(CLUSTER, ANNOUNCED, None, ALL_ALIVE, {}) is None


def test_only_nodes_with_a_ready_endpoint_own_with_traffic_policy_local() -> None:
    endpoints = [endpoint("node3", ready=False), endpoint("node2"), endpoint("node1")]

    assert owner(LOCAL, ANNOUNCED, endpoints, ALL_ALIVE, {}) == "node1"
    assert owner(LOCAL, ANNOUNCED, endpoints, frozenset(["node3"]), {}) is None


def test_next_in_order_owns_when_the_owner_is_not_alive() -> None:
    assert owner(CLUSTER, ANNOUNCED, [endpoint("node2")], ALL_ALIVE - {"node3"}, {}) == "node1"


def test_only_nodes_that_the_advertisement_selects_own() -> None:
    selective = Pool("p", POOL.addresses, layer2=(L2Advertisement((LabelSelector((("rack", "1"),)),)),))
    nodes = {"node2": Node("node2", (("rack", "1"),)), "node3": Node("node3", (("rack", "2"),))}

    assert owner(CLUSTER, Announceable((ADDRESS,), selective), [endpoint("node1")], ALL_ALIVE, nodes) == "node2"


RACK_1, RACK_2, GPU = (LabelSelector(((key, value),)) for key, value in (("rack", "1"), ("rack", "2"), ("gpu", "yes")))
RACKED = {
    "node1": Node("node1", (("rack", "1"),)),
    "node2": Node("node2", (("gpu", "yes"), ("rack", "1"))),
    "node3": Node("node3", (("rack", "2"),)),
}


@pytest.mark.parametrize(
    ("layer2", "expected"),
    [
        pytest.param([L2Advertisement()], "node3", id="none-preferred"),
        pytest.param([prefers((10, RACK_1))], "node1", id="hash-decides-among-equals"),
        pytest.param([prefers((10, RACK_1), (1, GPU))], "node2", id="weights-add-up"),
        pytest.param([prefers((10, RACK_1)), prefers((11, RACK_2))], "node3", id="so-do-advertisements"),
        pytest.param([prefers((10, LabelSelector()))], "node3", id="all-alike"),
        pytest.param([L2Advertisement(), prefers((10, GPU), nodes=RACK_2)], "node3", id="only-among-its-own-nodes"),
        pytest.param([L2Advertisement(), prefers((10, GPU), services=RACK_1)], "node3", id="only-for-its-services"),
    ],
)
def test_node_with_the_highest_score_owns(layer2: list[L2Advertisement], expected: str) -> None:
    announced = Announceable((ADDRESS,), Pool("p", POOL.addresses, layer2=tuple(layer2)))

    assert owner(CLUSTER, announced, [endpoint("node1")], ALL_ALIVE, RACKED) == expected


def test_next_node_owns_while_the_preferred_one_is_away() -> None:
    announced = Announceable((ADDRESS,), Pool("p", POOL.addresses, layer2=(prefers((10, GPU)),)))

    assert owner(CLUSTER, announced, [endpoint("node1")], ALL_ALIVE - {"node2"}, RACKED) == "node3"


def test_endpoint_that_still_serves_keeps_the_address_announced() -> None:
    leaving = Endpoint("10.1.0.1", ready=False, node="node1", serving=True)

    assert owner(CLUSTER, ANNOUNCED, [leaving], ALL_ALIVE, {}) == "node3"
    assert owner(LOCAL, ANNOUNCED, [leaving], ALL_ALIVE, {}) == "node1"


def test_node_labelled_out_of_load_balancing_owns_only_where_the_label_is_ignored() -> None:
    nodes = {"node3": Node("node3", ((EXCLUDE_LABEL, ""),))}
    endpoints = [endpoint("node2")]

    assert owner(CLUSTER, ANNOUNCED, endpoints, ALL_ALIVE, nodes) == "node1"
    assert owner(CLUSTER, ANNOUNCED, endpoints, ALL_ALIVE, nodes, ignore_exclude_label=True) == "node3"


def test_node_without_a_network_owns_nothing() -> None:
    nodes = {"node3": Node("node3", network_unavailable=True)}

    assert owner(CLUSTER, ANNOUNCED, [endpoint("node2")], ALL_ALIVE, nodes) == "node1"


def test_advertisement_with_service_selectors_is_for_services_that_fit_and_do_not_share() -> None:
    selected = L2Advertisement(service_selectors=(LabelSelector((("team", "blue"),)),))
    announced = Announceable((ADDRESS,), Pool("p", (AddressRange(()),), layer2=(selected,)))
    everybody = Announceable((ADDRESS,), Pool("p", (AddressRange(()),), layer2=(selected, L2Advertisement())))
    blue = Service(ObjectKey("default", "nginx"), labels=(("team", "blue"),))
    sharing = Service(ObjectKey("default", "nginx"), labels=(("team", "blue"),), sharing_key="k")
    endpoints = (Endpoint("10.0.0.1", node="node1"),)

    def owners(announced: Announceable) -> list[str | None]:
        return [owner(service, announced, endpoints, ALL_ALIVE, {}) for service in (blue, CLUSTER, sharing)]

    assert owners(announced) == ["node3", None, None]
    assert owners(everybody) == ["node3", "node3", "node3"]
