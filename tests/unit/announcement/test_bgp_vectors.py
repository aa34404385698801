"""The table of what routers see, through everything that is pure: configuration text to routes per peer."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Literal, cast

import pytest

from metalpy.allocation.pools import AddressBook, PoolSpace
from metalpy.announcement.announceable import Announceable, Withheld, announceable
from metalpy.announcement.bgp import RoutePlan, refused_advertisements
from metalpy.announcement.route_table import RouteTable
from metalpy.announcement.sessions import Capabilities, sessions
from metalpy.config.legacy import parse_legacy
from metalpy.model import Endpoint, Ingress, Node, ObjectKey, Service
from tests.unit.announcement.bgp_cases import CASES, Balancer, Case
from tests.unit.announcement.bgp_values import seen_by


def service(number: int, balancer: Balancer) -> Service:
    policy = cast('Literal["Cluster", "Local"]', balancer.policy)
    ingress = tuple(Ingress(ip) for ip in balancer.ips)
    return Service(ObjectKey("default", f"s{number}"), external_traffic_policy=policy, ingress=ingress)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_routers_see_what_the_table_says(case: Case) -> None:
    config = parse_legacy(case.config).config
    node = Node("node1", tuple(sorted(case.labels.items())))
    peering = sessions(config, node, Capabilities(bfd=True), IPv4Address("10.9.0.11"))
    plan, pools = RoutePlan(node, peering.sessions), AddressBook(PoolSpace(pool) for pool in config.pools)
    table = RouteTable()

    for number, balancer in enumerate(case.services):
        candidate = service(number, balancer)
        endpoints = [Endpoint(address, ready=ready, node=where) for address, where, ready in balancer.endpoints]
        decision = announceable(candidate, pools)
        found = plan.routes(candidate, decision, endpoints) if isinstance(decision, Announceable) else decision
        table.set(candidate.key, {} if isinstance(found, Withheld) else found)

    assert peering.refused == ()
    assert refused_advertisements(config.pools) == ()
    assert {str(peer.address): seen_by(peer, table.announcements()) for peer in config.peers} == case.expected


def test_table_has_distinct_names() -> None:
    names = [case.id for case in CASES]

    assert sorted(set(names)) == sorted(names)
