"""After any history the network sees exactly what a second, naive reading of all Services together says."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_address, ip_interface, ip_network
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from metalpy.announcement.announceable import Announceable, Withheld
from metalpy.announcement.bgp import RoutePlan
from metalpy.announcement.route_table import RouteTable
from metalpy.announcement.sessions import Capabilities, sessions
from metalpy.model import (
    AddressRange,
    BGPAdvertisement,
    Config,
    Endpoint,
    Family,
    LabelSelector,
    Node,
    ObjectKey,
    Peer,
    Pool,
    Service,
)
from tests.unit.announcement.bgp_values import Seen, community, large, seen_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metalpy.announcement.routes import Announcement, Routes
    from metalpy.model import IPAddress

RACKS = ("1", "2", "")
ADDRESSES = tuple(map(ip_address, ("192.0.2.1", "192.0.2.2", "192.0.2.17", "2001:db8::1", "2001:db8::2:1")))
BY_RACK = {rack: LabelSelector((("rack", rack),)) for rack in "12"}
BY_TIER = {tier: LabelSelector((("tier", tier),)) for tier in ("gold", "base")}

PEERS = tuple(
    Peer(
        64600,
        64600 if internal else 64601,
        ip_address(address),
        name=name,
        dual_stack=dual_stack,
        node_selectors=tuple(BY_RACK[rack] for rack in racks),
    )
    for address, internal, name, dual_stack, racks in (
        ("10.9.0.1", False, "a", True, ""),
        ("10.9.0.2", True, "b", False, "1"),
        ("10.9.0.3", True, "c", True, "12"),
        ("2001:db8:9::1", False, "d", False, "2"),
    )
)


@dataclass(frozen=True)
class World:
    """Everything that decides what one node announces."""

    rack: str
    peers: tuple[Peer, ...]
    pools: tuple[Pool, ...]
    families: frozenset[Family]

    @property
    def node(self) -> Node:
        return Node("node1", (("rack", self.rack),) if self.rack else ())


@dataclass(frozen=True)
class Wish:
    """A Service as it is announced: of which pool, with which endpoints."""

    pool: int
    addresses: tuple[IPAddress, ...]
    tier: str
    local: bool
    endpoints: tuple[Endpoint, ...]

    @property
    def service(self) -> Service:
        labels = (("tier", self.tier),)
        return Service(ObjectKey("d", "s"), labels=labels, external_traffic_policy="Local" if self.local else "Cluster")


def some(values: Sequence[Any], most: int | None = None) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from(values), unique=True, max_size=most or len(values)).map(tuple)


ADVERTISEMENTS = st.builds(
    BGPAdvertisement,
    aggregation_length=st.sampled_from((24, 28, 32)),
    aggregation_length_v6=st.sampled_from((64, 112, 128)),
    localpref=st.sampled_from((0, 100, 200)),
    communities=some(tuple(map(community, ("1:1", "1:2", "2:1")))),
    large_communities=some((large("9:1:1"), large("9:0:2"), large("4200000000:1:1"))),
    node_selectors=some(tuple(BY_RACK.values())),
    peers=st.none() | some(("a", "b", "c", "nobody")),
    service_selectors=some(tuple(BY_TIER.values()), 1),
)
POOLS = st.builds(
    lambda entries, named: tuple(replace(entry, name=f"adv{i}" if named else "") for i, entry in enumerate(entries)),
    st.lists(ADVERTISEMENTS, min_size=1, max_size=4),
    st.booleans(),
).map(lambda entries: Pool("", (AddressRange((ip_network("192.0.2.0/24"),)),), bgp=entries))
WORLDS = st.builds(
    World,
    rack=st.sampled_from(RACKS),
    peers=some(PEERS),
    pools=st.tuples(POOLS, POOLS).map(lambda pools: tuple(replace(p, name=f"p{i}") for i, p in enumerate(pools))),
    families=some(tuple(Family)).map(frozenset),
)
ENDPOINTS = st.builds(
    Endpoint,
    address=st.sampled_from(("10.1.0.1", "10.1.0.2")),
    ready=st.integers(0, 3).map(bool),
    node=st.sampled_from(("node1", "node2")),
)
WISHES = st.builds(
    Wish,
    pool=st.integers(0, 1),
    addresses=st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=3, unique=True).map(tuple),
    tier=st.sampled_from(tuple(BY_TIER)),
    local=st.booleans(),
    endpoints=st.lists(ENDPOINTS, max_size=3).map(tuple),
)
STEPS = st.lists(st.tuples(st.sampled_from("stuvw"), st.none() | WISHES), max_size=20)


# --- the second reading --------------------------------------------------------------------------------


def expected(world: World, peer: Peer, wishes: Sequence[Wish]) -> Seen:
    """Say from scratch what a peer sees: every address under every advertisement, then the wishes united."""
    if peer not in world.peers or (peer.node_selectors and world.rack not in _values(peer.node_selectors)):
        return {}
    united: dict[str, tuple[int, set[str], set[str]]] = {}
    for wish in wishes:
        if not _is_backed(wish):
            continue
        mine: dict[str, tuple[int, set[str], set[str]]] = {}
        for address in wish.addresses:
            is_own_family = address.version == peer.address.version
            if not is_own_family and not (peer.dual_stack and Family.of(address) in world.families):
                continue
            # What one address gets is settled before the next one: the last listed means within a pool.
            of_address: dict[str, tuple[int, set[str], set[str]]] = {}
            for entry in world.pools[wish.pool].bgp:
                if not _applies(entry, world, wish, peer):
                    continue
                length = entry.aggregation_length if address.version == 4 else entry.aggregation_length_v6
                prefix = str(ip_interface(f"{address}/{length}").network)
                wanted = entry.localpref, set(map(str, entry.communities)), set(map(str, entry.large_communities))
                _unite(of_address, prefix, wanted) if entry.name else of_address.update({prefix: wanted})
            mine |= of_address
        for prefix, wanted in mine.items():
            _unite(united, prefix, wanted)
    return {
        prefix: (preference if peer.my_asn == peer.peer_asn else None, (*sorted(communities), *sorted(larges)))
        for prefix, (preference, communities, larges) in united.items()
    }


def _unite(
    found: dict[str, tuple[int, set[str], set[str]]], prefix: str, wanted: tuple[int, set[str], set[str]]
) -> None:
    preference, communities, larges = found.get(prefix, (0, set(), set()))
    found[prefix] = max(preference, wanted[0]), communities | wanted[1], larges | wanted[2]


def _values(selectors: Sequence[LabelSelector]) -> set[str]:
    return {value for selector in selectors for _, value in selector.match_labels}


def _applies(entry: BGPAdvertisement, world: World, wish: Wish, peer: Peer) -> bool:
    return (
        (not entry.node_selectors or world.rack in _values(entry.node_selectors))
        and (not entry.service_selectors or wish.tier in _values(entry.service_selectors))
        and (entry.peers is None or peer.name in entry.peers)
        and not any(str(value).startswith("4200000000:") for value in entry.large_communities)
    )


def _is_backed(wish: Wish) -> bool:
    healthy = {entry.address for entry in wish.endpoints} - {e.address for e in wish.endpoints if not e.ready}
    nodes = {entry.node for entry in wish.endpoints if entry.address in healthy}
    return "node1" in nodes if wish.local else bool(nodes)


# --- what holds ----------------------------------------------------------------------------------------


def plan_of(world: World) -> RoutePlan:
    config = Config(world.pools, world.peers)
    peering = sessions(config, world.node, Capabilities(families=world.families), IPv4Address("10.9.0.11"))
    return RoutePlan(world.node, peering.sessions)


def wanted(plan: RoutePlan, world: World, wish: Wish | None) -> Routes:
    if wish is None:
        return {}
    found = plan.routes(wish.service, Announceable(wish.addresses, world.pools[wish.pool]), wish.endpoints)
    return {} if isinstance(found, Withheld) else found


class Network:
    """Takes in changes and remembers what each prefix looks like; a change must change something."""

    def __init__(self) -> None:
        self.table = RouteTable()
        self.seen: dict[object, Announcement] = {}

    def update(self, plan: RoutePlan, world: World, wishes: dict[str, Wish | None]) -> None:
        routes = {ObjectKey("d", name): wanted(plan, world, wish) for name, wish in wishes.items()}
        changes = self.table.update(routes)
        assert len({change.prefix for change in changes}) == len(changes)
        for change in changes:
            before = self.seen.pop(change.prefix, None)
            assert change.variants != (before.variants if before else ())
            if change.variants:
                self.seen[change.prefix] = change


def check(network: Network, world: World, wishes: dict[str, Wish]) -> None:
    assert set(network.table.announcements()) == set(network.seen.values())
    for peer in PEERS:
        assert seen_by(peer, network.seen.values()) == expected(world, peer, list(wishes.values()))


@settings(derandomize=True, max_examples=300, deadline=None)
@given(WORLDS, STEPS)
def test_network_sees_the_union_of_all_services_after_every_change(
    world: World, steps: list[tuple[str, Wish | None]]
) -> None:
    network, plan, wishes = Network(), plan_of(world), dict[str, Wish]()
    for name, wish in steps:
        network.update(plan, world, {name: wish})
        wishes.pop(name, None)
        if wish is not None:
            wishes[name] = wish
        check(network, world, wishes)

    network.update(plan, world, dict.fromkeys(wishes))
    assert network.seen == {}
    assert len(network.table) == 0


@settings(derandomize=True, max_examples=150, deadline=None)
@given(WORLDS, WORLDS, STEPS)
def test_new_configuration_or_labels_leave_nothing_of_the_old(
    before: World, after: World, steps: list[tuple[str, Wish | None]]
) -> None:
    network = Network()
    wishes = {name: wish for name, wish in dict(steps).items() if wish is not None}
    network.update(plan_of(before), before, dict(wishes))
    check(network, before, wishes)

    network.update(plan_of(after), after, dict(wishes))
    check(network, after, wishes)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(WORLDS, STEPS, st.integers())
def test_order_of_services_decides_nothing(world: World, steps: list[tuple[str, Wish | None]], seed: int) -> None:
    wishes = dict(steps)
    shuffled = list(wishes.items())
    random.Random(seed).shuffle(shuffled)
    one, other, plan = Network(), Network(), plan_of(world)

    one.update(plan, world, wishes)
    for name, wish in shuffled:
        other.update(plan, world, {name: wish})

    assert one.seen == other.seen
