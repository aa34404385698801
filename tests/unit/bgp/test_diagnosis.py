"""Why a session does not come up: what an answer means, and when a peer is asked; by a peer that is none."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

import pytest

from metalpy.bgp import diagnosis
from metalpy.bgp.chronicle import SESSION, Chronicle, Complaint
from metalpy.bgp.diagnosis import Diagnosis, diagnose
from metalpy.bgp.probe import Answer, asn_of, open_message
from metalpy.bgp.wanted import Wanted
from metalpy.model import ANY_OTHER_ASN
from tests.unit.bgp.values import peer, session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metalpy.announcement.routes import Session

ONE = session(peer("192.0.2.1", connect_time_s=0))
REFUSED = Answer(errno.ECONNREFUSED)
ACCEPTED = Answer(local="10.0.0.1", asn=64512, is_accepted=True)
WRONG_AS = Answer(local="10.0.0.1", asn=64512, notification=(2, 2))


class Peers:
    """Answers every call with the next answer, the last one for ever."""

    def __init__(self) -> None:
        self.answers = [REFUSED]
        self.passwords: list[str] = []

    async def call(self, session: Session, *, timeout_s: float, password: str) -> Answer:
        del session, timeout_s
        self.passwords.append(password)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture(autouse=True)
def peers(monkeypatch: pytest.MonkeyPatch) -> Peers:
    result = Peers()
    monkeypatch.setattr(diagnosis, "call", result.call)
    return result


class Watched:
    """A diagnosis that runs, with the session ONE wanted."""

    def __init__(self) -> None:
        self.wanted = Wanted()
        self.wanted.keep([ONE])
        self.is_connected = True
        self.chronicle = Chronicle(lambda address: f"{address}:179")
        self.looked = 0
        self._task = asyncio.create_task(Diagnosis(self.wanted, self.chronicle, self._look, patience_s=0.02).run())

    def _look(self) -> bool:
        self.looked += 1
        return self.is_connected

    async def looks(self, many: int) -> None:
        """Wait until it was looked so often, from now on, whether anybody is to be asked; ten are its patience."""
        many += self.looked
        async with asyncio.timeout(10):
            while self.looked <= many:  # noqa: ASYNC110 - on another task's work, seen from outside
                await asyncio.sleep(0.001)

    async def next(self) -> Complaint:
        async with asyncio.timeout(10):
            while True:
                news = await self.chronicle.next()
                if isinstance(news, Complaint):
                    return news

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    result = Watched()
    yield result
    await result.end()


async def calls(peers: Peers, many: int) -> None:
    """Wait for so many calls from now on."""
    many += len(peers.passwords)
    async with asyncio.timeout(10):
        while len(peers.passwords) < many:  # noqa: ASYNC110 - on another task's work, seen from outside
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(errno.ETIMEDOUT), "several hops away (ebgp-multihop)"),
        (Answer(local="10.0.0.1", notification=(2, 3)), "bad BGP identifier: is our router ID 10.0.0.1 its own?"),
        (Answer(local="10.0.0.1", notification=(2, 6)), "it refuses the session: unacceptable hold time"),
        (Answer(local="10.0.0.1", notification=(6, 99)), "it refuses the session: cease"),
        (Answer(local="10.0.0.1", notification=(99, 1)), "it refuses the session: NOTIFICATION 99/1"),
        (Answer(local="10.0.0.1", is_closed=True), "it hangs up without a word: it has no neighbor 10.0.0.1"),
        (Answer(local="10.0.0.1"), "it takes the connection and says nothing"),
        (Answer(errno.EINVAL), "it cannot be called: Invalid argument"),
        (ACCEPTED, "it would have the session, and gobgpd has none: gobgpd does not say why"),
    ],
)
async def test_answer_is_told_in_an_operator_s_words(peers: Peers, answer: Answer, words: str) -> None:
    peers.answers = [answer]
    cause = await diagnose(ONE)

    assert cause is not None
    assert words in cause.text


@pytest.mark.parametrize(
    ("fields", "answer", "words"),
    [
        ({"peer_asn": 64513}, WRONG_AS, "its ASN is 64512, and the configuration says peer-asn 64513"),
        (
            {"peer_asn": ANY_OTHER_ASN, "local_asn": 64512},
            WRONG_AS,
            "its ASN is 64512, and the configuration says another AS than ours",
        ),
        ({}, WRONG_AS, "another ASN of this node than my-asn 64500"),
        ({"peer_asn": ANY_OTHER_ASN, "local_asn": 5}, WRONG_AS, "another ASN of this node than localASN 5"),
        ({"peer_asn": ANY_OTHER_ASN}, ACCEPTED, "it would have the session"),
    ],
)
async def test_wrong_as_is_told_from_the_side_that_has_it(
    peers: Peers, fields: dict[str, int], answer: Answer, words: str
) -> None:
    peers.answers = [answer]
    cause = await diagnose(session(peer("192.0.2.1", **fields)))

    assert cause is not None
    assert words in cause.text


@pytest.mark.parametrize("answer", [Answer(errno.EADDRNOTAVAIL), Answer(asn=64512, notification=(6, 7))])
async def test_what_is_told_elsewhere_or_is_no_fault_is_not_told(peers: Peers, answer: Answer) -> None:
    peers.answers = [answer]

    assert await diagnose(ONE) is None


async def test_peer_of_our_own_system_is_not_suspected_of_hops(peers: Peers) -> None:
    peers.answers = [Answer(errno.ETIMEDOUT)]
    cause = await diagnose(session(peer("192.0.2.1", 64500, password="x")))  # noqa: S106 - a test's

    assert cause is not None
    assert cause.text == "no answer: a firewall, another password (TCP MD5) there"
    assert peers.passwords == ["x", ""]


def test_asn_of_four_bytes_is_read_from_the_capability() -> None:
    for asn in (64512, 4_200_000_001):
        assert asn_of(open_message(session(peer("2001:db8::1", my_asn=asn)))[19:]) == asn
        assert asn_of(open_message(session(peer("2001:db8::1", local_asn=asn)))[19:]) == asn
    assert asn_of(bytes((4, 0xFC, 0x00)) + bytes(7)) == 64512
    assert asn_of(b"") == 0


async def test_cause_is_told_once_as_long_as_it_stays_the_same(peers: Peers, watched: Watched) -> None:
    first = await watched.next()
    await calls(peers, 2)
    peers.answers = [WRONG_AS]
    second = await watched.next()

    assert first == Complaint("peer 192.0.2.1:179", "nothing listens on port 179 there (connection refused)", SESSION)
    assert "wrong AS" in second.why


async def test_peer_that_would_have_the_session_is_told_of_when_it_says_so_twice(
    peers: Peers, watched: Watched
) -> None:
    peers.answers = [ACCEPTED, REFUSED, ACCEPTED, ACCEPTED]
    told = [await watched.next(), await watched.next()]

    assert ["nothing listens" in told[0].why, "gobgpd has none" in told[1].why] == [True, True]
    assert len(peers.passwords) >= 4


async def test_certain_cause_is_not_replaced_by_one_that_may_be_a_coincidence(peers: Peers, watched: Watched) -> None:
    hangs_up = Answer(local="10.0.0.1", is_closed=True)
    peers.answers = [WRONG_AS, hangs_up, hangs_up, WRONG_AS, hangs_up, hangs_up, hangs_up, REFUSED]
    told = [await watched.next(), await watched.next()]

    assert ["wrong AS" in told[0].why, "nothing listens" in told[1].why] == [True, True]


async def test_peer_with_a_session_and_any_peer_while_gobgpd_is_away_is_left_alone(
    peers: Peers, watched: Watched
) -> None:
    await calls(peers, 1)
    watched.is_connected = False
    await watched.looks(1)  # one may have been under way
    peers.passwords.clear()
    await watched.looks(20)
    assert peers.passwords == []

    watched.chronicle.change(ONE.peer.address, is_up=True)
    watched.is_connected = True
    await watched.looks(20)
    assert peers.passwords == []
