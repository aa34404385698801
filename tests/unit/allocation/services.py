"""Model values for the tests of the allocation, and one cluster to try them on."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from metalpy.allocation.allocator import OnConflict
from metalpy.allocation.assignments import Assignments
from metalpy.model import (
    AddressRange,
    Config,
    Family,
    Ingress,
    L2Advertisement,
    ObjectKey,
    Pool,
    Service,
    ServicePort,
    parse_address,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalpy.allocation.converge import Outcome
    from metalpy.model import Event, IPAddress

CLUSTER_IPS = {
    "ipv4": ("10.96.0.10",),
    "ipv6": ("fd00:96::10",),
    "dual": ("10.96.0.10", "fd00:96::10"),
    "dual6": ("fd00:96::10", "10.96.0.10"),
}


def address_range(text: str) -> AddressRange:
    """Read a CIDR or a range `FIRST-LAST`."""
    if "-" not in text:
        return AddressRange((ipaddress.ip_network(text),), text)
    first, last = (ipaddress.ip_address(end.strip()) for end in text.split("-"))
    return AddressRange(tuple(ipaddress.summarize_address_range(first, last)), text)


def pool(name: str, *ranges: str, auto_assign: bool = True, avoid_buggy_ips: bool = False) -> Pool:
    return Pool(
        name,
        tuple(address_range(text) for text in ranges),
        auto_assign=auto_assign,
        avoid_buggy_ips=avoid_buggy_ips,
        layer2=(L2Advertisement(),),
    )


def key(name: str) -> ObjectKey:
    return ObjectKey("default", name)


def ports(*texts: str) -> tuple[ServicePort, ...]:
    """Read ports written like `TCP/80`."""
    return tuple(ServicePort(text.split("/")[0], int(text.split("/")[1])) for text in texts)


def service(name: str, *ips: str, family: str = "ipv4", port: str = "TCP/80", **fields: Any) -> Service:
    """Make a load balancer with these addresses in its status; it gets its age from its name."""
    return Service(
        key(name),
        **{
            "uid": f"uid-{name}",
            "cluster_ips": CLUSTER_IPS[family],
            "ip_family_policy": "RequireDualStack" if family.startswith("dual") else "SingleStack",
            "ports": ports(port),
            "ingress": tuple(Ingress(ip) for ip in ips),
            **fields,
        },
    )


class Cluster:
    """Services and their statuses: carries every outcome out at once, as a cluster that never fails would."""

    def __init__(self, *pools: Pool, on_conflict: OnConflict = OnConflict.REFUSE) -> None:
        self.assignments = Assignments(on_conflict)
        self.services: dict[ObjectKey, Service] = {}
        self.outcomes: dict[ObjectKey, Outcome] = {}
        if pools:
            self.configure(*pools)

    def configure(self, *pools: Pool) -> dict[ObjectKey, Outcome]:
        return self._carry_out(self.assignments.configure(Config(pools)))

    def apply(self, *services: Service) -> dict[ObjectKey, Outcome]:
        """Create or replace Services, all at once; the status given counts."""
        self.services.update({service.key: service for service in services})
        return self._carry_out(self.assignments.update({service.key: service for service in services}))

    def edit(self, name: str, **fields: Any) -> Outcome:
        """Change a Service and leave its status as it is."""
        return self.apply(replace(self.services[key(name)], **fields))[key(name)]

    def sync(self, name: str) -> Outcome:
        """Let a Service come by again without a change."""
        return self.edit(name)

    def delete(self, *names: str) -> dict[ObjectKey, Outcome]:
        for name in names:
            self.services.pop(key(name), None)
        return self._carry_out(self.assignments.update(dict.fromkeys(map(key, names))))

    def _carry_out(self, outcomes: Iterable[Outcome]) -> dict[ObjectKey, Outcome]:
        self.outcomes = {outcome.service.key: outcome for outcome in outcomes}
        for name, outcome in self.outcomes.items():
            assert outcome.service == self.services[name]
            self.services[name] = replace(outcome.service, ingress=outcome.ingress)
            self.assignments.wrote(outcome)
        return self.outcomes

    def ips(self, name: str) -> list[str]:
        """Give the addresses in a Service's status, which are what it holds."""
        ips = [entry.ip for entry in self.services[key(name)].ingress]
        holding = self.assignments.holding(key(name))
        assert ips == [str(address) for address in (holding.addresses if holding else ())]
        return ips

    def events(self, name: str) -> list[Event]:
        """Give the Events on a Service from the last change, none if it was not touched."""
        outcome = self.outcomes.get(key(name))
        return list(outcome.events) if outcome else []

    def told(self, name: str) -> list[str]:
        return [event.reason for event in self.events(name)]

    def message(self, name: str) -> str:
        """Give the text of the only Event on a Service from the last change."""
        (event,) = self.events(name)
        return event.message

    def in_use(self) -> dict[str, int]:
        return {name: counts.in_use for name, counts in self.assignments.counts().items()}


def usable(pool: Pool, family: Family) -> list[IPAddress]:
    """List the addresses that a small pool hands out, in order, the slow and obvious way."""
    addresses = [address for network in pool.prefixes if Family.of(network) is family for address in network]
    return [address for address in addresses if not (pool.avoid_buggy_ips and is_buggy(address))]


def is_buggy(address: IPAddress) -> bool:
    return address.version == 4 and int(address) % 256 in {0, 255}


def addresses(*texts: str) -> tuple[IPAddress, ...]:
    return tuple(map(parse_address, texts))
