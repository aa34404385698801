"""When rounds are due, on a clock that is a number."""

from __future__ import annotations

import math
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from metalpy.layer2.bursts import Bursts

if TYPE_CHECKING:
    from metalpy.model import IPAddress

ONE = IPv4Address("192.168.1.240")
TWO = IPv4Address("192.168.1.241")


def rounds(bursts: Bursts) -> list[tuple[float, list[IPAddress]]]:
    """Run the clock until nothing is due any more."""
    result = []
    while (at_s := bursts.next_at_s) is not None:
        result.append((round(at_s, 3), bursts.due(at_s)))
    return result


def test_burst_has_five_rounds_from_the_start_on() -> None:
    bursts = Bursts()
    bursts.start([ONE], 100.0)

    assert rounds(bursts) == [(100.0, [ONE]), (101.1, [ONE]), (102.2, [ONE]), (103.3, [ONE]), (104.4, [ONE])]


def test_burst_stops_at_once_for_an_address_that_is_lost() -> None:
    bursts = Bursts()
    bursts.start([ONE, TWO], 0.0)
    bursts.due(0.0)
    bursts.stop([ONE])

    assert [addresses for _, addresses in rounds(bursts)] == [[TWO]] * 4


def test_burst_of_an_address_lost_and_gained_again_starts_anew() -> None:
    bursts = Bursts(rounds=2)
    bursts.start([ONE], 0.0)
    bursts.due(0.0)
    bursts.stop([ONE])
    bursts.start([ONE], 1.0)

    assert rounds(bursts) == [(1.0, [ONE]), (1.1, []), (2.1, [ONE])]


def test_later_burst_does_not_delay_an_earlier_one() -> None:
    bursts = Bursts(interval_s=10, rounds=2)
    bursts.start([ONE], 0.0)
    bursts.start([TWO], 3.0)

    assert rounds(bursts) == [(0.0, [ONE]), (3.0, [TWO]), (10.0, [ONE]), (13.0, [TWO])]


@pytest.mark.parametrize("late_s", [0.5, 1.5])
def test_round_that_is_late_does_not_shift_the_next(late_s: float) -> None:
    bursts = Bursts(interval_s=2, rounds=2)
    bursts.start([ONE], 0.0)
    bursts.due(late_s)

    assert bursts.next_at_s == 2.0


def test_endless_rounds_go_on_until_the_address_is_lost() -> None:
    bursts = Bursts(interval_s=10, rounds=math.inf)
    bursts.start([ONE, TWO], 10.0)

    assert [bursts.due(at_s) for at_s in (9.0, 10.0, 20.0, 30.0)] == [[], [ONE, TWO], [ONE, TWO], [ONE, TWO]]
    bursts.stop([ONE, TWO])
    assert rounds(bursts) == [(40.0, [])]


def test_nothing_gained_means_nothing_due() -> None:
    bursts = Bursts()
    bursts.start([], 0.0)

    assert bursts.next_at_s is None
