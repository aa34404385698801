"""What routers have from MetalLB 0.11's speaker they have from ours, under each configuration and after each edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metalpy.model import EXCLUDE_LABEL
from tests.lab.wait import wait_until
from tests.seeds.two_speakers import ASN, BOTH, LEGACY, OURS, ROUTERS, SETTLED_S, WITNESS, TwoSpeakers
from tests.unit.announcement.bgp_cases import (
    CASES,
    EBGP,
    EBGP_PEER,
    ELSEWHERE,
    HOST,
    IBGP,
    NONE,
    Balancer,
    Case,
    both,
    config,
    everyone,
    pool,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from metalpy.model import Peer
    from tests.unit.announcement.bgp_cases import Seen

NOT_TO_COMPARE = {
    "both-families": "0.11 has no aggregation-length-v6, and its speakers announce no IPv6",
    "ipv6-host": "0.11's speakers announce no IPv6",
    "ipv4-over-an-ipv6-session": "0.11's next hop is malformed over an IPv6 session",
}
REFUSED = {
    "aggregate-beyond-a-range": "0.11 holds every block of a range against the length, from 0.12 on only the largest",
    "two-pools-want-one-prefix": "likewise, so two pools cannot want one prefix before 0.12",
}
"""Not taken by 0.11, which keeps the configuration before; what ours does with it is held against the case alone."""
PLAYED = sorted(
    (case for case in CASES if case.id not in NOT_TO_COMPARE),
    key=lambda case: case.config.partition("address-pools:")[0],
)
"""Those with the same peers follow each other: a new session takes seconds."""

WIDE = pool("aggregation-length: 24")
MORE = pool(addresses="198.18.5.0/29", name="q")
TWO = (Balancer(), Balancer(("198.18.5.7",)))
BOTH_POOLS = everyone(both("198.18.4.0/24"), both("198.18.5.7/32"))
IBGP_PEER = f"- {{my-asn: 64600, peer-asn: 64600, peer-address: {IBGP}}}\n"
RACK = config(WIDE, peers=EBGP_PEER + ", node-selectors: [{match-labels: {rack: '1'}}]}\n" + IBGP_PEER)
ONLY_IBGP: dict[str, Seen] = {EBGP: {}, IBGP: both("198.18.4.0/24")[IBGP]}
FREED = Case("the-last-service-of-the-pool-goes", config(WIDE), both("198.18.4.0/24"))
EDITS = (
    Case("start", config(), both(HOST)),
    Case("preference", config(pool("localpref: 150, communities: ['1:7']")), both(HOST, "1:7", localpref=150)),
    Case(
        "community-by-name",
        config(pool("localpref: 150, communities: [seven]"), aliases="seven: '1:7'"),
        both(HOST, "1:7", localpref=150),
    ),
    Case(
        "name-means-another",
        config(pool("localpref: 150, communities: [seven]"), aliases="seven: '1:8'"),
        both(HOST, "1:8", localpref=150),
    ),
    Case(
        "aggregate-beside-it",
        config(pool("aggregation-length: 24", "localpref: 150, communities: ['1:8']")),
        everyone(both("198.18.4.0/24"), both(HOST, "1:8", localpref=150)),
    ),
    Case("aggregate-alone", config(WIDE), both("198.18.4.0/24")),
    Case("another-pool", config(WIDE, MORE), BOTH_POOLS, TWO),
    Case("key-is-misspelt", config(pool("agregation-length: 25"), MORE), BOTH_POOLS, TWO),
    Case("pool-in-use-goes", config(WIDE), BOTH_POOLS, TWO),
    FREED,
    Case("peer-goes", config(WIDE, peers="peers:\n" + IBGP_PEER), ONLY_IBGP),
    Case("peer-is-back", config(WIDE, peers=EBGP_PEER + ", hold-time: 30s}\n" + IBGP_PEER), both("198.18.4.0/24")),
    Case("peer-for-other-nodes", RACK, ONLY_IBGP),
    Case("node-moves-there", RACK, both("198.18.4.0/24"), labels={"rack": "1"}),
    Case("node-moves-away", RACK, ONLY_IBGP, labels={"rack": "2"}),
    Case("peer-for-all-again", config(WIDE), both("198.18.4.0/24")),
    Case("pool-to-layer2", config(pool().replace("bgp", "layer2")), NONE),
    Case("pool-to-bgp", config(), both(HOST)),
    Case("address-changes", config(), both("198.18.4.99/32"), (Balancer(("198.18.4.99",)),)),
    Case("address-is-taken-away", config(), NONE, (Balancer(()),)),
    Case("address-is-back", config(), both(HOST)),
    Case("endpoints-go", config(), NONE, (Balancer(endpoints=()),)),
    Case("endpoints-are-back-elsewhere", config(), both(HOST), (Balancer(endpoints=ELSEWHERE),)),
    Case("policy-becomes-local", config(), NONE, (Balancer(endpoints=ELSEWHERE, policy="Local"),)),
    Case("policy-becomes-cluster", config(), both(HOST), (Balancer(endpoints=ELSEWHERE),)),
)
"""The story: each edit finds the cluster as the one before left it."""
REFUSED_BY_BOTH = {"key-is-misspelt", "pool-in-use-goes"}
LIMITS = (
    pytest.param(EBGP_PEER + ", hold-time: 0s}\n" + IBGP_PEER, EBGP, "hold time 0", id="no-timers"),
    pytest.param(
        EBGP_PEER + ", router-id: 10.9.9.1}\n" + IBGP_PEER.replace("}", ", router-id: 10.9.9.2}"),
        IBGP,
        "router ID 10.9.9.2 differs",
        id="two-router-ids",
    ),
    pytest.param(
        EBGP_PEER + "}\n" + IBGP_PEER + EBGP_PEER.removeprefix("peers:\n") + ", peer-port: 1790}\n",
        None,
        f"peer {EBGP}:1790: {EBGP} is also the address of peer {EBGP}:179 listed before it",
        id="one-address-twice",
    ),
)
"""What gobgpd cannot: peers, which router ours then has no session with, if any, and what it says of that."""
PEER_OPTIONS = (
    pytest.param(EBGP_PEER.replace("64600", "4200000123") + "}\n", "remote-as 4200000123", id="as-of-four-octets"),
    pytest.param(EBGP_PEER + ", password: geheim}\n", "password geheim", id="password"),
    pytest.param(EBGP_PEER + ", hold-time: 6s}\n", "", id="hold-time"),
    pytest.param(EBGP_PEER + ", router-id: 10.9.9.1}\n", "", id="router-id"),
)
"""Peers, and what the router must be told of its neighbours for them."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoSpeakers]:
    with TwoSpeakers(tmp_path_factory.mktemp("speakers")) as speakers:
        yield speakers


