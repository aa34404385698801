"""What is held back while somebody else has it, on a clock that is a number."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from metalpy.layer2.holds import Holds

if TYPE_CHECKING:
    from metalpy.model import IPAddress

IP = IPv4Address("192.168.1.240")
OTHER = IPv4Address("192.168.1.241")


def happenings(holds: Holds, claims: dict[float, IPAddress] | None = None) -> list[tuple[float, str, IPAddress]]:
    """Run the clock until nothing is due, with claims at these times: what is asked, and what is freed."""
    seen: list[tuple[float, str, IPAddress]] = []
    due = dict(claims or {})
    while (at_s := min([*due, *([] if holds.next_at_s is None else [holds.next_at_s])], default=None)) is not None:
        if at_s in due:
            holds.claim(due.pop(at_s), at_s)
            continue
        seen += [(round(at_s, 3), "ask", each) for each in holds.questions(at_s)]
        seen += [(round(at_s, 3), "free", each) for each in holds.free(at_s)]
    return seen


def started(*addresses: IPAddress) -> Holds:
    holds = Holds()
    holds.start(addresses, 10)
    return holds


def test_address_that_nobody_has_is_free_after_three_questions() -> None:
    holds = started(IP)

    assert happenings(holds) == [(10, "ask", IP), (10.1, "ask", IP), (10.2, "ask", IP), (10.3, "free", IP)]
    assert holds.addresses == set()


def test_claimed_address_is_held_until_a_whole_train_is_unanswered() -> None:
    seen = happenings(started(IP, OTHER), {10.02: IP, 11.2: IP, 12.5: OTHER})

    assert [(at_s, each) for at_s, what, each in seen if what == "free"] == [(10.3, OTHER), (12.5, IP)]
    assert [at_s for at_s, what, each in seen if (what, each) == ("ask", IP)] == [10, 11.02, 11.12, 12.2, 12.3, 12.4]


def test_address_that_is_lost_is_neither_asked_for_nor_freed() -> None:
    holds = started(IP, OTHER)
    holds.stop([IP])

    assert {each for _, _, each in happenings(holds)} == {OTHER}
