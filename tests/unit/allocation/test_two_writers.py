"""Two controllers that write the same statuses without an election, however their reads and writes interleave."""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalpy.allocation.assignments import Assignments
from metalpy.model import Config
from tests.unit.allocation.services import key, pool, service

if TYPE_CHECKING:
    from metalpy.allocation.converge import Outcome
    from metalpy.model import IPAddress, ObjectKey, Service

COUNT = 20
STEPS = 400
"""More than any history was seen to need: it ends when nobody has anything to read or to write."""
ROUNDS = 4
"""Fewer than those that the controller calls a contest."""


class Store:
    """Statuses with versions: a write of what is not the newest is refused, and everybody reads every version."""

    def __init__(self) -> None:
        self.services: dict[ObjectKey, Service | None] = {}
        self.readers: list[deque[tuple[ObjectKey, Service | None]]] = []
        self._version = 0

    def put(self, name: ObjectKey, made: Service | None) -> None:
        self._version += 1
        self.services[name] = made and replace(made, resource_version=str(self._version))
        for reader in self.readers:
            reader.append((name, self.services[name]))


class Writer:
    """One controller: what it has to read, what it has decided, what it has to write."""

    def __init__(self, store: Store, rng: random.Random) -> None:
        self.store = store
        self.rng = rng
        self.unread: deque[tuple[ObjectKey, Service | None]] = deque()
        store.readers.append(self.unread)
        self.assignments = Assignments()
        self.assignments.configure(Config((pool("p", "10.50.0.0/24"),)))
        self.due: dict[ObjectKey, Outcome] = {}
        self.undone: Counter[ObjectKey] = Counter()
        self._written: dict[ObjectKey, tuple[IPAddress, ...]] = {}

    def read(self) -> None:
        """Take in some of the versions as one batch."""
        batch = dict(self.unread.popleft() for _ in range(self.rng.randint(1, len(self.unread))))
        for name in (name for name, made in batch.items() if made is None):
            self.due.pop(name, None)
        for outcome in self.assignments.update(batch):
            name = outcome.service.key
            self.due.pop(name, None)
            if outcome.writes_status:
                self.due[name] = outcome
                self.undone[name] += self._written.pop(name, outcome.addresses) != outcome.addresses

    def write(self) -> None:
        """Write one status."""
        outcome = self.due.pop(self.rng.choice(list(self.due)))
        name = outcome.service.key
        found = self.store.services[name]
        if found is None or found.resource_version != outcome.service.resource_version:
            return
        self.store.put(name, replace(found, ingress=outcome.ingress))
        self.assignments.wrote(outcome)
        self._written[name] = outcome.addresses


@pytest.mark.parametrize("seed", range(100))
def test_two_writers_agree(seed: int) -> None:
    rng = random.Random(seed)
    store = Store()
    writers = [Writer(store, rng) for _ in range(2)]
    news: list[tuple[ObjectKey, Service | None]] = [(key(name), service(name)) for name in map(str, range(COUNT))]
    news = [*news, (key("0"), None)][::-1]
    for _ in range(STEPS):
        steps = [lambda: store.put(*news.pop())] if news else []
        for writer in writers:
            steps += [writer.read] * bool(writer.unread) + [writer.write] * 3 * bool(writer.due)
        if not steps:
            break
        rng.choice(steps)()
    else:
        pytest.fail(f"they still write after {STEPS} steps")

    shown = {name: found.ingress[0].ip for name, found in store.services.items() if found}
    assert len(shown) == len(set(shown.values())) == COUNT - 1
    for writer in writers:
        held = {name: writer.assignments.holding(name) for name in shown}
        assert {name: str(held.addresses[0]) for name, held in held.items() if held} == shown
        assert max(writer.undone.values()) < ROUNDS