def test_only_what_0_11_cannot_say_is_not_compared() -> None:
    assert {case.id for case in CASES if not case.legacy} == NOT_TO_COMPARE.keys() | REFUSED.keys()
    assert len(PLAYED) - len(REFUSED) >= 30


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in PLAYED])
def test_routers_have_the_same_from_both_speakers(site: TwoSpeakers, case: Case) -> None:
    takers = (OURS,) if case.id in REFUSED else BOTH
    before = site.ups()

    site.edit(case, takers=takers)

    compare(site, case, takers)
    assert_kept(site, before)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in EDITS])
def test_routers_have_the_same_after_each_edit(site: TwoSpeakers, case: Case) -> None:
    before = site.ups()
    if case is FREED:
        # MetalLB 0.11 tries the edit that it refused no more; what it then announces is the same here.
        site.change_services(case, takers=(OURS,))
    else:
        site.edit(case, takers=() if case.id in REFUSED_BY_BOTH else BOTH)

    compare(site, case)
    assert_kept(site, before)


@pytest.fixture
def told(site: TwoSpeakers, request: pytest.FixtureRequest) -> Iterator[str]:
    """Tell the eBGP router something of both speakers, for one test."""
    router = site.frr[EBGP]
    back = [f"neighbor {speaker} remote-as {ASN}" for speaker in BOTH]

    def tell(*lines: str) -> None:
        # While nobody calls: MetalLB 0.11 takes in nothing as long as a call of its that it is to end is not answered.
        quiet = Case("nobody-calls", config(peers="peers:\n" + IBGP_PEER), {IBGP: both(HOST)[IBGP]})
        site.edit(quiet)
        compare(site, quiet)
        router.configure(f"router bgp {router.asn}", *lines)

    text: str = request.param
    tell(*(f"neighbor {speaker} {text}" for speaker in BOTH if text))
    yield text
    tell(*back, *(f"no neighbor {speaker} password" for speaker in BOTH))


@pytest.mark.parametrize(("peers", "told"), PEER_OPTIONS, indirect=["told"])
@pytest.mark.usefixtures("told")
def test_sessions_of_both_speakers_are_alike(site: TwoSpeakers, peers: str) -> None:
    case = Case("options", config(peers=peers + IBGP_PEER), both(HOST))
    site.edit(case)

    compare(site, case)
    first, other = (site.frr[EBGP].neighbor(speaker) for speaker in BOTH)
    same = ("remoteAs", "bgpTimerHoldTimeMsecs", "bgpTimerKeepAliveIntervalMsecs")
    assert {key: first[key] for key in same} == {key: other[key] for key in same}
    assert (first["remoteRouterId"] == other["remoteRouterId"]) == ("router-id" in peers)


@pytest.mark.parametrize(("peers", "silent", "reason"), LIMITS)
def test_session_that_only_metallb_can_have_is_told(
    site: TwoSpeakers, peers: str, silent: str | None, reason: str
) -> None:
    site.edit(Case("limit", config(peers=peers), {}), silent=(silent,) if silent else ())

    for router in (EBGP, IBGP):
        announced = both(HOST)[router]
        site.await_table(router, LEGACY, announced)
        site.await_table(router, OURS, {} if router == silent else announced)
    wait_until(lambda: any(reason in text for text in site.config_events()), SETTLED_S, f"an Event says {reason}")


def test_label_out_of_load_balancing_counts_for_ours_as_from_metallb_0_14_on(site: TwoSpeakers) -> None:
    site.edit(Case("excluded", config(), {}, labels={EXCLUDE_LABEL: ""}), silent=ROUTERS)

    for router in (EBGP, IBGP):
        site.await_table(router, LEGACY, both(HOST)[router])
        site.await_table(router, OURS, {})


def compare(site: TwoSpeakers, case: Case, speakers: Collection[str] = BOTH) -> None:
    """Hold what each router has from the speakers against the case and against each other, attribute by attribute."""
    for router in ROUTERS:
        routes = None if router == WITNESS else case.expected.get(router, {})
        first, *others = (site.await_table(router, speaker, routes) for speaker in speakers)
        assert all(path.is_own_next_hop for path in first.values())
        assert others == [first] * len(others), router


def assert_kept(site: TwoSpeakers, before: dict[str, tuple[Peer, str]]) -> None:
    """Every session of ours whose peer was not edited has stayed up."""
    after = site.ups()
    kept = [address for address, (peer, _) in before.items() if address in after and after[address][0] == peer]
    assert {address: after[address] for address in kept} == {address: before[address] for address in kept}
