"""What one allocation costs in a pool that is nearly used up: `python -m tests.bench.allocation [--quick]`.

Every figure is the median, in microseconds, of single allocations, each undone before the next. *Ours* are done with
the pool filled as the name says, by allocations to as many Services; *limit* is the same in an empty pool; *peer* finds
its address by the walk that the reference does, from the pool's first address on, but over plain integers in a
dictionary where the reference formats texts, and then notes it as ours does. The three take turns, so that whatever
else the machine does meets all of them. Lines named `update` measure the whole way of a Service through `Assignments`:
families, requests, search, Events and status. The garbage collector is off, as `timeit` has it, since it would visit
a million holdings at moments that have nothing to do with the allocation under way.
"""

from __future__ import annotations

import argparse
import gc
import ipaddress
import itertools
from dataclasses import dataclass
from statistics import median
from time import perf_counter_ns
from typing import TYPE_CHECKING

from metalpy.allocation.assignments import Assignments
from metalpy.allocation.demand import Demand, demand_of
from metalpy.model import AddressRange, Config, Family, IPAddress, ObjectKey, Pool, Service, ServicePort
from tests.bench.report import line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalpy.allocation.allocator import Allocator

HTTP = frozenset({ServicePort("TCP", 80)})
HTTPS = frozenset({ServicePort("TCP", 443)})
NEW = ObjectKey("bench", "new")
LEFT_FREE = 4


@dataclass(frozen=True)
class Size:
    """How much is measured. The walk is repeated less often, since it takes so long."""

    prefix: str
    taken: int
    sharers: int
    repeats: int
    walks: int


FULL = Size("10.0.0.0/12", 1_000_000, 10_000, 2000, 11)
QUICK = Size("10.0.0.0/16", 60_000, 1000, 200, 5)


class Subject:
    """A cluster with one pool, and an index of it by integer for the walk."""

    def __init__(self, prefix: str) -> None:
        self.network = ipaddress.IPv4Network(prefix)
        self.assignments = Assignments()
        self.assignments.configure(Config((Pool("p", (AddressRange((self.network,)),)),)))
        self.allocator: Allocator = self.assignments._allocator
        self._names = itertools.count()
        self._holders: dict[int, ObjectKey] = {}

    def fill(self, count: int, sharing_key: str = "") -> None:
        """Give an address each to Services until so many hold one."""
        while len(self._holders) < count:
            demand = Demand(ObjectKey("bench", f"s{next(self._names)}"), (Family.IPV4,), HTTP, sharing_key)
            (address,) = found = self.allocator.find(demand)
            self.allocator.hold(found, demand)
            self._holders[int(address)] = demand.key

    def free_every_second(self) -> None:
        """Take away every second address."""
        for number in list(self._holders)[::2]:
            self.allocator.release(self._holders.pop(number))

    def allocate(self, demand: Demand) -> float:
        """Time one allocation."""
        start = perf_counter_ns()
        self.allocator.hold(self.allocator.find(demand), demand)
        taken = perf_counter_ns() - start
        self.allocator.release(demand.key)
        return taken / 1000

    def update(self, service: Service) -> float:
        """Time a new Service's whole way."""
        changes = {service.key: service}
        start = perf_counter_ns()
        (outcome,) = self.assignments.update(changes)
        taken = perf_counter_ns() - start
        assert outcome.addresses
        self.assignments.update({service.key: None})
        return taken / 1000

    def walker(self) -> Walker:
        return Walker(self)


class Walker:
    """Allocates as the reference does: the first candidate in the pool's order that may be had."""

    def __init__(self, subject: Subject) -> None:
        self._allocator = subject.allocator
        first = int(subject.network.network_address)
        self._candidates = range(first, first + subject.network.num_addresses)
        self._uses = {int(address): use for address, use in subject.allocator._uses.items()}

    def allocate(self, demand: Demand) -> float:
        """Time one allocation."""
        start = perf_counter_ns()
        self._allocator.hold(self._find(demand), demand)
        taken = perf_counter_ns() - start
        self._allocator.release(demand.key)
        return taken / 1000

    def _find(self, demand: Demand) -> tuple[IPAddress, ...]:
        uses = self._uses
        for number in self._candidates:
            use = uses.get(number)
            if use is None or (
                demand.sharing_key
                and use.sharing_key == demand.sharing_key
                and use.backend_key == demand.backend_key
                and not any(demand.ports & ports for ports in use.users.values())
            ):
                return (ipaddress.IPv4Address(number),)
        raise AssertionError("the pool is full")


def service(sharing_key: str = "") -> Service:
    """Make the Service that is measured."""
    return Service(NEW, cluster_ips=("10.96.0.1",), ports=tuple(HTTP), sharing_key=sharing_key)


def measure(name: str, size: Size, subject: Subject, empty: Subject, wanting: Service) -> Iterable[str]:
    """Measure one state of a pool beside an empty one; gives one line for the allocation, one for the whole way."""
    demand = demand_of(wanting)
    walker = subject.walker()
    ours, limit, peer, way, way_limit = [], [], [], [], []
    for repeat in range(size.repeats):
        ours.append(subject.allocate(demand))
        limit.append(empty.allocate(demand))
        way.append(subject.update(wanting))
        way_limit.append(empty.update(wanting))
        if repeat % (size.repeats // size.walks) == 0:
            peer.append(walker.allocate(demand))
    yield line(
        f"allocation.{name}.allocate",
        "us",
        size.repeats,
        median(ours),
        peer=median(peer),
        limit=median(limit),
        smaller_is_better=True,
    )
    yield line(
        f"allocation.{name}.update", "us", size.repeats, median(way), limit=median(way_limit), smaller_is_better=True
    )


def churn(size: Size, subject: Subject, empty: Subject, wanting: Service) -> str:
    """Measure a search after a sharer of the first address has left, which makes that address worth a look again."""
    demand = demand_of(wanting)
    guest = Demand(ObjectKey("bench", "guest"), (Family.IPV4,), HTTPS, demand.sharing_key)
    first = (subject.network.network_address,)
    ours, limit = [], []
    for _ in range(size.repeats):
        subject.allocator.hold(first, guest)
        subject.allocator.release(guest.key)
        ours.append(subject.allocate(demand))
        limit.append(empty.allocate(demand))
    return line(
        f"allocation.{size.sharers}-shared-after-one-left.allocate",
        "us",
        size.repeats,
        median(ours),
        limit=median(limit),
        smaller_is_better=True,
    )


def figures(size: Size) -> Iterable[str]:
    """Measure everything; one pool is filled further and further."""
    empty, subject = Subject(size.prefix), Subject(size.prefix)
    subject.fill(size.taken)
    yield from measure(f"{size.taken}-taken", size, subject, empty, service())
    subject.fill(subject.network.num_addresses - LEFT_FREE)
    yield from measure(f"all-but-{LEFT_FREE}-taken", size, subject, empty, service())
    subject.free_every_second()
    yield from measure("every-second-taken", size, subject, empty, service())
    shared = Subject(size.prefix)
    shared.fill(size.sharers, "k")
    yield from measure(f"{size.sharers}-shared", size, shared, empty, service("k"))
    yield churn(size, shared, empty, service("k"))


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.allocation", description="Time single allocations.")
    parser.add_argument("--quick", action="store_true", help="a /16 and few repeats: seconds")
    size = QUICK if parser.parse_args().quick else FULL
    gc.disable()
    for printed in figures(size):
        print(printed, flush=True)


if __name__ == "__main__":
    main()
