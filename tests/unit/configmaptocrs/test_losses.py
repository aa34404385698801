"""Where the official converter loses, changes or refuses something, row by row: what ours does instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.configmaptocrs.vectors import BASE, LAN, PEER, WAN, named

if TYPE_CHECKING:
    from tests.unit.configmaptocrs.conftest import Converter

ADVERTISED = f"address-pools: [{WAN}, bgp-advertisements: [%s]}}]"
FRR = ("-target-mode", "frr")


@dataclass(frozen=True)
class Row:
    id: str
    text: str
    status: int = 0
    told: str = ""
    """A phrase of what is said, on either stream."""
    has: dict[str, dict[str, Any]] | None = None
    """Objects that must be there, with these fields."""
    flags: tuple[str, ...] = ("-only-data",)


def password(text: str) -> Row:
    return Row(
        f"L1-password-{text[:8]}",
        f"peers: [{PEER}, password: {text}}}]",
        has={"BGPPeer peer1": BASE | {"password": text}},
        told="W-PW",
    )


def config_map(name: str, *, namespace: str = "lb-ns", kind: str = "ConfigMap") -> str:
    one = f"{{metadata: {{name: {name}, namespace: {namespace}}}, data: {{config: 'address-pools: [{LAN}}}]'}}}}"
    return f"kind: {kind}\napiVersion: v1\n" + one[1:-1].replace(", data:", "\ndata:")


LIST = "apiVersion: v1\nkind: List\nitems:\n- " + config_map("config").replace("\n", "\n  ")
VERIFY = ("-only-data", "-verify")

ROWS = (
    *map(password, ("0755", "yes", "0x1F", "1e3", "1_000", "3.14159265358979", "123456789012345678901234567890")),
    Row("L1-pool-named-off", f"address-pools: [{LAN.replace('name: lan', 'name: off')}}}]", has=named("off")),
    Row(
        "L1-alias-named-yes",
        "bgp-communities: {yes: 64700:7}",
        has={"Community communities": {"communities": [{"name": "yes", "value": "64700:7"}]}},
    ),
    Row("L2-unknown-key", f"address-pools: [{LAN}, autoassign: false}}]", 1, "did you mean `auto-assign`?"),
    Row(
        "L3-repeated-key", f"address-pools: [{LAN}}}]\naddress-pools: []", 1, "config:2:1: address-pools: is set twice"
    ),
    Row("L4-key-in-other-case", f"Address-Pools: [{LAN}}}]", 1, "did you mean `address-pools`?"),
    Row("L5-helm-values", f"configInline:\n  address-pools: [{LAN}}}]", has=named("lan")),
    Row("L5-config-map-as-data", config_map("config"), 1, "leave -only-data out"),
    Row("L5-nothing-in-it", "", 1, "-allow-empty"),
    Row("L6-list", LIST, has=named("lan"), flags=()),
    Row("L6-two-config-maps", f"{config_map('a')}\n---\n{config_map('b')}", 1, "several ConfigMaps", flags=()),
    Row("L7-renamed", f"address-pools: [{LAN.replace('lan', 'Lan')}}}]", told="address-pool: Lan need the new name"),
    Row(
        "L8-valid-names-kept",
        f"address-pools: [{LAN.replace('name: lan', 'name: 7-edge.' + 'x' * 60)}}}]",
        has=named("7-edge." + "x" * 60),
        flags=("-only-data", "-names", "keep"),
    ),
    Row("L10-no-letter", f"""address-pools: [{LAN.replace("name: lan", 'name: "42"')}}}]""", has=named("42")),
    Row("L11-odd-characters", f"address-pools: [{LAN.replace('name: lan', 'name: Été b:c_')}}}]", told="is named"),
    Row("L13-namespace", f"address-pools: [{LAN}}}]", has=named("lan"), flags=("-only-data", "-namespace", "x")),
    Row("L14-no-protocol", "address-pools: [{name: lan, addresses: [192.0.2.0/28]}]", 1, "write layer2 or bgp"),
    Row("L15-both-protocols", f"address-pools: [{LAN}, bgp-advertisements: [{{}}]}}]", 1, "D-SRC config:1:"),
    Row("L16-localprefs", ADVERTISED % "{localpref: 1}, {localpref: 2}", told="W-LOAD pool wan"),
    Row("L16-localprefs-verified", ADVERTISED % "{localpref: 1}, {localpref: 2}", 3, "D-LOAD", flags=VERIFY),
    Row("L17-communities", ADVERTISED % "{communities: [1:1]}, {communities: [1:2]}", told="A-1 pool wan"),
    Row(
        "L17-communities-fixed",
        ADVERTISED % "{communities: [1:1]}, {communities: [1:2]}",
        has={"BGPAdvertisement bgpadvertisement1": {"communities": ["1:2"], "ipAddressPools": ["wan"]}},
        flags=("-only-data", "-fix"),
    ),
    Row("L18-equal-advertisements", ADVERTISED % "{localpref: 1}, {localpref: 1}", 1, "is equal to"),
    Row(
        "L19-length-0",
        "address-pools: [{name: all, protocol: bgp, addresses: [0.0.0.0/0], bgp-advertisements: "
        "[{aggregation-length: 0}]}]",
        1,
        "spec.aggregationLength",
    ),
    Row("L20-large-localpref", ADVERTISED % "{localpref: 3000000000}", told="W-LOCALPREF pool wan"),
    Row("L21-high-port", f"peers: [{PEER}, peer-port: 16385}}]", 1, "16384"),
    Row(
        "L22-large-asn",
        "peers: [{my-asn: 4200000001, peer-asn: 1, peer-address: 192.0.2.1}]",
        told="W-ASN BGPPeers are refused, every one, by Kubernetes 1.36",
        flags=("-only-data", "-target", "0.15.3"),
    ),
    Row(
        "L23-no-hold-time", f"peers: [{PEER}, hold-time: 0}}]", told="W-HOLD", flags=("-only-data", "-target", "0.14.8")
    ),
    Row(
        "L24-repeated-values",
        f"peers: [{PEER}, node-selectors: [{{match-expressions: [{{key: a, operator: In, values: [b, b]}}, "
        "{key: a, operator: In, values: [b]}]}]}]",
        has={
            "BGPPeer peer1": BASE
            | {"nodeSelectors": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]}
        },
    ),
    Row("L25-equal-peers", f"peers: [{PEER}}}, {PEER}}}]", 1, "is the same peer as"),
    Row(
        "L26-target-mode",
        f"bfd-profiles: [{{name: x}}]\npeers: [{PEER}, bfd-profile: x}}]",
        told="W-MODE BFD profile x",
    ),
    Row("L26-source-mode", "bfd-profiles: [{name: x}]", 3, "D-SRC", flags=(*VERIFY, "-source-mode", "native", *FRR)),
    Row("L27-multihop-unknown", f"peers: [{PEER}}}]", 4, "U-1 peer1", flags=(*VERIFY, *FRR)),
    Row(
        "L28-both-families",
        f'peers: [{PEER}}}]\naddress-pools: [{{name: six, protocol: bgp, addresses: ["2001:db8::/120"]}}]',
        has={"BGPPeer peer1": BASE | {"dualStackAddressFamily": True}},
        flags=("-only-data", *FRR),
    ),
    Row(
        "L30-passwords-in-secrets",
        f"peers: [{PEER}, password: x}}]",
        has={"BGPPeer peer1": BASE | {"passwordSecret": {"name": "bgp-peer1"}}, "Secret bgp-peer1": {}},
        flags=("-only-data", "-passwords", "secret"),
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_nothing_is_lost_in_silence(row: Row, convert: Converter) -> None:
    done = convert(row.text, *row.flags)
    assert done.status == row.status, done.messages + done.output
    assert row.told in done.messages + done.output
    objects = done.objects if row.has else {}
    assert {name: objects.get(name) for name in row.has or {}} == (row.has or {})


def test_a_failure_leaves_the_result_that_is_there(convert: Converter) -> None:
    convert(f"address-pools: [{LAN}}}]", "-only-data")
    done = convert("nonsense: 1", "-only-data")
    assert done.status == 1
    assert done.objects == named("lan")


def test_the_config_maps_namespace_is_that_of_all_objects(convert: Converter) -> None:
    assert (convert(config_map("config")).file or "").count("namespace: lb-ns") == 2


@pytest.mark.parametrize("target", ["0.14.9", "0.14.8"])
def test_a_renamed_pool_that_services_ask_for_is_a_difference_unless_they_know_both(
    target: str, convert: Converter
) -> None:
    annotations = "metallb.universe.tf/address-pool: Lan, metallb.io/address-pool: lan"
    service = f"""
