"""Faults, again and again: the routers' tables get right again, and no router ever hears a word too many.

Two routers mirror every message that they get to a monitoring station. In each round something fails, one prefix takes
the place of another meanwhile, and something comes back. METALPY_BGP_KILLS says how often gobgpd and the speaker are
killed, METALPY_BGP_RESTARTS how often a router is restarted and gobgpd hangs, METALPY_BGP_CUT for how many seconds the
line to gobgpd is cut. Each test prints how long after the return the routers' tables were right.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.lab.bmp import Station
from tests.lab.lan import Lan
from tests.lab.relay import Relay
from tests.lab.routers import Frr, Neighbor
from tests.lab.wait import wait_until
from tests.lan.bgp.speaker import AS_IN_PRODUCTION, SOON_S, UP_S, Speaker, directory, freeze, gobgpd, kill, peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.lab.lan import Host

KILLS = int(os.environ.get("METALPY_BGP_KILLS", "2"))
RESTARTS = int(os.environ.get("METALPY_BGP_RESTARTS", "2"))
CUT_S = float(os.environ.get("METALPY_BGP_CUT", "1"))
NODE, R1, R2 = "192.168.1.1", "192.168.1.2", "192.168.1.3"
LASTING = tuple(f"198.51.100.{number}/32" for number in range(1, 21))
HANG_S = 3
CALL_S = 2.5
"""gobgpd 4 calls a new peer within 2 s."""
LONG = pytest.mark.timeout(240 + 15 * (KILLS + RESTARTS) + 2 * CUT_S)
KILLED, ENDED = signal.SIGKILL, signal.SIGTERM


def passing(round_: int) -> str:
    """Give the prefix that is announced in one round, and not in the next."""
    return f"203.0.113.{round_ % 250}/32"


def wanted(round_: int) -> tuple[str, ...]:
    """Give everything that is announced in a round."""
    return (*LASTING, passing(round_))


class Site:
    """A node, its two routers, and what they hear of it."""

    def __init__(self, node: Host, routers: tuple[Frr, Frr], station: Station, logs: Path) -> None:
        self.node = node
        self.routers = routers
        self.round = 0
        self.took_s: list[float] = []
        self._station = station
        self._logs = logs
        self._starts = 0
        self._begin = self._mark = station.mark

    def start(
        self,
        *options: str,
        home: Path | None = None,
        target: str = "",
        knows: int | None = None,
    ) -> Speaker:
        """Start a speaker that knows what is wanted now; wait until gobgpd has it.

        Or one that still reads: it `knows` so many prefixes, and that there may be more.
        """
        self._starts += 1
        logs = self._logs / f"speaker{self._starts}"
        # Without its checks: what Python itself takes to start is not what this is about.
        speaker = Speaker(self.node, logs, *options, home=home, target=target, program=AS_IN_PRODUCTION)
        announcements = [[prefix, [{}, R1, R2]] for prefix in wanted(self.round)[:knows]]
        speaker.ask("state", [NODE, peer(R1, 64512), peer(R2, 64513)], announcements)
        if knows is None:
            speaker.ready()
        return speaker

    def settle(self) -> None:
        """Wait for the tables to be right for the first time, and for the station to know."""
        self._await_tables(self.routers)
        for frr in self.routers:
            self._await_word(frr, wanted(self.round))

    def pass_on(self, speaker: Speaker | None) -> None:
        """Begin the next round: another prefix in the place of the last one, known to a speaker if there is one."""
        self._mark = self._station.mark
        self.round += 1
        if speaker:
            change = [[passing(self.round), [{}, R1, R2]], [passing(self.round - 1)]]
            assert speaker.ask("announce", *change) == "done"

    def end_round(self, back_s: float, *, anew: tuple[Frr, ...], during: Callable[[], None] = lambda: None) -> None:
        """Wait until the tables are right, and hold what the routers heard against what they were to hear.

        Those with which a session began `anew` hear everything once, the others of the change alone. What is
        wanted no more may still be said, and taken back, where the speaker had not yet heard of that. `during` is
        called again and again while it lasts.
        """
        self._await_tables(self.routers, during)
        self.took_s.append(time.monotonic() - back_s)
        for frr in self.routers:
            due = wanted(self.round) if frr in anew else (passing(self.round),)
            self._await_word(frr, due)
            heard = self._heard(frr)
            before = heard.pop(passing(self.round - 1), 0)
            assert heard == Counter(due), self._station.updates(frr.host.address, self._mark)
            assert before <= (frr in anew)

    def _await_word(self, frr: Frr, due: tuple[str, ...]) -> None:
        wait_until(
            lambda: self._heard(frr).keys() >= set(due), SOON_S, f"the station hears of {due} at {frr.host.name}"
        )

    def _heard(self, frr: Frr) -> Counter[str]:
        """Count how often each prefix was announced to a router in this round."""
        told = self._station.updates(frr.host.address, self._mark)
        return Counter(prefix for each in told if each.is_mirrored for prefix in each.announced)

    def _await_tables(self, routers: tuple[Frr, ...], during: Callable[[], None] = lambda: None) -> None:
        def are_right() -> bool:
            during()
            return all(frr.prefixes("ipv4") == set(wanted(self.round)) for frr in routers)

        wait_until(are_right, 2 * UP_S, f"tables of round {self.round}")

    def nothing_was_lost(self) -> None:
        """No router lacks, at this moment, what is always announced."""
        for frr in self.routers:
            assert frr.prefixes("ipv4") >= set(LASTING), frr.host.name

    def assert_no_strays(self) -> None:
        """In all that the routers ever heard there is nothing that was never wanted."""
        ever = {*LASTING, *(passing(number) for number in range(self.round + 1))}
        for frr in self.routers:
            told = self._station.updates(frr.host.address, self._begin)
            assert {prefix for each in told for prefix in each.announced} == ever
            assert {prefix for each in told for prefix in each.withdrawn} <= ever
            assert {each.neighbor for each in told} == {NODE}


@pytest.fixture(scope="module")
def watched() -> Iterator[tuple[Host, tuple[Frr, Frr], Station]]:
    with ExitStack() as stack:
        lan = stack.enter_context(Lan())
        node, r1, r2 = (lan.host(name) for name in ("node1", "r1", "r2"))
        lan.join("192.168.1.250/24")
        station = stack.enter_context(Station("192.168.1.250"))
        known = [Neighbor(NODE, 64500)]
        frr1 = stack.enter_context(Frr(r1, asn=64512, neighbors=known, station=station.address))
        frr2 = stack.enter_context(Frr(r2, asn=64513, neighbors=known, station=station.address))
        yield node, (frr1, frr2), station


@pytest.fixture
def site(
    watched: tuple[Host, tuple[Frr, Frr], Station], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Site]:
    """The routers without sessions; afterwards nothing runs on the node, and the routers heard of nothing else."""
    node, routers, station = watched
    for frr in routers:
        frr.forget_sessions()
    site = Site(node, routers, station, tmp_path)
    yield site
    node.kill_processes()
    site.assert_no_strays()
    longest, median = max(site.took_s), statistics.median(site.took_s)
    print(f"{request.node.name}: {len(site.took_s)} rounds; right after {median:.2f} s, at most {longest:.2f} s")


@LONG
@pytest.mark.parametrize("restart", ["0", "30"], ids=["hard", "graceful"])
def test_gobgpd_is_killed(site: Site, restart: str) -> None:
    speaker = site.start("--restart", restart)
    site.settle()
    for _ in range(KILLS):
        former = speaker.gobgpd_pid()
        kill(former)
        site.pass_on(speaker)
        speaker.await_another(former)
        during = site.nothing_was_lost if restart != "0" else lambda: None
        site.end_round(time.monotonic(), anew=site.routers, during=during)


@LONG
def test_speaker_is_killed(site: Site) -> None:
    speaker = site.start()
    site.settle()
    running = speaker.gobgpd_pid()
    for _ in range(KILLS):
        speaker.die()
        site.pass_on(None)
        began_s = time.monotonic()
        speaker = site.start(home=speaker.home)
        site.end_round(began_s, anew=(), during=site.nothing_was_lost)

    assert speaker.gobgpd_pid() == running


def test_sessions_come_up_while_the_next_speaker_still_reads(site: Site) -> None:
    speaker = site.start()
    site.settle()
    gobgpd_pid = speaker.gobgpd_pid()
    speaker.die()
    kill(gobgpd_pid)
    site.pass_on(None)
    speaker = site.start(home=speaker.home, knows=0)
    speaker.wait_for_log(2, event_name="sessionUp")
    assert [frr.prefixes("ipv4") for frr in site.routers] == [set(), set()]

    began_s = time.monotonic()
    *others, last = ([prefix, [{}, R1, R2]] for prefix in wanted(site.round))
    assert speaker.ask("announce", *others) == "done"
    for frr in site.routers:
        wait_until(lambda frr=frr: len(frr.prefixes("ipv4")) == len(others), SOON_S, "what is known goes out")  # type: ignore[misc]
    assert speaker.ask("announce", last) == "done"
    speaker.ready()
    site.end_round(began_s, anew=site.routers)


def test_routes_that_are_kept_stay_while_the_next_speaker_still_reads(site: Site) -> None:
    speaker = site.start("--restart", "30")
    site.settle()
    gobgpd_pid = speaker.gobgpd_pid()
    speaker.die()
    kill(gobgpd_pid)
    site.pass_on(None)
    speaker = site.start("--restart", "30", home=speaker.home, knows=len(LASTING))
    speaker.wait_for_log(event_name="gobgpdConnected")
    began_s = time.monotonic()
    wait_until(lambda: _is_over(site, began_s, CALL_S), CALL_S + SOON_S, "a peer would have been called")

    began_s = time.monotonic()
    assert speaker.ask("announce", [passing(site.round), [{}, R1, R2]]) == "done"
    speaker.ready()
    site.end_round(began_s, anew=site.routers, during=site.nothing_was_lost)


@LONG
@pytest.mark.parametrize("how", [KILLED, ENDED], ids=["killed", "ended"])
def test_router_is_restarted(site: Site, how: signal.Signals) -> None:
    speaker = site.start("--steady", "0")
    site.settle()
    restarted, other = site.routers
    for _ in range(RESTARTS):
        restarted.stop(how)
        site.pass_on(speaker)
        restarted.start()
        site.end_round(time.monotonic(), anew=(restarted,))
        assert other.established(NODE) == 1


@LONG
def test_gobgpd_hangs(site: Site) -> None:
    speaker = site.start("--hang", str(HANG_S))
    site.settle()
    for _ in range(RESTARTS):
        former = speaker.gobgpd_pid()
        freeze(former)
        site.pass_on(speaker)
        began_s = time.monotonic()
        speaker.await_another(former)
        site.end_round(began_s, anew=site.routers)
        (told,) = [each for each in speaker.ask("complaints") if "hangs" in each[1]][-1:]
        assert told == ["gobgpd", "gobgpd: hangs: it has not answered for 3 s; it is killed and started anew", ""]


@contextmanager
def remote(node: Host) -> Iterator[tuple[subprocess.Popen[bytes], Relay]]:
    """Run a gobgpd beside the speaker, and a line to it."""
    home = directory()
    api = home / "gobgpd.sock"
    command = [gobgpd(4), "-p", "-l", "warn", "--pprof-disable", "--metrics-path", "", "--api-hosts", f"unix://{api}"]
    process = node.popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(api.exists, SOON_S, "gobgpd listens")
    with Relay(home / "api.sock", api) as line:
        yield process, line


@LONG
@pytest.mark.parametrize("cut", [Relay.cut, Relay.hold], ids=["hung-up", "silent"])
def test_line_to_gobgpd_is_cut_for_a_while(site: Site, cut: Callable[[Relay], None]) -> None:
    with remote(site.node) as (_, line):
        speaker = site.start("--hang", str(HANG_S), target=f"unix://{line.path}")
        site.settle()
        for _ in range(2):
            cut(line)
            site.pass_on(speaker)
            cut_s = time.monotonic()
            wait_until(lambda cut_s=cut_s: _is_over(site, cut_s, CUT_S), CUT_S + SOON_S, "the time is over")  # type: ignore[misc]
            line.mend()
            site.end_round(time.monotonic(), anew=(), during=site.nothing_was_lost)


def _is_over(site: Site, since_s: float, long_s: float) -> bool:
    site.nothing_was_lost()
    return time.monotonic() > since_s + long_s


def test_gobgpd_beside_us_that_hangs_is_named_and_caught_up_with(site: Site) -> None:
    with remote(site.node) as (process, line):
        speaker = site.start("--hang", str(HANG_S), target=f"unix://{line.path}")
        site.settle()
        freeze(process.pid)
        site.pass_on(speaker)
        speaker.wait_for_log(event="not as wanted", what="gobgpd")
        (told,) = speaker.logs(event="not as wanted")
        assert told["error"] == "gobgpd: hangs: it has not answered for 3 s; sessions end with their hold times"
        process.send_signal(signal.SIGCONT)
        site.end_round(time.monotonic(), anew=())
