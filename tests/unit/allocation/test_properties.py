"""What holds after any history: nothing is lost or given twice, order of input and restarts change nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metalpy.allocation.allocator import Allocator, OnConflict
from metalpy.allocation.assignments import Assignments
from metalpy.allocation.demand import demand_of
from metalpy.errors import AllocationError, PoolsConflict
from metalpy.model import Config, Family, Ingress
from tests.unit.allocation.services import CLUSTER_IPS, Cluster, key, pool, ports, service, usable

if TYPE_CHECKING:
    from metalpy.model import IPAddress, Pool, Service

CONFIGS: list[tuple[Pool, ...]] = [
    (
        pool("p", "10.3.0.4/31", "10.3.0.0/31"),
        pool("six", "fc00:6::/127"),
        pool("dual", "10.5.0.254-10.5.1.1", "fc00:5::/127", avoid_buggy_ips=True),
        pool("manual", "10.4.0.0/31", "fc00:4::/127", auto_assign=False),
    ),
    (
        pool("manual", "10.4.0.0/31", auto_assign=False),
        pool("manual6", "fc00:4::/127", auto_assign=False),
        pool("dual", "fc00:5::/127", "10.5.0.254-10.5.1.1"),
        pool("renamed", "10.3.0.0-10.3.0.5", "fc00:6::/126"),
    ),
    (pool("p", "10.3.0.0/32"),),
]
NAMES = "abcdefgh"

thorough = settings(max_examples=250, derandomize=True, deadline=None, database=None)


def some_specs(count: int) -> list[dict[str, Any]]:
    """Make up what Services ask for: one draw each instead of ten keeps the examples fast."""
    rng = random.Random(8)
    requests = ["", "", "", "10.3.0.4", "10.4.0.1", "fc00:6::1", "fc00:5::1,10.5.1.1", "10.5.0.255", "zork"]
    families = ["ipv4", "ipv4", "ipv6", "dual", "dual6"]
    return [
        {
            "cluster_ips": CLUSTER_IPS[family] if rng.random() < 0.95 else (),
            "ip_family_policy": rng.choice(["RequireDualStack", "PreferDualStack"])
            if "dual" in family
            else "SingleStack",
            "type": "LoadBalancer" if rng.random() < 0.9 else "ClusterIP",
            "created": rng.choice(["", "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"]),
            "ports": ports(*rng.sample(["TCP/80", "TCP/443", "UDP/80"], rng.choice([1, 1, 2]))),
            "sharing_key": rng.choice(["", "k", "k", "m"]),
            "external_traffic_policy": rng.choice(["Cluster", "Cluster", "Local"]),
            "selector": rng.choice([(), (("app", "x"),)]),
            "wanted_ips": rng.choice(requests),
            "wanted_pool": rng.choice(["", "", "", "manual", "dual", "nope"]),
        }
        for family in rng.choices(families, k=count)
    ]


specs = st.sampled_from(some_specs(1000))
changes: st.SearchStrategy[dict[str, dict[str, Any] | None]] = st.dictionaries(
    st.sampled_from(NAMES), st.one_of(st.none(), specs, specs, specs), min_size=1, max_size=4
)
histories = st.lists(st.one_of(changes, changes, changes, st.integers(0, 1)), max_size=12)


def take(cluster: Cluster, step: dict[str, dict[str, Any] | None] | int) -> None:
    """Let a step of a history happen: changed Services keep their status, an integer is another configuration."""
    if isinstance(step, int):
        try:
            cluster.configure(*CONFIGS[step])
        except PoolsConflict:
            cluster.outcomes = {}
        return
    gone = [name for name, spec in step.items() if spec is None]
    if gone:
        cluster.delete(*gone)
    there = {name: spec for name, spec in step.items() if spec is not None}
    cluster.apply(
        *(replace(cluster.services.get(key(name), service(name)), **spec) for name, spec in sorted(there.items()))
    )


def run(history: list[Any], on_conflict: OnConflict = OnConflict.REFUSE) -> Cluster:
    cluster = Cluster(*CONFIGS[0], on_conflict=on_conflict)
    for step in history:
        take(cluster, step)
    return cluster


def held(cluster: Cluster) -> dict[str, tuple[IPAddress, ...]]:
    holdings = {name: cluster.assignments.holding(key(name)) for name in NAMES}
    return {name: holding.addresses for name, holding in holdings.items() if holding}


def may_share(one: Service, other: Service) -> bool:
    """Judge two Services on one address by the rules for users, apart from the code under test."""
    backends = [each.selector if each.external_traffic_policy == "Local" else () for each in (one, other)]
    return (
        one.sharing_key != ""
        and one.sharing_key == other.sharing_key
        and backends[0] == backends[1]
        and not set(one.ports) & set(other.ports)
    )


@thorough
@given(histories, st.sampled_from(OnConflict))
def test_used_and_free_are_the_capacity_of_every_pool(history: list[Any], on_conflict: OnConflict) -> None:
    cluster = run(history, on_conflict)
    holdings = held(cluster)
    for name, space in cluster.assignments._allocator._pools.items():
        counts = cluster.assignments.counts()[name]
        whole = {*usable(space.pool, Family.IPV4), *usable(space.pool, Family.IPV6)}
        free = {
            index.address(position)
            for index in space.families.values()
            for end, start in index.free._start_by_end.items()
            for position in range(start, end)
        }
        used = {address for addresses in holdings.values() for address in addresses} & whole

        assert counts.capacity == len(whole)
        assert counts.in_use == len(used)
        assert counts.services == sum(bool(whole & set(addresses)) for addresses in holdings.values())
        assert free == whole - used


@thorough
@given(histories, st.sampled_from(OnConflict))
def test_services_on_one_address_never_clash(history: list[Any], on_conflict: OnConflict) -> None:
    cluster = run(history, on_conflict)
    for (one, ones), (other, others) in combinations(held(cluster).items(), 2):
        if set(ones) & set(others):
            assert may_share(cluster.services[key(one)], cluster.services[key(other)])


@thorough
@given(histories, st.sampled_from(OnConflict))
def test_statuses_say_what_is_held_and_fit_the_demand(history: list[Any], on_conflict: OnConflict) -> None:
    cluster = run(history, on_conflict)
    pools = cluster.assignments._allocator._pools.values()
    for name, addresses in held(cluster).items():
        wanting = cluster.services[key(name)]
        families = {Family.of(address) for address in addresses}
        wanted = set(demand_of(wanting).families)

        assert cluster.ips(name)
        assert wanting.type == "LoadBalancer"
        assert families == wanted or (wanting.ip_family_policy == "PreferDualStack" and families < wanted)
        assert any(
            set(addresses) <= {*usable(space.pool, Family.IPV4), *usable(space.pool, Family.IPV6)} for space in pools
        )
    for other in cluster.services.values():
        if other.key.name not in held(cluster):
            assert other.ingress == ()


@thorough
@given(histories, changes)
def test_change_of_some_services_takes_no_address_from_others(history: list[Any], change: dict[str, Any]) -> None:
    cluster = run(history)
    before = held(cluster)
    take(cluster, change)

    for name, addresses in held(cluster).items():
        if name not in change:
            assert set(addresses) >= set(before.get(name, ()))
    assert before.keys() - change.keys() <= held(cluster).keys()


@thorough
@given(histories)
def test_everything_is_at_rest(history: list[Any]) -> None:
    cluster = run(history)
    before = held(cluster)
    cluster.apply(*cluster.services.values())

    assert held(cluster) == before
    assert not any(outcome.writes_status for outcome in cluster.outcomes.values())


@thorough
@given(histories)
def test_restart_from_statuses_writes_nothing_and_holds_the_same(history: list[Any]) -> None:
    cluster = run(history)
    pools = tuple(space.pool for space in cluster.assignments._allocator._pools.values())
    restarted = Cluster()
    restarted.apply(*cluster.services.values())
    outcomes = restarted.configure(*pools)

    assert not any(outcome.writes_status for outcome in outcomes.values())
    assert held(restarted) == held(cluster)
    assert restarted.assignments.counts() == cluster.assignments.counts()


STATUSES: list[tuple[str, ...]] = [(), (), ("10.3.0.4",), ("10.3.0.0",), ("10.5.0.254", "fc00:5::"), ("10.77.0.1",)]


@thorough
@given(st.permutations([*NAMES]), st.lists(specs, min_size=8, max_size=8), st.data())
def test_order_of_services_does_not_matter(
    shuffled: list[str], wanted: list[dict[str, Any]], data: st.DataObject
) -> None:
    batch = {
        key(name): service(name, *data.draw(st.sampled_from(STATUSES)), **spec)
        for name, spec in zip(NAMES, wanted, strict=True)
    }
    again = {name: service(name, **spec) if spec else None for name, spec in data.draw(changes).items()}
    results = []
    for order in (NAMES, shuffled):
        at_start, at_run_time = Assignments(), Assignments()
        at_start.update({key(name): batch[key(name)] for name in order})
        first = at_start.configure(Config(CONFIGS[0]))
        at_run_time.configure(Config(CONFIGS[0]))
        second = at_run_time.update({key(name): batch[key(name)] for name in order})
        third = at_run_time.update({key(name): again[name] for name in order if name in again})
        outcomes = [{outcome.service.key: outcome for outcome in found} for found in (first, second, third)]
        holdings = [[each.holding(key(name)) for name in NAMES] for each in (at_start, at_run_time)]
        results.append((outcomes, holdings))

    assert results[0] == results[1]


def naive_first_fit(
    pools: tuple[Pool, ...], wanting: Service, users: dict[IPAddress, list[Service]]
) -> list[IPAddress]:
    """Walk all addresses from the first, as the reference does."""
    demand = demand_of(wanting)
    for each in (each for each in pools if each.auto_assign):
        found = []
        for family in demand.families:
            candidates = (
                address
                for address in usable(each, family)
                if all(may_share(wanting, user) for user in users.get(address, []))
            )
            found += list(candidates)[:1]
        if len(found) == len(demand.families):
            order = [network for network in each.prefixes for address in found if address in network]
            return sorted(found, key=lambda address: next(i for i, network in enumerate(order) if address in network))
    return []


@thorough
@given(st.lists(st.one_of(st.integers(0, 20), specs), max_size=24), st.booleans())
def test_first_fit_is_what_a_walk_over_all_addresses_finds(steps: list[Any], sharing: bool) -> None:
    pools = CONFIGS[0]
    target = Allocator()
    target.set_pools(pools)
    users: dict[IPAddress, list[Service]] = {}
    there: list[Service] = []
    for number, step in enumerate(steps):
        if isinstance(step, int):
            if there:
                gone = there.pop(step % len(there))
                target.release(gone.key)
                users = {address: [user for user in found if user != gone] for address, found in users.items()}
            continue
        wanting = service(f"s{number}", **{**step, "cluster_ips": step["cluster_ips"] or ("10.96.0.1",)})
        wanting = wanting if sharing else replace(wanting, sharing_key="")
        expected = naive_first_fit(pools, wanting, users)
        try:
            found = list(target.find(demand_of(wanting)))
        except AllocationError:
            found = []

        assert found == expected
        if found:
            target.hold(tuple(found), demand_of(wanting))
            there.append(wanting)
            for address in found:
                users.setdefault(address, []).append(wanting)


@pytest.mark.parametrize(
    ("text", "avoid_buggy_ips", "expected"),
    [
        pytest.param("0.0.0.0/0", True, ["0.0.0.1", "0.0.0.2", "0.0.0.3"], id="all-ipv4"),
        pytest.param("10.0.0.254-10.0.1.1", True, ["10.0.0.254", "10.0.1.1"], id="over-an-octet"),
        pytest.param("10.0.0.6/31", False, ["10.0.0.6", "10.0.0.7"], id="31"),
        pytest.param("10.0.0.7/32", False, ["10.0.0.7"], id="32"),
        pytest.param("fc00::/64", False, ["fc00::", "fc00::1", "fc00::2"], id="ipv6-64"),
    ],
)
def test_addresses_are_handed_out_in_ascending_order(text: str, avoid_buggy_ips: bool, expected: list[str]) -> None:
    cluster = Cluster(pool("p", text, avoid_buggy_ips=avoid_buggy_ips))
    family = "ipv6" if ":" in text else "ipv4"
    for name in "abc":
        cluster.apply(service(name, family=family))

    assert [cluster.ips(name) for name in "abc"][: len(expected)] == [[text] for text in expected]


@pytest.mark.parametrize("hole", [0, 253, 254, 1023], ids=str)
def test_hole_in_a_full_pool_is_found(hole: int) -> None:
    cluster = Cluster(pool("p", "10.0.0.0/22"))
    cluster.apply(*(service(f"s{number}", created=f"{number:05}") for number in range(1024)))
    (address,) = cluster.ips(f"s{hole}")
    cluster.delete(f"s{hole}")
    cluster.apply(service("new"))

    assert cluster.services[key("new")].ingress == (Ingress(address),)
