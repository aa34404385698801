"""What is a contest with another writer of a status and what is not, and how long it is given way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metalpy.allocation.converge import Outcome
from metalpy.daemon.contests import QUIET_S, ROUNDS, WAIT_MOST_S, WINDOW_S, Contests
from metalpy.model import Ingress
from tests.unit.daemon.fake_cluster import service

KEY = service("a").key
OURS, THEIRS = "10.3.0.0", "192.0.2.1"


class Story:
    """One Service's status, written by us and by others."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.contests = Contests(lambda: self.now)
        self.status = ""

    def write(self, ip: str = OURS, *, succeeds: bool = True) -> None:
        """Have our decision written."""
        outcome = decided(self.status, ip)
        self.contests.writes(outcome)
        if succeeds:
            self.contests.wrote(outcome)
            self.status = ip

    def read(self, status: str, wanted: str = OURS) -> bool:
        """Read a version with this status, and decide; tells whether a round of a contest is lost."""
        self.status = status
        return self.contests.is_lost(decided(status, wanted))

    def contest(self, rounds: int) -> list[bool]:
        """Have our write undone at once, again and again."""
        found = []
        for _ in range(rounds):
            self.now += self.contests.wait_s(KEY)
            self.write()
            self.now += 0.01
            found.append(self.read(THEIRS))
        return found


def decided(status: str, ip: str) -> Outcome:
    """Make the outcome for a Service with this status."""
    return Outcome(service("a", *([status] if status else [])), (), None, (Ingress(ip),) if ip else ())


@pytest.fixture
def story() -> Story:
    return Story()


def test_address_that_is_undone_again_and_again_is_a_contest(story: Story) -> None:
    assert story.contest(ROUNDS + 2) == [False] * (ROUNDS - 1) + [True] * 3
    assert story.contests.count() == 1


def test_each_round_waits_twice_as_long_up_to_the_most(story: Story) -> None:
    story.contest(ROUNDS)
    waits = []
    for _ in range(12):
        waits.append(story.contests.wait_s(KEY))
        story.contest(1)

    assert waits[:3] == [1, 2, 4]
    assert waits[-1] == WAIT_MOST_S


def test_emptied_status_is_undone_too(story: Story) -> None:
    for _ in range(ROUNDS - 1):
        story.write()
        assert not story.read("")
    story.write()

    assert story.read("")


def test_edits_of_the_spec_are_no_contest_however_fast(story: Story) -> None:
    for number in range(50):
        story.write(f"10.3.0.{number}")
        assert not story.read(f"10.3.0.{number}", wanted=f"10.3.0.{number + 1}")


def test_fields_that_the_api_server_adds_are_no_change(story: Story) -> None:
    for number in range(50):
        story.write(f"10.3.0.{number}")
        read = replace(service("a"), ingress=(Ingress(f"10.3.0.{number}", extra='{"ipMode":"VIP"}'),))
        assert not story.contests.is_lost(Outcome(read, (), None, (Ingress("10.3.0.99"),)))


def test_write_whose_answer_is_lost_is_known_as_ours(story: Story) -> None:
    for number in range(50):
        story.write(f"10.3.0.{number}", succeeds=False)
        assert not story.read(f"10.3.0.{number}", wanted=f"10.3.0.{number + 1}")


def test_conflicts_with_edits_that_leave_the_status_are_no_contest(story: Story) -> None:
    for _ in range(50):
        story.write(succeeds=False)
        assert not story.read("")


def test_status_of_which_the_others_are_always_faster_is_a_contest(story: Story) -> None:
    story.write()
    found = []
    for number in range(ROUNDS):
        found.append(story.read(f"192.0.2.{number}"))
        story.write(succeeds=False)

    assert found == [False] * (ROUNDS - 1) + [True]


def test_what_others_write_while_we_wait_costs_no_further_wait(story: Story) -> None:
    story.contest(ROUNDS)
    for number in range(50):
        assert not story.read(f"192.0.2.{number}")

    assert story.contests.wait_s(KEY) == 1


def test_one_version_that_is_judged_again_is_one_round(story: Story) -> None:
    story.contest(ROUNDS - 1)
    for _ in range(50):
        assert not story.read(THEIRS)


def test_rare_edits_by_hand_are_no_contest(story: Story) -> None:
    for _ in range(50):
        assert story.contest(1) == [False]
        story.now += WINDOW_S / (ROUNDS - 1) + 1


def test_address_that_we_agree_to_is_no_contest(story: Story) -> None:
    for number in range(50):
        story.write()
        assert not story.read(f"10.3.0.{number}", wanted=f"10.3.0.{number}")


def test_contest_is_over_when_a_write_has_stood_long_enough(story: Story) -> None:
    story.contest(ROUNDS + 3)
    story.now += story.contests.wait_s(KEY)
    story.write()
    story.now += QUIET_S - 1
    assert story.contests.count() == 1
    story.now += 2
    assert story.contests.count() == 0

    assert story.contest(ROUNDS) == [False] * (ROUNDS - 1) + [True]
    assert story.contests.wait_s(KEY) == 1


def test_contest_is_over_too_when_we_agree_with_what_was_written(story: Story) -> None:
    story.contest(ROUNDS)
    assert not story.read("10.3.0.9", wanted="10.3.0.9")
    story.now += QUIET_S + 1

    assert story.contests.count() == 0


def test_contest_goes_with_its_service(story: Story) -> None:
    story.contest(ROUNDS)
    story.contests.forget(KEY)

    assert (story.contests.count(), story.contests.wait_s(KEY)) == (0, 0)
