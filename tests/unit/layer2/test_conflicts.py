"""Which claims are conflicts, on a clock that is a number."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address

import structlog.testing

from metalpy.layer2.conflicts import Conflicts

IP = IPv4Address("192.168.1.240")
OTHER = IPv4Address("192.168.1.241")
MAC = "0a:00:00:00:00:77"


def claimed(*at_s: float, conflicts: Conflicts | None = None) -> int:
    """Gain the address at 100 s, let it be claimed at these times, and count what is logged."""
    conflicts = conflicts or Conflicts(grace_s=6, repeat_s=60)
    conflicts.gain([IP], 100)
    with structlog.testing.capture_logs() as logs:
        for each_s in at_s:
            conflicts.claim(IP, "eth0", MAC, each_s)
    assert all(line["event_name"] == "addressConflict" for line in logs)
    return len(logs)


def test_claim_soon_after_the_gain_is_the_last_owners() -> None:
    assert claimed(100, 105.9) == 0


def test_claim_that_persists_after_the_gain_is_a_conflict() -> None:
    assert claimed(101, 106) == 1


def test_claim_much_later_may_be_the_next_owners_and_is_asked_about() -> None:
    conflicts = Conflicts(grace_s=6)
    conflicts.gain([IP], 100)
    with structlog.testing.capture_logs() as logs:
        asks = [conflicts.claim(IP, "eth0", MAC, at_s) for at_s in (200, 201, 205.9, 300)]

    assert asks == [True, False, False, True]
    assert logs == []


def test_claim_that_is_repeated_when_asked_is_a_conflict() -> None:
    assert claimed(200, 206) == 1
    assert claimed(200, 203, 207.9) == 1


def test_conflict_is_told_once_a_minute() -> None:
    assert claimed(106, 107, 165, 166, 170) == 2


def test_claim_to_what_was_lost_is_no_conflict() -> None:
    conflicts = Conflicts()
    conflicts.gain([IP], 0)
    conflicts.lose([IP, OTHER])
    with structlog.testing.capture_logs() as logs:
        conflicts.claim(IP, "eth0", MAC, 100)

    assert logs == []


async def test_conflict_says_who_claims_what_and_where() -> None:
    conflicts = Conflicts(grace_s=0)
    conflicts.gain([IP], 0)
    conflicts.claim(IP, "eth0", MAC, 1)
    conflict = await asyncio.wait_for(conflicts.next(), 1)

    assert (conflict.address, conflict.interface, conflict.mac) == (IP, "eth0", MAC)
    assert conflict.at.tzinfo is not None


def test_conflicts_that_nobody_takes_do_not_pile_up() -> None:
    conflicts = Conflicts(grace_s=0, repeat_s=0)

    assert claimed(*range(100, 1100), conflicts=conflicts) == 1000
