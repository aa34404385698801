"""On which interfaces a node answers: the advertisements that are for it and the Service, taken together."""

from __future__ import annotations

import pytest

from metalpy.announcement.announceable import Announceable
from metalpy.announcement.candidates import Rosters, Rules
from metalpy.announcement.speakers import Speakers
from metalpy.model import AddressRange, L2Advertisement, LabelSelector, Node, ObjectKey, Pool, Service, parse_address

SERVICE = Service(ObjectKey("default", "nginx"), labels=(("team", "blue"),))
SHARING = Service(ObjectKey("default", "nginx"), labels=(("team", "blue"),), sharing_key="k")
RACK_1, RACK_2 = (LabelSelector((("rack", number),)) for number in "12")
BLUE, RED = (LabelSelector((("team", name),)) for name in ("blue", "red"))
ETH1, ETH2, ALL = L2Advertisement(interfaces=("eth1",)), L2Advertisement(interfaces=("eth2", "eth3")), L2Advertisement()


def interfaces(*layer2: L2Advertisement, service: Service = SERVICE) -> frozenset[str] | None:
    nodes = {"node1": Node("node1", (("rack", "1"),))}
    announced = Announceable((parse_address("192.168.1.240"),), Pool("p", (AddressRange(()),), layer2=layer2))
    return Rosters(Speakers(frozenset(nodes), nodes), Rules()).interfaces("node1", service, announced)


@pytest.mark.parametrize(
    ("layer2", "expected"),
    [
        pytest.param([ALL], None, id="none-named"),
        pytest.param([ETH1], {"eth1"}, id="one"),
        pytest.param([ETH1, ETH2], {"eth1", "eth2", "eth3"}, id="united"),
        pytest.param([ETH1, ALL], None, id="one-is-for-all"),
        pytest.param([ETH1, L2Advertisement((RACK_2,), ("eth2",))], {"eth1"}, id="one-is-for-other-nodes"),
        pytest.param([ETH1, L2Advertisement((RACK_2,))], {"eth1"}, id="all-but-for-other-nodes"),
        pytest.param([ETH1, L2Advertisement((RACK_1,), ("eth2",))], {"eth1", "eth2"}, id="both-select-the-node"),
        pytest.param([ETH1, L2Advertisement((), ("eth2",), (RED,))], {"eth1"}, id="one-is-for-other-services"),
        pytest.param([ETH1, L2Advertisement((), ("eth2",), (BLUE,))], {"eth1", "eth2"}, id="both-for-the-service"),
    ],
)
def test_interfaces_are_those_of_all_advertisements_that_are_for_node_and_service(
    layer2: list[L2Advertisement], expected: frozenset[str] | None
) -> None:
    found = interfaces(*layer2)

    assert found == expected


def test_service_that_shares_has_no_interfaces_of_advertisements_for_some_services() -> None:
    assert interfaces(ETH1, L2Advertisement((), ("eth2",), (BLUE,)), service=SHARING) == frozenset({"eth1"})
