"""What a Service becomes on a node's sessions, and the reference's reasons why it becomes nothing."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from metalpy.announcement.announceable import Withheld
from metalpy.announcement.bgp import refused_advertisements
from metalpy.announcement.routes import RESERVED_ADMINISTRATOR
from metalpy.model import EXCLUDE_LABEL, BGPAdvertisement, Endpoint, LabelSelector, Node
from tests.unit.announcement.bgp_values import (
    EBGP,
    IBGP,
    NODE,
    READY,
    advertisement,
    announced,
    large,
    plan,
    pool,
    routes,
    seen_by,
    service,
)

LOCAL = service(external_traffic_policy="Local")
EXCLUDED = replace(NODE, labels=((EXCLUDE_LABEL, ""),))
RACK1, RACK2 = ((LabelSelector((("rack", rack),)),) for rack in "12")


# --- whether a node announces --------------------------------------------------------------------------


def endpoint(address: str = "10.1.0.1", node: str = "node1", *, ready: bool = True, serving: bool = False) -> Endpoint:
    return Endpoint(address, ready=ready, node=node, serving=serving)


@pytest.mark.parametrize(
    ("candidate", "endpoints", "reason"),
    [
        pytest.param(service(), (endpoint(node="node2"),), "", id="cluster-elsewhere"),
        pytest.param(service(), (), "noEndpoints", id="cluster-none"),
        pytest.param(service(), None, "noEndpoints", id="cluster-unknown"),
        pytest.param(service(), (endpoint(ready=False),), "noEndpoints", id="cluster-not-ready"),
        pytest.param(service(), (endpoint(ready=False, serving=True),), "", id="cluster-serving"),
        pytest.param(LOCAL, (endpoint(node="node1"),), "", id="local-here"),
        pytest.param(LOCAL, (endpoint(node="node2"),), "noLocalEndpoints", id="local-elsewhere"),
        pytest.param(LOCAL, (endpoint(node=""),), "noLocalEndpoints", id="local-unknown-node"),
        pytest.param(LOCAL, (endpoint(ready=False),), "noLocalEndpoints", id="local-not-ready"),
        pytest.param(LOCAL, (), "noLocalEndpoints", id="local-none"),
        pytest.param(service(), (endpoint(), endpoint(ready=False)), "noEndpoints", id="one-port-not-ready"),
        pytest.param(service(), (endpoint(ready=False), endpoint()), "noEndpoints", id="one-port-not-ready-first"),
        pytest.param(
            service(), (endpoint(), endpoint("10.1.0.2"), endpoint(ready=False)), "", id="another-pod-is-healthy"
        ),
    ],
)
def test_endpoints_decide_whether_a_node_announces(
    candidate: object, endpoints: tuple[Endpoint, ...] | None, reason: str
) -> None:
    found = plan().routes(candidate, announced(pool()), endpoints)  # type: ignore[arg-type]

    assert (found.reason if isinstance(found, Withheld) else "") == reason


def test_node_labelled_out_of_load_balancing_announces_only_where_the_label_is_ignored() -> None:
    withheld = plan(node=EXCLUDED).routes(service(), announced(pool()), READY)

    assert withheld == Withheld("nodeLabeledExcludeBalancers")
    assert routes(pool(), node=EXCLUDED, ignore_exclude_label=True)


def test_node_without_a_network_announces_nothing() -> None:
    node = replace(NODE, network_unavailable=True)

    assert plan(node=node).routes(service(), announced(pool()), READY) == Withheld("nodeNetworkUnavailable")


def test_node_that_no_advertisement_selects_announces_nothing() -> None:
    elsewhere = pool(advertisement(node_selectors=RACK2))

    assert plan().routes(service(), announced(elsewhere), READY) == Withheld("notOwner")


# --- what it announces ---------------------------------------------------------------------------------


def test_each_address_is_a_route_of_each_advertisement_masked_to_its_familys_length() -> None:
    found = routes(pool(advertisement(24, 112), advertisement(32, 128)), "192.0.2.10", "2001:db8::10")

    assert set(map(str, found)) == {"192.0.2.0/24", "192.0.2.10/32", "2001:db8::/112", "2001:db8::10/128"}


def test_only_peers_of_our_own_system_are_told_a_local_preference() -> None:
    found = routes(pool(advertisement(localpref=200)))

    assert seen_by(IBGP, found) == {"192.0.2.10/32": (200, ())}
    assert seen_by(EBGP, found) == {"192.0.2.10/32": (None, ())}


def test_local_preference_that_is_not_set_is_zero() -> None:
    assert seen_by(IBGP, routes(pool())) == {"192.0.2.10/32": (0, ())}


def test_peers_that_see_the_same_share_a_variant() -> None:
    other = replace(EBGP, address=ip_address("10.9.0.3"))

    ((_, variants),) = routes(pool(), peers=(EBGP, IBGP, other)).items()

    assert [peers for _, peers in variants] == [{EBGP, other}, {IBGP}]


def test_communities_are_ascending_by_value_and_each_there_once() -> None:
    entry = advertisement(32, 128, "64601:2", "64600:70", "64601:2", large_communities=(large("9:0:1"), large("8:9:9")))

    assert seen_by(EBGP, routes(pool(entry))) == {"192.0.2.10/32": (None, ("64600:70", "64601:2", "8:9:9", "9:0:1"))}


def test_last_listed_of_a_legacy_pools_entries_with_one_length_counts() -> None:
    entries = advertisement(32, 64, "1:1", localpref=300), advertisement(32, 128, "1:2", localpref=100)

    found = routes(pool(*entries), "192.0.2.10", "2001:db8::10")

    assert seen_by(IBGP, found) == {
        "192.0.2.10/32": (100, ("1:2",)),
        "2001:db8::/64": (300, ("1:1",)),
        "2001:db8::10/128": (100, ("1:2",)),
    }


def test_advertisement_objects_with_one_length_are_united_in_any_order() -> None:
    entries = advertisement(32, 128, "1:2", localpref=300, name="a"), advertisement(32, 128, "1:1", name="b")

    for ordered in (entries, entries[::-1]):
        assert seen_by(IBGP, routes(pool(*ordered))) == {"192.0.2.10/32": (300, ("1:1", "1:2"))}


def test_advertisement_reaches_only_the_peers_that_it_names() -> None:
    named, other = replace(EBGP, name="tor"), replace(IBGP, name="spine")
    entries = advertisement(24, name="a", peers=("tor", "nobody")), advertisement(32, name="b", peers=())

    found = routes(pool(*entries), peers=(named, other))

    assert seen_by(named, found) == {"192.0.2.0/24": (None, ())}
    assert seen_by(other, found) == {}


def test_advertisement_reaches_only_the_nodes_that_it_selects() -> None:
    entries = advertisement(24, node_selectors=RACK1), advertisement(32, node_selectors=RACK2)

    assert list(map(str, routes(pool(*entries)))) == ["192.0.2.0/24"]
    assert list(map(str, routes(pool(*entries), node=Node("node2", (("rack", "2"),))))) == ["192.0.2.10/32"]


def test_advertisement_is_only_for_the_services_that_it_selects() -> None:
    gold = LabelSelector((("tier", "gold"),))
    entries = pool(advertisement(32, 128, "1:1", service_selectors=(gold,), name="gold"), advertisement(32, name="all"))
    outlook = plan()

    def communities(*labels: tuple[str, str]) -> object:
        found = outlook.routes(service(labels=labels), announced(entries), READY)
        return seen_by(EBGP, found) if not isinstance(found, Withheld) else found.reason

    assert communities(("tier", "gold")) == {"192.0.2.10/32": (None, ("1:1",))}
    assert communities() == {"192.0.2.10/32": (None, ())}
    assert communities(("tier", "gold")) == {"192.0.2.10/32": (None, ("1:1",))}


def test_service_that_no_advertisement_selects_is_not_announced() -> None:
    entry = advertisement(service_selectors=(LabelSelector((("tier", "gold"),)),))

    assert plan().routes(service(), announced(pool(entry)), READY) == Withheld("notOwner")


def test_session_gets_only_the_families_that_it_carries() -> None:
    single, dual = replace(EBGP, dual_stack=False), IBGP

    found = routes(pool(), "192.0.2.10", "2001:db8::10", peers=(single, dual))

    assert set(seen_by(single, found)) == {"192.0.2.10/32"}
    assert set(seen_by(dual, found)) == {"192.0.2.10/32", "2001:db8::10/128"}


def test_prefix_that_no_session_carries_is_no_route() -> None:
    assert routes(pool(), "2001:db8::10", peers=(replace(EBGP, dual_stack=False),)) == {}


def test_pool_that_changed_is_read_anew() -> None:
    outlook = plan()
    outlook.routes(service(), announced(pool()), READY)

    found = outlook.routes(service(), announced(pool(advertisement(24))), READY)

    assert not isinstance(found, Withheld)
    assert list(map(str, found)) == ["192.0.2.0/24"]


# --- what is refused -----------------------------------------------------------------------------------


def many(count: int) -> tuple[str, ...]:
    return tuple(f"1:{number}" for number in range(count))


@pytest.mark.parametrize(
    ("bad", "phrase"),
    [
        pytest.param(advertisement(32, 128, *many(64)), "has 64 communities", id="64-communities"),
        pytest.param(
            advertisement(large_communities=(large(f"{RESERVED_ADMINISTRATOR}:1:2"),)), "4200000000:1:2", id="reserved"
        ),
    ],
)
def test_bad_advertisement_is_named_and_the_others_yield_their_routes(bad: BGPAdvertisement, phrase: str) -> None:
    mixed = pool(advertisement(24), bad, advertisement(28))

    (refused,) = refused_advertisements([pool(name="fine"), mixed])

    assert (refused.pool, refused.index) == ("p", 1)
    assert phrase in refused.reason
    assert str(refused).startswith("pool 'p': BGP advertisement 1: ")
    assert list(map(str, routes(mixed))) == ["192.0.2.0/24", "192.0.2.0/28"]


def test_advertisement_may_have_63_communities() -> None:
    full = pool(advertisement(32, 128, *many(63), *many(10)))

    assert refused_advertisements([full]) == ()
    assert len(seen_by(EBGP, routes(full))["192.0.2.10/32"][1]) == 63


def test_bad_advertisement_does_not_hide_an_earlier_one_of_its_length() -> None:
    found = routes(pool(advertisement(32, 128, "1:1"), advertisement(32, 128, *many(64))))

    assert seen_by(EBGP, found) == {"192.0.2.10/32": (None, ("1:1",))}
