from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.configmaptocrs.vectors import VECTORS, Vector

if TYPE_CHECKING:
    from tests.unit.configmaptocrs.conftest import Converter

LAN = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: lan, namespace: metallb-system}
spec: {addresses: [192.0.2.64/27]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: lan, namespace: metallb-system}
spec: {%s}
"""


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if int(vector.id.split("-")[0]) <= 11], ids=lambda vector: vector.id
)
def test_the_way_back_and_forth_gives_the_same_objects(vector: Vector, convert: Converter) -> None:
    if "5-" in vector.id:  # its target takes hold time 0 for 90 seconds, which the way back tells
        return
    first = convert(vector.text, "-only-data", *vector.flags)
    back = convert("", "-reverse", convert.write("crs.yaml", first.file or ""), *vector.flags)
    assert back.status == 0, back.messages
    again = convert(back.output, "-verify", "-crs", convert.write("crs.yaml", first.file or ""), *vector.flags)
    assert again.status == 0, again.output


def test_what_the_legacy_format_cannot_say_is_refused(convert: Converter) -> None:
    done = convert("", "-reverse", convert.write("crs.yaml", LAN % "interfaces: [eth0]"))
    assert done.status == 1
    assert done.output == ""
    assert "D-REVERSE pool lan L2Advertisement lan restricts interfaces" in done.messages


def test_partial_leaves_out_and_tells_what_cannot_be_said(convert: Converter) -> None:
    done = convert("", "-partial", "-reverse", convert.write("crs.yaml", LAN % "interfaces: [eth0]"))
    assert done.status == 0
    assert "kind: ConfigMap" in done.output
    assert "D-POOL" in done.messages


def test_a_restriction_that_every_node_meets_is_none(convert: Converter) -> None:
    crs = convert.write("crs.yaml", LAN % "nodeSelectors: [{matchLabels: {a: b}}]")
    nodes = convert.write("nodes.yaml", "kind: Node\napiVersion: v1\nmetadata: {name: n1, labels: {a: b}}\n")
    assert convert("", "-reverse", crs).status == 1
    assert convert("", "-reverse", crs, "-nodes", nodes).status == 0


PEER = """
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: p, namespace: metallb-system}
spec: {myASN: 64512, peerAddress: 192.0.2.1, %s}
"""


def test_a_router_of_our_own_as_is_said_by_its_number(convert: Converter) -> None:
    done = convert("", "-reverse", convert.write("crs.yaml", PEER % "dynamicASN: internal"))
    assert done.status == 0, done.messages
    assert "peer-asn: 64512" in done.output


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("dynamicASN: external", "dynamicASN external"),
        ("peerASN: 64513, localASN: 5", "localASN"),
        ("peerASN: 64513, vrf: red", "vrf"),
    ],
)
def test_a_peer_that_would_be_another_one_is_left_out(convert: Converter, spec: str, told: str) -> None:
    crs = convert.write("crs.yaml", PEER % spec + PEER.replace("name: p", "name: q") % "peerASN: 64514")
    assert f"D-REVERSE peer p {told} is not there in the legacy format" in convert("", "-reverse", crs).messages
    assert convert("", "-partial", "-reverse", crs).output.count("peer-asn") == 1
