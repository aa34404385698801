"""Which interfaces announce, from what netlink says."""

from __future__ import annotations

import re
from typing import Any

import pytest
import structlog.testing

from metalpy.layer2.interfaces import Choice, Interface, Link, Links, _report_absent, announcing

UP_BROADCAST = 0x1 | 0x2 | 0x40 | 0x1000
MAC = "0a:00:00:00:00:01"


def message(
    index: int = 2, name: str = "eth0", event: str = "RTM_NEWLINK", family: int = 0, **rest: Any
) -> dict[str, Any]:
    return {
        "event": event,
        "family": family,
        "index": index,
        "ifname": name,
        "address": MAC,
        "flags": UP_BROADCAST,
        **rest,
    }


def links(*messages: dict[str, Any]) -> Links:
    result = Links()
    for each in messages:
        result.apply(each)
    return result


def test_interface_that_is_up_and_knows_broadcast_announces() -> None:
    assert announcing(links(message())) == {Interface(2, "eth0", MAC)}


@pytest.mark.parametrize(
    "rest",
    [
        {"flags": 0x2},
        {"flags": 0x49},
        {"flags": 0x83},
        {"master": 5},
        {"address": None},
        {"address": "0a:" * 19 + "0a"},
    ],
    ids=["down", "no broadcast", "no ARP", "port of a bridge", "no MAC", "InfiniBand"],
)
def test_interface_does_not_announce(rest: dict[str, Any]) -> None:
    assert announcing(links(message(**rest))) == frozenset()


def test_only_wanted_names_announce() -> None:
    both = links(message(), message(3, "eth1"))

    assert announcing(both, Choice(("eth1", "eth9"))) == {Interface(3, "eth1", MAC)}


def test_interface_in_whose_name_a_pattern_is_found_does_not_announce() -> None:
    several = links(message(), message(3, "cali123"), message(4, "my-docker0"), message(5, "docker0"))
    choice = Choice(excluded=(re.compile("^docker.*"), re.compile("ali")))

    assert {each.name for each in announcing(several, choice)} == {"eth0", "my-docker0"}


def test_named_interface_that_is_excluded_does_not_announce() -> None:
    assert announcing(links(message()), Choice(("eth0",), (re.compile("eth"),))) == frozenset()


def test_link_that_goes_is_forgotten() -> None:
    assert announcing(links(message(), message(event="RTM_DELLINK"))) == frozenset()


def test_bridge_port_message_does_not_take_the_link_away() -> None:
    after_leaving = links(message(master=5), message(), message(event="RTM_DELLINK", family=7))

    assert announcing(after_leaving) == {Interface(2, "eth0", MAC)}


def test_new_mac_makes_another_interface() -> None:
    assert announcing(links(message(), message(address="0a:00:00:00:00:02"))) == {
        Interface(2, "eth0", "0a:00:00:00:00:02")
    }


def test_named_interface_that_is_absent_is_logged_once_with_those_that_exist() -> None:
    present = links(message(), message(3, "br0"))
    with structlog.testing.capture_logs() as logs:
        absent = _report_absent(present, ("eth7",), frozenset())
        _report_absent(present, ("eth7",), absent)

    assert [(line["interface"], line["existing"]) for line in logs] == [("eth7", ["br0", "eth0"])]


class Address(dict[str, Any]):
    """A netlink message about an address, with the one method of pyroute2's that is used."""

    def get_attr(self, name: str) -> Any:
        return self.get(name)


def address(
    text: str = "fe80::1", event: str = "RTM_NEWADDR", flags: int = 0x80, scope: int = 253, family: int = 10
) -> Address:
    return Address(event=event, family=family, index=2, scope=scope, IFA_ADDRESS=text, IFA_FLAGS=flags)


def link_local(*messages: dict[str, Any]) -> str | None:
    (interface,) = announcing(links(*messages))
    return str(interface.link_local) if interface.link_local else None


@pytest.mark.parametrize("messages", [(message(), address()), (address(), message())], ids=["later", "earlier"])
def test_interface_has_its_link_local_address(messages: tuple[dict[str, Any], ...]) -> None:
    assert link_local(*messages) == "fe80::1"


@pytest.mark.parametrize(
    "rest",
    [{"flags": 0xC0}, {"flags": 0x88}, {"scope": 0}, {"family": 2, "text": "169.254.0.1"}],
    ids=["tentative", "duplicate", "global", "IPv4"],
)
def test_address_that_nothing_may_be_sent_from_does_not_count(rest: dict[str, Any]) -> None:
    assert link_local(message(), address(**rest)) is None


def test_link_local_address_that_goes_makes_way_for_another() -> None:
    gone = address(event="RTM_DELADDR")

    assert link_local(message(), address(), address("fe80::2"), gone) == "fe80::2"
    assert link_local(message(), address(), gone) is None


def test_link_local_address_goes_with_its_link() -> None:
    assert link_local(message(), address(), message(event="RTM_DELLINK"), message()) is None


def test_link_is_compared_by_value() -> None:
    assert Link(1, "lo", MAC, 0) == Link(1, "lo", MAC, 0, master=0)
