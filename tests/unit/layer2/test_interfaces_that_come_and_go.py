"""Interfaces come and go for years on a node, with each of its pods: nothing is kept of those that went."""

from __future__ import annotations

from metalpy.layer2.announcer import Announcer
from metalpy.layer2.answered import EVERYWHERE, Answered
from metalpy.layer2.interfaces import Interface, Interfaces

IPV6 = bytes(15) + b"\x01"


def one(index: int, mac: str = "0a:00:00:00:00:01", *, is_up: bool = True) -> Interfaces:
    """Make the state of a host with one interface."""
    announcing = frozenset({Interface(index, f"veth{index}", mac)}) if is_up else frozenset()
    return Interfaces(announcing, frozenset({mac}), {index: 1} if is_up else {}, frozenset({index}))


async def test_announcer_knows_the_interfaces_that_there_are() -> None:
    announcer = Announcer()
    for index in range(1, 100):
        announcer._note_renewed(one(index))

    assert announcer._macs == {99: "0a:00:00:00:00:01"}


async def test_interface_that_was_down_and_has_another_mac_is_announced_on_again() -> None:
    announcer = Announcer()
    announcer._note_renewed(one(2))
    announcer._note_renewed(one(2, is_up=False))

    assert announcer._note_renewed(one(2, "0a:00:00:00:00:02")) == [2]


def test_answers_of_an_interface_are_forgotten_with_it() -> None:
    answered = Answered()
    answered.add(EVERYWHERE, [IPV6])
    for index in range(1, 100):
        answered.table(index)
        assert answered.groups(index) == answered.groups(EVERYWHERE)
        answered.add(index, [bytes(16)])
        answered.remove(index, [bytes(16)])
        answered.forget(index)

    assert answered.places == {EVERYWHERE}


def test_answers_for_an_interface_that_is_yet_to_come_are_kept() -> None:
    answered = Answered()
    answered.add(2, [IPV6])
    answered.forget(2)

    assert answered.has(IPV6, 2)
    assert answered.groups(2)
