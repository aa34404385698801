"""Interfaces that come and go under a running announcer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.wait import wait_until
from tests.lan.node import Node, exchange, reply, request

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.lan import Host

IP = "192.168.1.240"
CREATED: dict[str, Any] = {"event_name": "createARPResponder"}
DELETED: dict[str, Any] = {"event_name": "deleteARPResponder"}


def is_answered(node: Node, client: Host, interface: str = "eth0", mac: str | None = None) -> bool:
    """Tell whether a request over that interface of the client is answered, with the right MAC."""
    answers = exchange(client, request(IP, sender=client), interface=interface)
    return answers == [reply(IP, mac=mac or node.host.mac, to=client)]


def second_cable(node: Node, client: Host) -> str:
    """Lay a cable from eth1 of the client to eth1 of the node; return the node's MAC there."""
    mac = "0a:00:00:00:01:01"
    peer = ["peer", "eth1", "netns", client.name, "address", "0a:00:00:00:01:02"]
    node.host.run(["ip", "link", "add", "eth1", "address", mac, "type", "veth", *peer])
    client.run(["ip", "link", "set", "eth1", "up"])
    node.host.run(["ip", "link", "set", "eth1", "up"])
    return mac


def test_interface_created_later_is_answered_on(node: Node, client: Host) -> None:
    node.announce(IP)
    mac = second_cable(node, client)
    node.wait_for_log(interface="eth1", **CREATED)

    assert is_answered(node, client, "eth1", mac)
    assert is_answered(node, client)


def test_interface_that_vanishes_does_not_disturb_the_others(node: Node, client: Host) -> None:
    node.announce(IP)
    second_cable(node, client)
    node.wait_for_log(interface="eth1", **CREATED)
    node.host.run(["ip", "link", "delete", "eth1"])
    node.wait_for_log(interface="eth1", **DELETED)

    assert is_answered(node, client)
    mac = second_cable(node, client)
    node.wait_for_log(2, interface="eth1", **CREATED)
    assert is_answered(node, client, "eth1", mac)


def test_interface_that_was_down_is_answered_on_again(node: Node, client: Host) -> None:
    node.announce(IP)
    node.host.run(["ip", "link", "set", "eth0", "down"])
    node.wait_for_log(interface="eth0", **DELETED)
    node.host.run(["ip", "link", "set", "eth0", "up"])
    node.wait_for_log(2, interface="eth0", **CREATED)

    assert is_answered(node, client)


def test_interface_that_flaps_is_answered_on_again(node: Node, client: Host) -> None:
    node.announce(IP)
    node.host.run(["sh", "-c", "for i in 1 2 3 4 5; do ip link set eth0 down; ip link set eth0 up; done"])

    def is_known() -> bool:
        client.look_up(IP)
        return client.neighbour(IP) is not None

    wait_until(is_known, 10, "an answer")


def test_port_of_a_bridge_leaves_the_answer_to_the_bridge(node: Node, client: Host) -> None:
    node.announce(IP)
    node.host.run(["ip", "link", "add", "br0", "address", "0a:00:00:00:00:44", "type", "bridge", "forward_delay", "0"])
    node.host.run(["ip", "link", "set", "br0", "up"])
    node.host.run(["ip", "link", "set", "eth0", "master", "br0"])
    node.wait_for_log(interface="br0", **CREATED)
    node.wait_for_log(interface="eth0", **DELETED)
    assert is_answered(node, client, mac="0a:00:00:00:00:44")

    node.host.run(["ip", "link", "set", "eth0", "nomaster"])
    node.wait_for_log(2, interface="eth0", **CREATED)
    assert is_answered(node, client)


def test_new_mac_is_answered_with(node: Node, client: Host) -> None:
    node.announce(IP)
    node.host.run(["ip", "link", "set", "eth0", "address", "0a:00:00:00:00:33"])
    node.wait_for_log(2, interface="eth0", **CREATED)

    assert is_answered(node, client, mac="0a:00:00:00:00:33")


def test_only_named_interfaces_are_answered_on(host: Host, client: Host, tmp_path: Path) -> None:
    node = Node(host, tmp_path / "named", "eth1")
    node.wait_for_log(op="getInterfaces", interface="eth1", existing=["eth0", "lo"])
    node.announce(IP)
    mac = second_cable(node, client)
    node.wait_for_log(interface="eth1", **CREATED)

    assert is_answered(node, client, "eth1", mac)
    assert node.logs(interface="eth0", **CREATED) == []
    assert len(node.logs(op="getInterfaces")) == 1


@pytest.mark.parametrize("name", ["lo", "kube-ipvs0"])
def test_interface_without_arp_gets_no_socket(name: str, node: Node, client: Host) -> None:
    if name != "lo":
        node.host.run(["ip", "link", "add", name, "type", "veth", "peer", "other"])
        node.host.run(["ip", "link", "set", name, "arp", "off", "up"])
    second_cable(node, client)
    node.wait_for_log(interface="eth1", **CREATED)

    assert node.logs(interface=name, **CREATED) == []
    assert len(node.logs(event_name="strictARPMissing")) == (name == "kube-ipvs0")


def test_excluded_interfaces_are_not_answered_on(host: Host, client: Host, tmp_path: Path) -> None:
    node = Node(host, tmp_path / "excluding", "--exclude", "^docker", "--exclude", "^eth0$")
    node.announce(IP)
    mac = second_cable(node, client)
    node.wait_for_log(interface="eth1", **CREATED)

    assert is_answered(node, client, "eth1", mac)
    assert node.logs(interface="eth0") == []


def test_port_that_a_bridge_has_from_the_start_gets_no_socket(host: Host, client: Host, tmp_path: Path) -> None:
    host.run(["ip", "link", "add", "br0", "address", "0a:00:00:00:00:44", "type", "bridge", "forward_delay", "0"])
    host.run(["ip", "link", "set", "eth0", "master", "br0"])
    host.run(["ip", "link", "set", "br0", "up"])
    node = Node(host, tmp_path / "bridged")
    node.announce(IP)

    assert is_answered(node, client, mac="0a:00:00:00:00:44")
    assert [line["interface"] for line in node.logs(**CREATED)] == ["br0"]