kind: Service
apiVersion: v1
metadata: {{name: web, namespace: default, annotations: {{{annotations}}}}}
spec: {{type: LoadBalancer, clusterIP: 10.96.0.1}}
status: {{loadBalancer: {{ingress: [{{ip: 192.0.2.65}}]}}}}
"""
    text = f"address-pools: [{LAN.replace('lan', 'Lan')}}}]"
    flags = ("-only-data", "-verify", "-target", target, "-services", convert.write("services.yaml", service))
    done = convert(text, *flags)
    assert done.status == (0 if target == "0.14.9" else 3), done.output
    assert ("D-NAME Service default/web" in done.output) is (target == "0.14.8")


def test_an_advertisement_in_the_cluster_that_selects_nothing_applies_to_everything(convert: Converter) -> None:
    text = f"address-pools: [{WAN}}}]"
    made = convert(text, "-only-data").file or ""
    foreign = (
        "apiVersion: metallb.io/v1beta1\nkind: L2Advertisement\nmetadata: {name: all, namespace: metallb-system}\n"
    )
    done = convert(text, "-only-data", "-verify", "-crs", convert.write("crs.yaml", made + foreign))
    assert done.status == 3
    assert "D-L2 pool wan is answered for" in done.output


def test_a_file_without_resources_is_compared_as_it_is(convert: Converter) -> None:
    done = convert(f"address-pools: [{LAN}}}]", "-only-data", "-verify", "-crs", convert.write("crs.yaml", ""))
    assert done.status == 3
    assert "D-POOL pool lan is missing" in done.output


def test_a_file_without_nodes_proves_nothing(convert: Converter) -> None:
    nodes = convert.write("nodes.yaml", "{kind: List, apiVersion: v1, items: []}")
    done = convert(f"address-pools: [{LAN}}}]", "-only-data", "-verify", "-nodes", nodes)
    assert done.status == 1
    assert "holds no Node" in done.messages
