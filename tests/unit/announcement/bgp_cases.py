"""What each router sees of a node, case by case: plain data, good for the pure core and for a LAN of real daemons.

A case is a configuration text, the node's labels, Services with their endpoints, and for each peer, by address,
its routes: prefix → (local preference or None, communities). The node is `node1`. Where MetalLB 0.11 cannot say
the same (its native speakers know no IPv6 routes, and it refuses some aggregates of ranges), `legacy` is False.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Seen = dict[str, tuple[int | None, tuple[str, ...]]]
PodPlace = tuple[str, str, bool]
"""Address, node, readiness of one endpoint."""

EBGP, IBGP, SIXTH = "10.9.0.1", "10.9.0.2", "2001:db8:9::1"
READY: tuple[PodPlace, ...] = (("10.1.0.1", "node1", True),)
ELSEWHERE: tuple[PodPlace, ...] = (("10.1.0.2", "node2", True),)

PEERS = f"""\
peers:
- {{my-asn: 64600, peer-asn: 64601, peer-address: {EBGP}}}
- {{my-asn: 64600, peer-asn: 64600, peer-address: {IBGP}}}
"""
EBGP_PEER = f"peers:\n- {{my-asn: 64600, peer-asn: 64601, peer-address: {EBGP}"
V4 = "198.18.4.0/24"
V6 = "2001:db8:4::/112"


@dataclass(frozen=True, slots=True)
class Balancer:
    """A Service with addresses in its status."""

    ips: tuple[str, ...] = ("198.18.4.10",)
    endpoints: tuple[PodPlace, ...] = READY
    policy: str = "Cluster"


@dataclass(frozen=True, slots=True)
class Case:
    id: str
    config: str
    expected: dict[str, Seen]
    services: tuple[Balancer, ...] = (Balancer(),)
    labels: dict[str, str] = field(default_factory=dict)
    legacy: bool = True


def pool(*advertisements: str, addresses: str = V4, name: str = "p", more: str = "") -> str:
    entries = "".join(f"\n  - {{{text}}}" for text in advertisements)
    listed = f"\n  bgp-advertisements:{entries}" if advertisements else ""
    return f"- name: {name}\n  protocol: bgp\n  addresses: ['{addresses}'{more}]{listed}\n"


def config(*pools: str, peers: str = PEERS, aliases: str = "") -> str:
    named = f"bgp-communities: {{{aliases}}}\n" if aliases else ""
    return f"{peers}{named}address-pools:\n{''.join(pools or (pool(),))}"


def both(prefix: str, *communities: str, localpref: int = 0) -> dict[str, Seen]:
    """One route for both peers; only the one in our own system is told the preference."""
    return {EBGP: {prefix: (None, communities)}, IBGP: {prefix: (localpref, communities)}}


def everyone(*seen: dict[str, Seen]) -> dict[str, Seen]:
    """Put together what each peer sees."""
    joined: dict[str, Seen] = {EBGP: {}, IBGP: {}}
    for one in seen:
        for peer, routes in one.items():
            joined[peer] |= routes
    return joined


HOST = "198.18.4.10/32"
NONE: dict[str, Seen] = {EBGP: {}, IBGP: {}}
DUAL = pool("aggregation-length: 25, aggregation-length-v6: 120, localpref: 250", more=f", '{V6}'")
RACKS = EBGP_PEER + ", node-selectors: [{match-labels: {rack: '1'}}]}\n"
FREE = EBGP_PEER + ", node-selectors: [{match-expressions: [{key: rack, operator: NotIn, values: ['1']}]}]}\n"
SIX = f"peers:\n- {{my-asn: 64600, peer-asn: 64601, peer-address: '{SIXTH}'}}\n"
SPLIT = (pool(addresses="198.18.4.0-198.18.4.127"), pool(addresses="198.18.4.128-198.18.4.255", name="q"))
MANY = ", ".join(f"'64600:{number}'" for number in range(63))

CASES = (
    # --- prefixes
    Case("default", config(), both(HOST)),
    Case("empty-list", config(pool() + "  bgp-advertisements: []\n"), both(HOST)),
    Case("aggregate", config(pool("aggregation-length: 24")), both("198.18.4.0/24")),
    Case("aggregate-inside", config(pool("aggregation-length: 30")), both("198.18.4.8/30")),
    Case("host-route-written-out", config(pool("aggregation-length: 32")), both(HOST)),
    Case(
        "aggregate-and-host",
        config(pool("aggregation-length: 24", "aggregation-length: 32")),
        everyone(both("198.18.4.0/24"), both(HOST)),
    ),
    Case(
        "aggregate-beyond-a-range",
        config(pool("aggregation-length: 28", addresses="198.18.4.10-198.18.4.47")),
        both("198.18.4.0/28"),
        legacy=False,
    ),
    Case(
        "both-families",
        config(DUAL),
        everyone(both("198.18.4.0/25", localpref=250), both("2001:db8:4::/120", localpref=250)),
        (Balancer(("198.18.4.10", "2001:db8:4::10")),),
        legacy=False,
    ),
    Case(
        "ipv6-host",
        config(pool(addresses=V6)),
        both("2001:db8:4::a/128"),
        (Balancer(("2001:db8:4::a",)),),
        legacy=False,
    ),
    Case("ipv4-over-an-ipv6-session", config(peers=SIX), {SIXTH: {HOST: (None, ())}}, legacy=False),
    # --- attributes
    Case("localpref", config(pool("localpref: 200")), both(HOST, localpref=200)),
    Case("localpref-largest", config(pool("localpref: 4294967295")), both(HOST, localpref=4294967295)),
    Case("community", config(pool("communities: ['64600:100']")), both(HOST, "64600:100")),
    Case(
        "communities-sorted",
        config(pool("communities: ['64601:1', '1:65535', '64600:9']")),
        both(HOST, "1:65535", "64600:9", "64601:1"),
    ),
    Case("well-known-by-number", config(pool("communities: ['65535:65281']")), both(HOST, "65535:65281")),
    Case(
        "alias",
        config(pool("communities: [no-advertise, '64600:1']"), aliases="no-advertise: '65535:65282'"),
        both(HOST, "64600:1", "65535:65282"),
    ),
    Case(
        "alias-and-its-number",
        config(pool("communities: [gold, '64600:1']"), aliases="gold: '64600:1'"),
        both(HOST, "64600:1"),
    ),
    Case("63-communities", config(pool(f"communities: [{MANY}]")), both(HOST, *(f"64600:{n}" for n in range(63)))),
    Case(
        "attributes-differ-by-length",
        config(pool("aggregation-length: 24, localpref: 100, communities: ['1:1']", "localpref: 200")),
        everyone(both("198.18.4.0/24", "1:1", localpref=100), both(HOST, localpref=200)),
    ),
    # --- one prefix, several times
    Case(
        "last-listed-of-one-length",
        config(pool("localpref: 300, communities: ['1:1']", "localpref: 100, communities: ['1:2']")),
        both(HOST, "1:2", localpref=100),
    ),
    Case("same-meaning-twice", config(pool("localpref: 0", "")), both(HOST)),
    Case(
        "two-services-on-an-aggregate",
        config(pool("aggregation-length: 24, communities: ['1:1']")),
        both("198.18.4.0/24", "1:1"),
        (Balancer(), Balancer(("198.18.4.11",))),
    ),
    Case("two-services-on-an-address", config(), both(HOST), (Balancer(), Balancer())),
    Case(
        "two-pools-with-attributes-of-their-own",
        config(
            SPLIT[0] + "  bgp-advertisements: [{aggregation-length: 25, localpref: 10, communities: ['1:1']}]\n",
            SPLIT[1] + "  bgp-advertisements: [{aggregation-length: 25, localpref: 20, communities: ['1:2']}]\n",
        ),
        everyone(both("198.18.4.0/25", "1:1", localpref=10), both("198.18.4.128/25", "1:2", localpref=20)),
        (Balancer(), Balancer(("198.18.4.200",))),
    ),
    Case(
        "two-pools-want-one-prefix",
        config(
            pool("aggregation-length: 27, localpref: 10, communities: ['1:1']", addresses="198.18.4.0-198.18.4.37"),
            pool(
                "aggregation-length: 27, localpref: 20, communities: ['1:2']",
                addresses="198.18.4.38-198.18.4.95",
                name="q",
            ),
        ),
        both("198.18.4.32/27", "1:1", "1:2", localpref=20),
        (Balancer(("198.18.4.35",)), Balancer(("198.18.4.38",))),
        legacy=False,
    ),
    # --- which sessions
    Case("selector-fits", config(peers=RACKS), {EBGP: {HOST: (None, ())}}, labels={"rack": "1"}),
    Case("selector-does-not-fit", config(peers=RACKS), {EBGP: {}}, labels={"rack": "2"}),
    Case("selector-and-no-labels", config(peers=RACKS), {EBGP: {}}),
    Case("not-in-holds-without-the-label", config(peers=FREE), {EBGP: {HOST: (None, ())}}),
    # --- endpoints
    Case("cluster-elsewhere", config(), both(HOST), (Balancer(endpoints=ELSEWHERE),)),
    Case("cluster-none-ready", config(), NONE, (Balancer(endpoints=(("10.1.0.1", "node1", False),)),)),
    Case("cluster-no-endpoints", config(), NONE, (Balancer(endpoints=()),)),
    Case("local-here", config(), both(HOST), (Balancer(policy="Local"),)),
    Case("local-elsewhere", config(), NONE, (Balancer(endpoints=ELSEWHERE, policy="Local"),)),
    Case(
        "local-not-ready-here",
        config(),
        NONE,
        (Balancer(endpoints=(("10.1.0.1", "node1", False), *ELSEWHERE), policy="Local"),),
    ),
    Case(
        "local-one-of-two-services-of-an-aggregate",
        config(pool("aggregation-length: 24")),
        both("198.18.4.0/24"),
        (Balancer(endpoints=ELSEWHERE, policy="Local"), Balancer(("198.18.4.11",), policy="Local")),
    ),
    Case("address-of-no-pool", config(), NONE, (Balancer(("203.0.113.1",)),)),
)
