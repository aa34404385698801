"""MetalLB 0.11.0's own controller beside ours: the same configurations and the same histories of Services.

Each has an API server of its own. After every step both come to rest, and what they say must be the same, but for
what is named here with its reason.

METALPY_HISTORIES says how many histories are played, METALPY_SEED which is the first.
"""

from __future__ import annotations

import enum
import os
import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.cluster.controllers import Site
from tests.cluster.histories import NORMAL, History, Step
from tests.cluster.sides import BARRIER, SERVICES, Legacy, Ours, Side
from tests.lab.kube.control_plane import ControlPlane
from tests.lab.kube.server import free_ports
from tests.lab.wait import wait_until
from tests.unit.config.vectors import ALL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.config.vectors import Vector

State = dict[str, tuple[str, ...]]

HISTORIES = int(os.environ.get("METALPY_HISTORIES", "30"))
SEED = int(os.environ.get("METALPY_SEED", "1"))
STEPS = 10
EVENTS_S = 5

_SINCE_0_12 = re.compile(r"bfd|keepalive-time|ebgp-multihop|aggregation-length-v6", re.IGNORECASE)

VERDICTS = {
    "A10": "built with today's Go it refuses leading zeros, 0.12's parser and ours do not",
    "A15": "0.11 takes a range of one address for a reversed one, 0.12 takes it",
    "A40": "D4: it does not see that an IPv4-mapped prefix overlaps",
    "R24": "D2: it takes a router ID that its speakers die of",
    "R47": "D1: it cuts fractions off, AS 1.10 becomes AS 1",
    "B06": "D1: it cuts fractions off, length 28.9 becomes 28",
    "B13": "since 0.12 a repeated community is refused",
    "B18": "since 0.12 an equal advertisement is refused",
    "B21": "since 0.12 an aggregate is held against an entry's largest prefix, not against each",
    "B26": "D4: it holds an IPv4-mapped prefix's length against 32",
}
"""The configurations of which 0.11 and ours think differently, each with the reason."""


class Difference(enum.StrEnum):
    """What may be different after a step, each with the reason; `metalpy` is right about each on purpose."""

    FREED_WITHOUT_DELETION = "it offers an address to those that wait when a Service is deleted, not when one changes"
    ONE_OF_SEVERAL_WAITS = "it serves those that wait in random order, we serve them by age"
    UNREADABLE_REQUEST = "up to 0.11 an unreadable loadBalancerIP takes the address away, since 0.12 it is only told"
    REFUSED_CONFIG_TRIED_AGAIN = "a refused configuration waits for its next edit, ours for what was in its way"
    POOL_AND_ADDRESS_DISAGREE = "it assigns the address again at each look, we keep it and say PoolIgnored once"


ENDS = {Difference.ONE_OF_SEVERAL_WAITS, Difference.UNREADABLE_REQUEST}
"""After these the two clusters are no longer the same, and the history ends."""


_OLD_REASONS = {"LoadBalancerFailed": "AllocationFailed", "PoolIgnored": ""}
"""What 0.11 says instead, or nothing, where 0.12 or ours has a reason of its own."""


@pytest.fixture(scope="module")
def sides(api_server: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ours, Legacy]]:
    """Give our controller and the legacy's, each on an empty cluster."""
    logs = tmp_path_factory.mktemp("logs")
    with ControlPlane() as other, Site(api_server, logs) as site:
        our_port, its_port = free_ports(2)
        legacy = Legacy(other, logs, its_port)
        yield Ours(site, logs, our_port), legacy
        legacy.stop()


def test_configurations_are_taken_and_refused_alike(sides: tuple[Ours, Legacy]) -> None:
    ours, legacy = sides
    ours.start(NORMAL)
    ours.api.admin.delete(f"{SERVICES}/{BARRIER}")  # now every configuration fits
    legacy.start(NORMAL)
    for side in sides:
        side.verdict("# nothing\n")
        side.await_fresh()
    different = {vector.id for vector in ALL if not _SINCE_0_12.search(vector.text) and not _is_alike(sides, vector)}

    assert different == VERDICTS.keys()


def _is_alike(sides: tuple[Ours, Legacy], vector: Vector) -> bool:
    ours, legacy = (side.verdict(f"{vector.text}\n") for side in sides)
    return ours == legacy


