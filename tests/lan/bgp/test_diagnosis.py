"""Why a session does not come up is told in an operator's words, with a real FRR and a real gobgpd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.lan import Lan
from tests.lab.routers import Bird, Frr, Neighbor, Router
from tests.lab.wait import wait_until
from tests.lan.bgp.speaker import UP_S, Speaker, peer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NODE, R1, ASN, NODE_ASN = "192.168.1.1", "192.168.1.2", 64512, 64500
PATIENCE_S = "1"
PASSWORD = "right"  # noqa: S105 - a test's

Case = tuple[Neighbor, dict[str, Any], str]
"""What the router expects, what differs from the peer that would do, and the words for it."""
RIGHT = Neighbor(NODE, NODE_ASN)
SECRET = Neighbor(NODE, NODE_ASN, password=PASSWORD)
CASES: dict[str, Case] = {
    "other peer ASN": (
        RIGHT,
        {"peer_asn": 64513},
        "wrong AS: its ASN is 64512, and the configuration says peer-asn 64513",
    ),
    "other ASN of ours": (
        Neighbor(NODE, 64599),
        {},
        "wrong AS: it expects another ASN of this node than my-asn 64500 (it says: bad peer AS)",
    ),
    "ASN of four bytes": (
        Neighbor(NODE, 4_200_000_009),
        {"my_asn": 4_200_000_001},
        "wrong AS: it expects another ASN of this node than my-asn 4200000001 (it says: bad peer AS)",
    ),
    "other password": (SECRET, {"password": "wrong"}, "no answer: a firewall, another password (TCP MD5) there"),
    "password there only": (SECRET, {}, "no answer: a firewall, a password (TCP MD5) there"),
    "password here only": (
        RIGHT,
        {"password": "wrong"},
        "it has no password (TCP MD5) for this node, and the configuration has one: wrong password",
    ),
    "nothing listens": (RIGHT, {"port": 1790}, "nothing listens on port 1790 there (connection refused)"),
    "nobody there": (
        RIGHT,
        {"address": "192.168.1.77"},
        "no route to it, or nobody at that address (no route to host)",
    ),
    "no route": (
        RIGHT,
        {"address": "203.0.113.1"},
        "no route to it, or nobody at that address (network is unreachable)",
    ),
    "unknown node": (
        Neighbor("192.168.1.99", NODE_ASN),
        {},
        "it hangs up without a word: it has no neighbor 192.168.1.1, which is this node",
    ),
}


@pytest.fixture
def lan() -> Iterator[Lan]:
    with Lan() as lan:
        yield lan


def cause(speaker: Speaker) -> str:
    """Wait for what is told of the session, which is told once."""
    told = wait_until(
        lambda: [each for each in speaker.ask("complaints") if each[2] == "session"], 2 * UP_S, "a cause is told"
    )
    assert len(told) == 1
    return str(told[0][1])


@pytest.mark.parametrize("case", CASES)
def test_cause_is_told(lan: Lan, tmp_path: Path, case: str) -> None:
    neighbor, changes, words = CASES[case]
    node = lan.host("node1")
    with Frr(lan.host("r1"), asn=ASN, neighbors=[neighbor]):
        speaker = Speaker(node, tmp_path / "logs", "--patience", PATIENCE_S)
        speaker.keep({**peer(R1, ASN), **changes})
        speaker.ready()

        assert cause(speaker).startswith(words)
        (event,) = speaker.logs(error=cause(speaker))
        assert event["what"] == f"peer {changes.get('address', R1)}:{changes.get('port', 179)}"


@pytest.mark.parametrize("kind", [Frr, Bird])
def test_each_kind_of_router_is_understood_when_it_expects_another_asn(
    lan: Lan, tmp_path: Path, kind: type[Router]
) -> None:
    node = lan.host("node1")
    with kind(lan.host("r1"), asn=ASN, neighbors=[Neighbor(NODE, 64599)]):
        speaker = Speaker(node, tmp_path / "logs", "--patience", PATIENCE_S)
        speaker.keep(peer(R1, ASN))
        speaker.ready()

        words = "wrong AS: it expects another ASN of this node"
        wait_until(lambda: any(words in each[1] for each in speaker.ask("complaints")), 2 * UP_S, words)


def test_cause_is_told_again_after_an_edit_and_nothing_once_the_session_is_up(lan: Lan, tmp_path: Path) -> None:
    node = lan.host("node1")
    with Frr(lan.host("r1"), asn=ASN, neighbors=[Neighbor(NODE, NODE_ASN, password=PASSWORD)]) as frr:
        speaker = Speaker(node, tmp_path / "logs", "--patience", "3")
        speaker.keep(peer(R1, 64513, password=PASSWORD))
        speaker.ready()
        assert "its ASN is 64512" in cause(speaker)

        speaker.keep(peer(R1, 64514, password=PASSWORD))
        wait_until(lambda: len(speaker.ask("complaints")) > 1, UP_S, "the edit is told of")
        assert "peer-asn 64514" in speaker.ask("complaints")[-1][1]

        speaker.keep(peer(R1, ASN, password=PASSWORD))
        wait_until(lambda: frr.is_up(NODE), UP_S, "the session is up")
        wait_until(lambda: speaker.ask("states"), UP_S, "and so the speaker sees it")
        assert len(speaker.ask("complaints")) == 2
