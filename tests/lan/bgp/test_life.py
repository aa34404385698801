"""What routers see when configurations are edited, and when gobgpd, its guard or the speaker dies."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.lab.lan import Lan
from tests.lab.routers import Frr, Neighbor
from tests.lab.wait import wait_until
from tests.lan.bgp.speaker import ROUTER_ID, SOON_S, UP_S, Speaker, directory, gobgpd, is_gone, kill, peer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.lan import Host

NODE = "192.168.1.1"
R1, R2 = "192.168.1.2", "192.168.1.3"
PEER1, PEER2 = peer(R1, 64512), peer(R2, 64513)
MANY = tuple(f"198.51.100.{number}/32" for number in range(1, 51))
STRAY = "203.0.113.1/32"


class Pair:
    """Two FRR routers, and the node between."""

    def __init__(self, node: Host, frr1: Frr, frr2: Frr) -> None:
        self.node = node
        self.frr1 = frr1
        self.frr2 = frr2

    def have(self, *prefixes: str, within_s: float = SOON_S) -> None:
        """Wait until both routers have exactly these."""
        for frr in (self.frr1, self.frr2):
            has(frr, *prefixes, within_s=within_s)


def has(frr: Frr, *prefixes: str, within_s: float = SOON_S) -> None:
    """Wait until a router has exactly these prefixes."""
    wait_until(lambda: frr.prefixes("ipv4") == set(prefixes), within_s, f"{frr.host.name} has {len(prefixes)} prefixes")


def history(frr: Frr) -> tuple[int, int]:
    """How often the session has come up, and how many UPDATE messages it brought."""
    return frr.established(NODE), frr.updates_received(NODE)


@pytest.fixture(scope="module")
def routers() -> Iterator[Pair]:
    with Lan() as lan:
        node, r1, r2 = (lan.host(name) for name in ("node1", "r1", "r2"))
        with (
            Frr(r1, asn=64512, neighbors=[Neighbor(NODE, 64500)]) as frr1,
            Frr(r2, asn=64513, neighbors=[Neighbor(NODE, 64500)]) as frr2,
        ):
            yield Pair(node, frr1, frr2)


@pytest.fixture
def pair(routers: Pair, tmp_path: Path) -> Iterator[Pair]:
    """The routers without sessions, their counters at 0; what ran on the node is gone afterwards, and was calm."""
    for frr in (routers.frr1, routers.frr2):
        frr.forget_sessions()
    yield routers
    routers.node.kill_processes()
    for logs in tmp_path.iterdir():
        text = logs.read_text(encoding="utf-8")
        assert "Traceback" not in text, text
        assert "Warning" not in text, text


def start(pair: Pair, logs: Path, *options: str, home: Path | None = None, target: str = "") -> Speaker:
    """Start a speaker that knows everything; returns when both routers have it."""
    speaker = Speaker(pair.node, logs, *options, home=home, target=target)
    tell(speaker)
    pair.have(*MANY, within_s=UP_S)
    return speaker


def tell(speaker: Speaker) -> None:
    """Tell a speaker everything."""
    speaker.keep(PEER1, PEER2)
    announce(speaker, *MANY)
    speaker.ready()


def announce(speaker: Speaker, *prefixes: str) -> None:
    """Announce prefixes to both routers."""
    assert speaker.ask("announce", *([prefix, [{}, R1, R2]] for prefix in prefixes)) == "done"


def test_edit_of_one_peer_leaves_the_others_session_alone(pair: Pair, tmp_path: Path) -> None:
    speaker = start(pair, tmp_path / "logs")
    before = history(pair.frr1)
    speaker.keep(PEER1, peer(R2, 64513, hold_time_s=6))
    speaker.settle()
    wait_until(lambda: pair.frr2.established(NODE) == 2, UP_S, "the edited session is up again")
    assert pair.frr2.neighbor(NODE)["bgpTimerHoldTimeMsecs"] == 6000
    pair.have(*MANY)
    speaker.keep(PEER1)
    speaker.settle()
    has(pair.frr2)
    speaker.keep(PEER1, PEER2)
    speaker.settle()
    pair.have(*MANY, within_s=UP_S)

    assert history(pair.frr1) == before


def test_other_pause_between_calls_leaves_the_session_alone_and_is_known_to_the_next_speaker(
    pair: Pair, tmp_path: Path
) -> None:
    first = start(pair, tmp_path / "first")
    before = history(pair.frr1), history(pair.frr2)
    edited = PEER1, peer(R2, 64513, connect_time_s=3)
    first.keep(*edited)
    first.settle()
    first.die()
    second = Speaker(pair.node, tmp_path / "second", home=first.home)
    second.keep(*edited)
    announce(second, *MANY, STRAY)
    second.ready()
    pair.have(*MANY, STRAY)

    assert (history(pair.frr1), history(pair.frr2)) == tuple((up, updates + 1) for up, updates in before)


def test_peer_that_comes_is_no_news_for_the_other(pair: Pair, tmp_path: Path) -> None:
    speaker = Speaker(pair.node, tmp_path / "logs")
    speaker.ask("state", [ROUTER_ID, PEER1], [[prefix, [{}, R1]] for prefix in MANY])
    speaker.ready()
    has(pair.frr1, *MANY, within_s=UP_S)
    before = history(pair.frr1)
    speaker.ask("state", [ROUTER_ID, PEER1, PEER2], [[prefix, [{}, R1, R2]] for prefix in MANY])
    pair.have(*MANY, within_s=UP_S)

    assert history(pair.frr1) == before


def test_same_state_said_again_sends_nothing(pair: Pair, tmp_path: Path) -> None:
    speaker = start(pair, tmp_path / "logs")
    before = history(pair.frr1), history(pair.frr2)
    tell(speaker)
    speaker.say(STRAY, [{}, R1, R2])
    pair.have(*MANY, STRAY)

    assert (history(pair.frr1), history(pair.frr2)) == tuple((up, updates + 1) for up, updates in before)


def test_another_router_id_is_taken_and_nothing_is_lost(pair: Pair, tmp_path: Path) -> None:
    speaker = start(pair, tmp_path / "logs")
    speaker.keep(PEER1, PEER2, router_id="10.1.1.1")
    speaker.settle()
    for frr in (pair.frr1, pair.frr2):
        wait_until(lambda frr=frr: frr.neighbor(NODE)["remoteRouterId"] == "10.1.1.1", UP_S, "the other router ID")  # type: ignore[misc]
    pair.have(*MANY)


def test_gobgpd_that_is_killed_comes_back_with_everything(pair: Pair, tmp_path: Path) -> None:
    speaker = start(pair, tmp_path / "logs")
    told: list[bool] = []

    def has_told(rounds: int) -> bool:
        told.extend(change[1] for change in speaker.ask("states") if change[0] == f"{R1}:179")
        return told == [True, *([False, True] * rounds)]

    for kills in range(3):
        if kills:
            kill(speaker.gobgpd_pid())
            assert speaker.ask("announce", [MANY[-kills]]) == "done"
        wait_until(lambda ups=kills + 1: pair.frr1.established(NODE) == ups, UP_S, "the session is up")  # type: ignore[misc]
        pair.have(*MANY[: len(MANY) - kills], within_s=UP_S)
        # Before the next kill: of a session that is gone at once nobody would be told that it was up.
        wait_until(lambda kills=kills: has_told(kills), UP_S, f"word of that, after {told}")  # type: ignore[misc]


def test_graceful_restart_leaves_no_gap_when_gobgpd_is_killed(pair: Pair, tmp_path: Path) -> None:
    speaker = start(pair, tmp_path / "logs", "--restart", "30")
    kill(speaker.gobgpd_pid())

    def is_back() -> bool:
        assert pair.frr1.prefixes("ipv4") == set(MANY)
        return pair.frr1.established(NODE) == 2 and "stale" not in pair.frr1.ask("show bgp ipv4 unicast json")

    wait_until(is_back, UP_S, "the session is up again and all routes are fresh")


def test_guard_that_is_killed_takes_gobgpd_with_it_and_both_come_back(pair: Pair, tmp_path: Path) -> None:
    speaker = start(pair, tmp_path / "logs")
    child = speaker.gobgpd_pid()
    kill(speaker.ask("pid"))
    wait_until(lambda: is_gone(child), SOON_S, "gobgpd is gone too")
    wait_until(lambda: pair.frr1.established(NODE) == 2, UP_S, "the session is up again")
    pair.have(*MANY)


@pytest.mark.parametrize("leave", [Speaker.die, Speaker.end], ids=["killed", "left"])
def test_speaker_that_comes_back_changes_nothing(pair: Pair, tmp_path: Path, leave: object) -> None:
    first = start(pair, tmp_path / "first")
    before, running = (history(pair.frr1), history(pair.frr2)), first.gobgpd_pid()
    assert callable(leave)
    leave(first)
    second = Speaker(pair.node, tmp_path / "second", home=first.home)
    tell(second)

    assert (history(pair.frr1), history(pair.frr2)) == before
    assert second.gobgpd_pid() == running
    announce(second, STRAY)
    pair.have(*MANY, STRAY)
    assert (history(pair.frr1), history(pair.frr2)) == tuple((up, updates + 1) for up, updates in before)


def test_what_the_next_speaker_does_not_want_goes_when_it_knows_everything(pair: Pair, tmp_path: Path) -> None:
    first = start(pair, tmp_path / "first")
    first.die()
    second = Speaker(pair.node, tmp_path / "second", home=first.home)
    second.keep(PEER1, PEER2)
    second.keep(PEER1)
    announce(second, *MANY[:10])
    second.ask("counts")
    assert pair.frr1.prefixes("ipv4") == set(MANY)
    assert pair.frr2.is_up(NODE)
    second.ready()
    has(pair.frr1, *MANY[:10])
    has(pair.frr2)
    assert pair.frr1.established(NODE) == 1


def test_routes_of_a_speaker_that_stays_dead_go(pair: Pair, tmp_path: Path) -> None:
    speaker = start(pair, tmp_path / "logs", "--orphan", "2")
    guard, child = speaker.ask("pid"), speaker.gobgpd_pid()
    speaker.die()
    assert pair.frr1.prefixes("ipv4") == set(MANY)
    pair.have(within_s=10)
    wait_until(lambda: is_gone(guard) and is_gone(child), SOON_S, "guard and gobgpd are gone")


def test_planned_stop_says_goodbye_first_and_then_withdraws(pair: Pair, tmp_path: Path) -> None:
    speaker = start(pair, tmp_path / "logs")
    child = speaker.gobgpd_pid()
    speaker.write("stop", 1.5, True)
    wait_until(
        lambda: all(each.communities == ("gracefulShutdown",) for each in pair.frr1.routes("ipv4").values()),
        SOON_S,
        "the routes say that they are going",
    )
    assert pair.frr1.prefixes("ipv4") == set(MANY)
    assert speaker.answer() == "done"
    pair.have()
    assert is_gone(child)


def test_gobgpd_beside_us_that_is_started_anew_gets_everything(pair: Pair, tmp_path: Path) -> None:
    home = directory()
    socket = home / "api.sock"
    # What a container would run: a socket left behind by a killed one is removed first.
    script = 'rm -f "$1"; exec "$0" -p -l warn --pprof-disable --metrics-path "" --api-hosts "unix://$1"'
    command = ["sh", "-c", script, gobgpd(4), str(socket)]

    def run() -> subprocess.Popen[bytes]:
        return pair.node.popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    first = run()
    lease = home / "lease"
    speaker = start(pair, tmp_path / "logs", "--lease", str(lease), target=f"unix://{socket}")
    assert lease.exists()
    for _ in range(2):
        first.kill()
        first.wait()
        pair.have()
        first = run()
        pair.have(*MANY, within_s=UP_S)
    assert speaker.ask("stop", 0, False) == "done"
    pair.have()
    assert first.poll() is None
