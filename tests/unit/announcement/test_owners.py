"""All owners at once: they follow every change, sharers agree, and a change of hands has a cause."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalpy.announcement.announceable import Announceable
from metalpy.announcement.candidates import Rules, subnets_of
from metalpy.announcement.causes import Cause
from metalpy.announcement.owners import Owners
from metalpy.announcement.speakers import Speakers, shown_alive
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
    SpeakerPod,
    parse_address,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = ("node1", "node2", "node3")
ALL = frozenset(NAMES)
OF_3, OF_1 = "192.168.1.240", "192.168.1.241"  # by the plain election
POOL = Pool("p", (AddressRange(()),), layer2=(L2Advertisement(),))
PLAIN, SPREAD, SUBNETS = Rules(), Rules(spread=True), Rules(subnet_aware=True)


def service(name: str, **fields: object) -> Service:
    return replace(Service(ObjectKey("default", name)), **fields)  # type: ignore[arg-type]


def at(*nodes: str) -> tuple[Endpoint, ...]:
    return tuple(Endpoint("10.1.0.1", node=node) for node in nodes)


def speakers(alive: Iterable[str] = ALL, **changed: Node) -> Speakers:
    nodes = {name: Node(name) for name in NAMES} | changed
    return Speakers(frozenset(alive), nodes, frozenset(nodes))


def first_by_hash(names: Iterable[str], address: str) -> str | None:
    return min(names, key=lambda name: hashlib.sha256(f"{name}#{address}".encode()).digest(), default=None)


class Election:
    """Owners with Services put in as a test goes on."""

    def __init__(self, rules: Rules = PLAIN) -> None:
        self.owners = Owners(rules)
        self.owners.see(speakers())

    def put(
        self, one: Service, address: str, endpoints: tuple[Endpoint, ...] = at("node2"), pool: Pool = POOL
    ) -> str | None:
        self.owners.put(one, Announceable((parse_address(address),), pool), endpoints)
        self.owners.settle()
        return self.owners.owner(one.key)

    def see(self, seen: Speakers) -> set[str]:
        self.owners.see(seen)
        return {key.name for key in self.owners.settle()}

    def cause(self, name: str) -> tuple[str, Cause] | None:
        return self.owners.gained(ObjectKey("default", name))

    def owner(self, name: str) -> str | None:
        return self.owners.owner(ObjectKey("default", name))


def test_only_services_whose_owner_changed_are_reported_when_a_node_dies() -> None:
    election = Election()
    assert (election.put(service("a"), OF_3), election.put(service("b"), OF_1)) == ("node3", "node1")

    assert election.see(speakers(ALL - {"node3"})) == {"a"}
    assert (election.owner("a"), election.owner("b")) == ("node1", "node1")


def test_preferred_node_owns_while_it_is_a_candidate() -> None:
    election = Election()
    assert election.put(service("a", preferred_node="node2"), OF_3) == "node2"

    election.see(speakers(ALL - {"node2"}))
    assert election.owner("a") == "node3"
    assert election.put(service("a", preferred_node="elsewhere"), OF_3) == "node3"
    local = service("a", preferred_node="node2", external_traffic_policy="Local")
    assert election.put(local, OF_3, at("node1")) == "node1"


@pytest.mark.parametrize("rules", [PLAIN, SPREAD], ids=["plain", "spread"])
def test_oldest_sharer_that_prefers_a_node_is_heard_for_all_in_whatever_order_they_come(rules: Rules) -> None:
    sharers = [
        service("silent", created="2026-01-01"),
        service("young", created="2026-03-01", preferred_node="node1"),
        service("old", created="2026-02-01", preferred_node="node2"),
    ]
    for chance in map(random.Random, range(6)):
        election = Election(rules)
        for one in chance.sample(sharers, 3):
            election.put(one, OF_3)
        assert {election.owner(one.key.name) for one in sharers} == {"node2"}

        election.owners.drop(ObjectKey("default", "old"))
        election.owners.settle()
        assert (election.owner("old"), election.owner("silent"), election.owner("young")) == (None, "node1", "node1")


@pytest.mark.parametrize("rules", [PLAIN, SPREAD], ids=["plain", "spread"])
def test_history_does_not_matter_and_sharers_agree_whatever_happens(rules: Rules) -> None:
    chance = random.Random(5)
    for _ in range(40):
        election, now, alive = Election(rules), dict[str, tuple[Service, str, tuple[Endpoint, ...]]](), ALL
        for _ in range(40):
            name = f"s{chance.randrange(12)}"
            match chance.randrange(6):
                case 0:
                    now.pop(name, None)
                    election.owners.drop(ObjectKey("default", name))
                case 1:
                    alive = frozenset(chance.sample(NAMES, chance.randrange(4)))
                    election.owners.see(speakers(alive))
                case _:
                    wish = chance.choice(("", "", "node1", "node3", "zork"))
                    one = service(name, preferred_node=wish, created=f"2026-01-{chance.randrange(10, 20)}")
                    now[name] = (
                        one,
                        f"192.168.1.{chance.randrange(8)}",
                        at(*chance.choices(NAMES, k=chance.choice((0, 1, 2)))),
                    )
                    election.owners.put(one, Announceable((parse_address(now[name][1]),), POOL), now[name][2])
            if chance.randrange(3):
                election.owners.settle()
        election.owners.settle()

        fresh = Election(rules)
        fresh.owners.see(speakers(alive))
        for one, address, endpoints in now.values():
            fresh.owners.put(one, Announceable((parse_address(address),), POOL), endpoints)
        fresh.owners.settle()
        assert {name: election.owner(name) for name in now} == {name: fresh.owner(name) for name in now}
        by_address = defaultdict(set)
        for name, (_, address, endpoints) in now.items():
            if endpoints:
                by_address[address].add(election.owner(name))
        assert all(len(owners) == 1 for owners in by_address.values())


def test_owners_are_those_of_the_plain_election() -> None:
    chance, election = random.Random(3), Election()
    for number in range(200):
        one = service("a", external_traffic_policy=chance.choice(("Cluster", "Local")))
        address = f"10.0.{number}.1"
        endpoints, alive = at(*chance.choices(NAMES, k=2)), frozenset(chance.sample(NAMES, 2))
        election.owners.see(speakers(alive))
        serving = {each.node for each in endpoints} if one.external_traffic_policy == "Local" else ALL
        assert election.put(one, address, endpoints) == first_by_hash(alive & serving, address)


def test_spread_gives_each_of_three_nodes_a_third_and_keeps_what_failing_pods_leave() -> None:
    election = Election(SPREAD)
    for number in range(9):
        election.put(service(f"s{number}"), f"192.168.1.{number}")
    owners = {number: election.owner(f"s{number}") for number in range(9)}
    assert Counter(owners.values()) == dict.fromkeys(NAMES, 3)

    assert election.put(service("s0"), "192.168.1.0", ()) is None
    assert {number: election.owner(f"s{number}") for number in range(1, 9)} == {
        number: node for number, node in owners.items() if number
    }


def test_services_of_other_rosters_are_spread_by_themselves() -> None:
    election = Election(SPREAD)
    for number in range(6):
        election.put(service(f"s{number}"), f"192.168.1.{number}")
        local = service(f"l{number}", external_traffic_policy="Local")
        election.put(local, f"192.168.2.{number}", at("node1", "node2"))

    assert Counter(election.owner(f"s{number}") for number in range(6)) == dict.fromkeys(NAMES, 2)
    assert Counter(election.owner(f"l{number}") for number in range(6)) == {"node1": 3, "node2": 3}


def test_address_in_a_subnet_that_nodes_list_is_answered_for_by_those_alone() -> None:
    listed = speakers(
        node1=Node("node1", subnets="192.168.1.0/24, fd00::/64"), node2=Node("node2", subnets="192.168.1.7/24")
    )
    for rules, expected in ((SUBNETS, "node1"), (PLAIN, "node3")):
        election = Election(rules)
        election.see(listed)
        assert election.put(service("a"), OF_3) == expected
        assert election.put(service("b"), "10.0.0.1") == first_by_hash(ALL, "10.0.0.1")


def test_list_of_subnets_that_cannot_be_read_counts_as_none() -> None:
    election = Election(SUBNETS)
    election.see(speakers(node1=Node("node1", subnets="192.168.1.0/24,zork")))

    assert election.put(service("a"), OF_3) == "node3"
    with pytest.raises(ValueError, match="'zork' is no subnet: want CIDRs"):
        subnets_of("192.168.1.0/24,zork")


SELECTIVE = replace(POOL, layer2=(L2Advertisement((LabelSelector((("rack", "1"),)),)),))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(speakers(ALL - {"node3"}, node3=Node("node3", ready=False)), Cause.NODE_NOT_READY, id="not-ready"),
        pytest.param(speakers(ALL - {"node3"}), Cause.MEMBER_GONE, id="speaker-gone"),
        pytest.param(Speakers(ALL - {"node3"}, {}, ALL), Cause.MEMBER_GONE, id="node-gone"),
        pytest.param(speakers(node3=Node("node3", ((EXCLUDE_LABEL, ""),))), Cause.NODE_EXCLUDED, id="excluded"),
        pytest.param(
            speakers(node3=Node("node3", network_unavailable=True)), Cause.NODE_NETWORK_UNAVAILABLE, id="no-network"
        ),
    ],
)
def test_cause_is_what_happened_to_the_former_owners_node(seen: Speakers, expected: Cause) -> None:
    election = Election()
    election.put(service("a"), OF_3)
    election.see(seen)

    assert (election.owner("a"), election.cause("a")) == ("node1", ("node3", expected))


def test_cause_is_the_pool_where_it_selects_other_nodes() -> None:
    election = Election()
    election.see(speakers(node2=Node("node2", (("rack", "1"),))))
    election.put(service("a"), OF_3)

    assert election.put(service("a"), OF_3, pool=SELECTIVE) == "node2"
    assert election.cause("a") == ("node3", Cause.CONFIG_CHANGED)


def test_cause_is_the_endpoints_where_they_moved() -> None:
    election, local = Election(), service("a", external_traffic_policy="Local")
    election.put(local, OF_3, at("node3"))

    assert election.put(local, OF_3, at("node2")) == "node2"
    assert election.cause("a") == ("node3", Cause.ENDPOINTS_MOVED)


def test_cause_is_the_preference_that_came_or_went() -> None:
    election = Election()
    election.put(service("a"), OF_3)
    election.put(service("a", preferred_node="node2"), OF_3)
    assert election.cause("a") == ("node3", Cause.PREFERRED_NODE)

    election.put(service("a"), OF_3)
    assert election.cause("a") == ("node2", Cause.PREFERRED_NODE)


def test_cause_is_the_member_that_joined() -> None:
    election = Election()
    election.see(speakers(ALL - {"node3"}))
    election.put(service("a"), OF_3)
    election.see(speakers())

    assert (election.owner("a"), election.cause("a")) == ("node3", ("node1", Cause.MEMBER_JOINED))


def test_cause_is_the_spread_where_only_other_addresses_changed() -> None:
    election, causes = Election(SPREAD), set[Cause]()
    for number in range(12):
        election.put(service(f"s{number:02}", created=f"2026-01-{30 - number}"), f"192.168.1.{number}")
        causes.update(gained[1] for other in range(number) if (gained := election.cause(f"s{other:02}")))

    assert causes == {Cause.SPREAD}


def test_first_owner_and_another_address_have_no_former_owner() -> None:
    election = Election()
    election.put(service("a"), OF_3)
    assert election.cause("a") is None

    assert election.put(service("a"), OF_1) == "node1"
    assert election.cause("a") is None


def test_ready_nodes_with_a_ready_speaker_are_alive() -> None:
    nodes = {"a": Node("a"), "b": Node("b"), "c": Node("c", ready=False)}
    pods = [SpeakerPod("a"), SpeakerPod("a", ready=False), SpeakerPod("b", ready=False), SpeakerPod("c")]

    assert shown_alive(nodes, pods, "a") == {"a"}


def test_ready_nodes_are_alive_while_no_speakers_pod_is_ready() -> None:
    nodes = {"a": Node("a"), "b": Node("b"), "c": Node("c", ready=False)}

    assert shown_alive(nodes, [], "a") == {"a", "b"}
    assert shown_alive(nodes, [SpeakerPod("a", ready=False)], "a") == {"a", "b"}
    assert shown_alive({}, [], "own") == {"own"}


def test_address_follows_the_score_of_nodes_and_the_configuration_is_the_cause() -> None:
    edge = LabelSelector((("role", "edge"),))
    preferring = replace(POOL, layer2=(L2Advertisement(preferred=(PreferredNodes(5, edge),)),))
    election = Election()
    assert election.put(service("a"), OF_3, pool=preferring) == "node3"

    election.see(speakers(node2=Node("node2", (("role", "edge"),))))
    assert (election.owner("a"), election.cause("a")) == ("node2", ("node3", Cause.CONFIG_CHANGED))
    election.see(speakers())
    assert election.owner("a") == "node3"