def test_service_of_another_class_is_taken_by_the_legacy_alone(sides: tuple[Ours, Legacy]) -> None:
    body = {"type": "LoadBalancer", "ports": [{"port": 80}], "loadBalancerClass": "example.org/other"}
    for side in sides:
        side.start(NORMAL)
        mark = side.mark()
        side.api.admin.create(SERVICES, {"metadata": {"name": "theirs"}, "spec": body})
        side.rest(mark, touched="theirs")

    assert [side.state()["theirs"] for side in sides] == [(), ("10.20.0.1",)]


@pytest.mark.timeout(240 + 10 * HISTORIES)
def test_random_histories_end_alike_but_for_what_is_named(sides: tuple[Ours, Legacy]) -> None:
    seen: Counter[Difference] = Counter()
    for seed in range(SEED, SEED + HISTORIES):
        seen.update(_played(History(seed), *sides))
    print(f"{HISTORIES} histories of {STEPS} steps", dict(seen))

    assert seen.total() < HISTORIES * STEPS / 4, "named differences are exceptions"


def _played(history: History, ours: Ours, legacy: Legacy) -> set[Difference]:
    """Play one history on both sides; gives the differences that showed. Fails at one that has no name."""
    for side in (ours, legacy):
        side.start(NORMAL)
    story: list[str] = []
    seen: set[Difference] = set()
    before: State = {}
    for _ in range(STEPS):
        step = history.step()
        story.append(str(step))
        step.take(ours)
        step.take(legacy)
        found = _compared(step, before, ours, legacy, story)
        seen |= found
        before = ours.state()
        if found & ENDS:
            break
    seen |= _compared_events(history.prefix, ours, legacy, story)
    return seen


def _compared(step: Step, before: State, ours: Ours, legacy: Legacy, story: list[str]) -> set[Difference]:
    """Compare what both hold; where the legacy only waits for an occasion, give it one and compare again."""
    seen: set[Difference] = set()
    if legacy.is_stale() and not ours.is_stale():
        seen.add(Difference.REFUSED_CONFIG_TRIED_AGAIN)
        legacy.configure_again()
    assert ours.is_stale() == legacy.is_stale(), story
    if _waits(step, before, ours, legacy):
        seen.add(Difference.FREED_WITHOUT_DELETION)
        legacy.reprocess()
    mine, theirs = ours.state(), legacy.state()
    different = {name for name in mine | theirs if mine.get(name) != theirs.get(name)}
    if not different:
        return seen
    waited = {name for name in before if not before[name]}
    told = {"story": story, "ours": mine, "legacy": theirs}
    if different == {step.touched} and mine[step.touched] == before.get(step.touched) and "10.20.0.x" in step.words:
        return seen | {Difference.UNREADABLE_REQUEST}
    assert different <= waited, told
    assert sum(map(bool, mine.values())) == sum(map(bool, theirs.values())), told
    return seen | {Difference.ONE_OF_SEVERAL_WAITS}


def _waits(step: Step, before: State, ours: Ours, legacy: Legacy) -> bool:
    """Tell whether a Service that waited has an address of ours, and of the legacy none yet."""
    mine, theirs = ours.state(), legacy.state()
    return not step.deletes and any(mine[name] and not theirs.get(name) for name in mine if before.get(name) == ())


def _compared_events(prefix: str, ours: Ours, legacy: Legacy, story: list[str]) -> set[Difference]:
    """Compare which reasons of Events the Services have that ended alike; both write Events when there is time."""
    mine, theirs = ours.state(), legacy.state()
    differ = {name for name in mine | theirs if mine.get(name) != theirs.get(name)}

    def reasons(side: Side) -> dict[str, set[str]]:
        found = side.reasons(prefix)
        return {
            name: {_OLD_REASONS.get(reason, reason) for reason in found[name]} - {""} for name in found.keys() - differ
        }

    wait_until(lambda: reasons(ours) == reasons(legacy), EVENTS_S, f"the same Events: {story}, {differ=}")
    ignored = any("PoolIgnored" in found for found in ours.reasons(prefix).values())
    return {Difference.POOL_AND_ADDRESS_DISAGREE} if ignored else set()
