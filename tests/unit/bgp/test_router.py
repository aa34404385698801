"""The router between a speaker and a gobgpd."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, ip_address, ip_interface
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from metalpy.bgp.addresses import LocalAddresses
from metalpy.bgp.client import Gobgp
from metalpy.bgp.daemon import RemoteGobgpd
from metalpy.bgp.router import Complaint, Pace, Router, SessionChange
from metalpy.errors import RouterError
from metalpy.model import BFDProfile
from tests.unit.bgp.fake_gobgpd import ESTABLISHED, IDLE, FakeGobgpd
from tests.unit.bgp.values import announcement, attributes, peer, session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

ONE, TWO = peer("192.0.2.1"), peer("192.0.2.2", 64513)
RULES = ["SetPolicies", "SetPolicyAssignment", "SetPolicyAssignment"]
BEGUN = ["StartBgp", *RULES, "AddPeer 192.0.2.1", "AddPeer 192.0.2.2"]


async def no_addresses() -> LocalAddresses:
    return LocalAddresses()


@pytest.fixture
async def router(fake: FakeGobgpd) -> AsyncIterator[Router]:
    async with (
        asyncio.timeout(30),
        Router(RemoteGobgpd(fake.target), addresses=no_addresses, pace=Pace(recheck_s=0.02)) as result,
    ):
        yield result


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0)


def fill(router: Router) -> None:
    router.keep([session(ONE), session(TWO)])
    router.announce([announcement("10.0.0.1/32", (attributes(), {ONE, TWO}))])


async def nothing_follows(fake: FakeGobgpd) -> None:
    """Return when whatever would follow what was asked so far would have come."""
    other = await Gobgp.connect(fake.target)
    for _ in range(5):
        await other.identity()
    await other.close()


async def test_empty_gobgpd_begins_sessions_and_gets_routes_as_they_come(fake: FakeGobgpd, router: Router) -> None:
    fill(router)
    await eventually(lambda: set(fake.paths) == {"10.0.0.1/32"})
    router.announce([announcement("10.0.0.2/32", (attributes(), {ONE, TWO}))])
    await eventually(lambda: len(fake.paths) == 2)
    await nothing_follows(fake)
    router.ready()
    await router.settled()

    assert fake.calls == [*BEGUN, "AddPathStream", "AddPathStream"]
    assert fake.router_id == "10.0.0.1"


async def test_sessions_that_restart_gracefully_begin_when_the_routes_are_there(
    fake: FakeGobgpd, router: Router
) -> None:
    router.keep([session(ONE), session(peer("192.0.2.2", 64513, graceful_restart=True))])
    router.announce([announcement("10.0.0.1/32", (attributes(), {ONE}))])
    await eventually(lambda: "SetPolicyAssignment" in fake.calls)
    await nothing_follows(fake)
    assert fake.calls == ["StartBgp", *RULES]
    router.ready()
    await router.settled()

    assert fake.calls == ["StartBgp", *RULES, "AddPathStream", "AddPeer 192.0.2.1", "AddPeer 192.0.2.2"]
    assert fake.peers["192.0.2.2"].graceful_restart.local_restarting


async def test_sessions_may_change_before_all_routes_are_known(fake: FakeGobgpd, router: Router) -> None:
    fill(router)
    await eventually(lambda: len(fake.peers) == 2 and len(fake.paths) == 1)
    router.keep([session(TWO)])
    await eventually(lambda: len(fake.peers) == 1)
    router.ready()
    await router.settled()

    assert fake.calls == [*BEGUN, "AddPathStream", "DeletePeer 192.0.2.1", "SetPolicies"]
    assert (set(fake.peers), set(fake.paths)) == ({"192.0.2.2"}, {"10.0.0.1/32"})


async def test_same_again_is_no_call(fake: FakeGobgpd, router: Router) -> None:
    fill(router)
    router.ready()
    await router.settled()
    calls = len(fake.calls)
    fill(router)
    await router.settled()

    assert len(fake.calls) == calls


async def test_gobgpd_that_runs_is_compared_and_never_started_again(fake: FakeGobgpd, router: Router) -> None:
    fill(router)
    router.ready()
    await router.settled()
    fake.calls.clear()
    async with Router(RemoteGobgpd(fake.target), addresses=no_addresses) as second:
        second.keep([session(ONE), session(peer("192.0.2.2", 64513, hold_time_s=30)), session(peer("192.0.2.3"))])
        second.announce([announcement("10.0.0.1/32", (attributes(), {ONE, TWO, peer("192.0.2.3")}))])
        await nothing_follows(fake)
        assert fake.calls == []
        second.ready()
        await second.settled()

    assert fake.calls == [
        *RULES,
        "DeletePeer 192.0.2.2",
        "AddPeer 192.0.2.2",
        "AddPeer 192.0.2.3",
    ]


async def test_session_lasts_while_the_pause_between_calls_changes_and_bfd_begins_where_gobgpd_can(
    fake: FakeGobgpd, router: Router
) -> None:
    fill(router)
    router.ready()
    await router.settled()
    fake.set_session("192.0.2.1", ESTABLISHED)
    fake.calls.clear()
    router.keep([session(peer("192.0.2.1", connect_time_s=9), bfd=BFDProfile("fast", 100, 200, 5)), session(TWO)])
    await router.settled()

    anew = ["DeletePeer 192.0.2.1", "AddPeer 192.0.2.1"]
    assert fake.calls == (["UpdatePeer 192.0.2.1"] if fake.version == 4 else anew)
    assert (fake.peers["192.0.2.1"].state.session_state == ESTABLISHED) == (fake.version == 4)
    assert fake.peers["192.0.2.1"].timers.config.connect_retry == 9
    assert fake.peers["192.0.2.1"].bfd.desired_minimum_tx_interval == (200_000 if fake.version == 4 else 0)


async def test_bfd_that_changes_or_goes_begins_a_session_anew(fake: FakeGobgpd, router: Router) -> None:
    for profile in (BFDProfile("p", 100, 100, 3), BFDProfile("p", 300, 300, 3), None):
        router.keep([session(ONE, bfd=profile)])
        router.ready()
        await router.settled()

    told = [call for call in fake.calls if "Peer" in call]
    anew = ["DeletePeer 192.0.2.1", "AddPeer 192.0.2.1"]
    assert told == ["AddPeer 192.0.2.1", *(anew if fake.version == 4 else ()), *(anew if fake.version == 4 else ())]


async def test_next_speaker_leaves_a_session_alone_whose_bfd_gobgpd_has_not(fake: FakeGobgpd, router: Router) -> None:
    wanted = [session(ONE, bfd=BFDProfile("p", 100, 100, 3))]
    router.keep(wanted)
    router.ready()
    await router.settled()
    fake.calls.clear()
    async with Router(RemoteGobgpd(fake.target), addresses=no_addresses) as second:
        second.keep(wanted)
        second.ready()
        await second.settled()

    assert fake.calls == RULES


async def test_gobgpd_that_comes_back_empty_gets_everything(fake: FakeGobgpd, router: Router) -> None:
    fill(router)
    router.ready()
    await router.settled()
    await fake.stop()
    fake.calls.clear()
    router.announce([announcement("10.0.0.2/32", (attributes(), {ONE}))])
    await fake.start()
    await router.settled()

    # What was under way may be sent to the one that came back, which refuses it as it was not started.
    assert fake.calls[fake.calls.index("StartBgp") :] == [*BEGUN, "AddPathStream"]
    assert set(fake.paths) == {"10.0.0.1/32", "10.0.0.2/32"}


async def test_other_router_id_begins_anew_without_peers(fake: FakeGobgpd, router: Router) -> None:
    fill(router)
    router.ready()
    await router.settled()
    fake.calls.clear()
    router.keep([session(ONE, IPv4Address("10.0.0.2"))])
    await router.settled()

    ended = ["DeletePeer 192.0.2.1", "DeletePeer 192.0.2.2"]
    assert fake.calls == [*ended, "StartBgp", *RULES, "AddPeer 192.0.2.1", "AddPathStream"]
    assert fake.router_id == "10.0.0.2"


async def test_gobgpd_of_another_is_left_alone_and_named(fake: FakeGobgpd, router: Router) -> None:
    fake.asn, fake.router_id = 64999, "10.9.9.9"
    with capture_logs() as logs:
        fill(router)
        router.ready()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(router.settled(), 0.3)

    assert fake.calls == []
    (told,) = [each["error"] for each in logs if each["event"] == "not as wanted"]
    assert "is another's: its ASN is 64999" in told


async def test_refused_peer_is_named_once_and_tried_again_and_the_others_work(fake: FakeGobgpd, router: Router) -> None:
    fake.bad_peers.add("192.0.2.1")
    with capture_logs() as logs:
        fill(router)
        router.ready()
        await router.settled()
        assert set(fake.peers) == {"192.0.2.2"}
        await eventually(lambda: fake.calls.count("AddPeer 192.0.2.1") >= 3)
        fake.bad_peers.clear()
        await eventually(lambda: "192.0.2.1" in fake.peers)

    assert [each["what"] for each in logs if each["event"] == "not as wanted"] == ["peer 192.0.2.1:179"]
    assert fake.calls.count("AddPeer 192.0.2.2") == 1


async def test_refused_route_is_named_and_the_others_work(fake: FakeGobgpd, router: Router) -> None:
    fake.bad_prefixes.add("10.0.0.2/32")
    with capture_logs() as logs:
        fill(router)
        router.announce([announcement(f"10.0.0.{number}/32", (attributes(), {ONE})) for number in (2, 3)])
        router.ready()
        await router.settled()

    assert [each["what"] for each in logs if each["event"] == "not as wanted"] == ["route 10.0.0.2/32"]
    assert set(fake.paths) == {"10.0.0.1/32", "10.0.0.3/32"}


async def test_peer_from_a_foreign_source_address_waits_for_it(fake: FakeGobgpd) -> None:
    local = LocalAddresses()

    async def addresses() -> LocalAddresses:
        return local

    source = peer("192.0.2.1", source_address=ip_address("10.0.0.7"))
    with capture_logs() as logs:
        async with Router(RemoteGobgpd(fake.target), addresses=addresses, pace=Pace(recheck_s=0.02)) as router:
            router.keep([session(source), session(TWO)])
            router.ready()
            await router.settled()
            assert set(fake.peers) == {"192.0.2.2"}
            local = LocalAddresses((("eth0", ip_interface("10.0.0.7/24")),))
            await eventually(lambda: "192.0.2.1" in fake.peers)

    (told,) = [each for each in logs if each["event"] == "not as wanted"]
    assert (told["what"], told["error"]) == (
        "peer 192.0.2.1:179",
        "source address 10.0.0.7 is not an address of this node",
    )


async def test_addresses_are_not_read_for_each_route(fake: FakeGobgpd) -> None:
    reads = 0

    async def addresses() -> LocalAddresses:
        nonlocal reads
        reads += 1
        return LocalAddresses((("eth0", ip_interface("10.0.0.7/24")),))

    async with Router(RemoteGobgpd(fake.target), addresses=addresses) as router:
        router.keep([session(peer("192.0.2.1", source_address=ip_address("10.0.0.7")))])
        router.ready()
        for number in range(5):
            router.announce([announcement(f"10.0.0.{number}/32", (attributes(), {ONE}))])
            await router.settled()

    assert reads == 1


async def test_peers_are_told_of_a_restart_where_there_was_one(fake: FakeGobgpd, router: Router) -> None:
    first, later = (peer(f"192.0.2.{number}", graceful_restart=True) for number in (1, 2))
    router.keep([session(first)])
    router.ready()
    await router.settled()
    router.keep([session(first), session(later)])
    await router.settled()

    restarts = {address: each.graceful_restart.local_restarting for address, each in fake.peers.items()}
    assert restarts == {"192.0.2.1": True, "192.0.2.2": False}


async def test_missing_family_is_named_once_there_is_a_route_of_it(fake: FakeGobgpd) -> None:
    async def addresses() -> LocalAddresses:
        return LocalAddresses((("eth0", ip_interface("192.0.2.7/24")),))

    both = peer("192.0.2.1", dual_stack=True)
    with capture_logs() as logs:
        async with Router(RemoteGobgpd(fake.target), addresses=addresses, pace=Pace(recheck_s=0.005)) as router:
            router.keep([session(both)])
            router.announce([announcement("10.0.0.1/32", (attributes(), {both}))])
            router.ready()
            await router.settled()
            assert not [line for line in logs if line.get("what")]

            router.announce([announcement("2001:db8::1/128", (attributes(), {both}))])
            news = await anext(router.states())
    assert news == Complaint(
        "peer 192.0.2.1:179", "no IPv6 routes: this node has no IPv6 address that they could lead to", "settings"
    )


async def test_missing_bfd_is_named_and_the_session_is_kept(fake: FakeGobgpd, router: Router) -> None:
    with capture_logs() as logs:
        router.keep([session(ONE, bfd=BFDProfile("p", 100, 100, 3))])
        router.ready()
        await router.settled()

    told = [each["what"] for each in logs if "no BFD" in each.get("error", "")]
    assert told == ([] if fake.version == 4 else ["peer 192.0.2.1:179"])
    assert set(fake.peers) == {"192.0.2.1"}


async def test_sessions_that_come_and_go_are_reported_once(fake: FakeGobgpd, router: Router) -> None:
    fill(router)
    router.ready()
    await router.settled()
    states = (each async for each in router.states() if isinstance(each, SessionChange))
    for state in (IDLE, ESTABLISHED, ESTABLISHED, IDLE):
        fake.set_session("192.0.2.1", state)
    up, down = await anext(states), await anext(states)
    fake.set_session("192.0.2.2", ESTABLISHED)
    up2 = await anext(states)
    await fake.stop()
    down2 = await anext(states)

    assert [(each.peer, each.is_up) for each in (up, down)] == [("192.0.2.1:179", True), ("192.0.2.1:179", False)]
    assert [(each.peer, each.is_up) for each in (up2, down2)] == [("192.0.2.2:179", True), ("192.0.2.2:179", False)]
    assert down2.reason == "gobgpd is away"


async def test_session_that_was_steady_and_goes_down_is_begun_anew(fake: FakeGobgpd) -> None:
    bfd = session(peer("192.0.2.3"), bfd=BFDProfile("p", 100, 100, 3))
    fast = Pace(steady_s=0)
    async with Router(RemoteGobgpd(fake.target), addresses=no_addresses, pace=fast) as router:
        router.keep([session(ONE), session(TWO), bfd])
        router.ready()
        await router.settled()
        fake.calls.clear()
        states = (each async for each in router.states() if isinstance(each, SessionChange))
        for address in ("192.0.2.1", "192.0.2.3"):
            fake.set_session(address, ESTABLISHED)
            await anext(states)
            fake.set_session(address, IDLE)
        for _ in range(2):
            await anext(states)
        # gobgpd 3 would be slower with a new one, and BFD may be what took the session down.
        expected = ["DeletePeer 192.0.2.1", "AddPeer 192.0.2.1"] if fake.version == 4 else []
        await eventually(lambda: len(fake.calls) >= len(expected))

    assert fake.calls == expected


async def test_session_that_goes_down_at_once_is_left_to_gobgpd(fake: FakeGobgpd, router: Router) -> None:
    fill(router)
    router.ready()
    await router.settled()
    fake.calls.clear()
    states = (each async for each in router.states() if isinstance(each, SessionChange))
    for state in (ESTABLISHED, IDLE):
        fake.set_session("192.0.2.1", state)
        await anext(states)
    await router.settled()

    assert fake.calls == []


async def test_gobgpd_that_hangs_is_named_killed_where_it_is_ours_and_caught_up_with(fake: FakeGobgpd) -> None:
    class Ours(RemoteGobgpd):
        kills = 0

        def kill(self) -> bool:
            self.kills += 1
            return True

    ours = Ours(fake.target)
    async with asyncio.timeout(30), Router(ours, addresses=no_addresses, pace=Pace(hang_s=0.2)) as router:
        fill(router)
        router.ready()
        await router.settled()
        fake.answers.clear()
        await eventually(lambda: ours.kills == 1)
        router.announce([announcement("10.0.0.2/32", (attributes(), {ONE}))])
        news = await anext(router.states())
        assert news == Complaint(
            "gobgpd", "gobgpd: hangs: it has not answered for 0.2 s; it is killed and started anew"
        )
        fake.answers.set()
        await router.settled()

    assert set(fake.paths) == {"10.0.0.1/32", "10.0.0.2/32"}


async def test_updates_never_decrease(fake: FakeGobgpd, router: Router) -> None:
    router.keep([session(ONE)])
    router.announce([announcement("10.0.0.1/32", (attributes(), {ONE}))])
    router.ready()
    await router.settled()
    seen = []
    for sent in (3, 5, 2, 2, 7):
        fake.peers["192.0.2.1"].state.messages.sent.update = sent
        seen.append((await router.counts())["192.0.2.1:179"].updates_sent)
    await fake.stop()
    counts = (await router.counts())["192.0.2.1:179"]

    assert seen == [3, 5, 7, 7, 12]
    assert (counts.is_up, counts.updates_sent, counts.announced_prefixes, counts.pending_prefixes) == (False, 12, 0, 1)


async def test_planned_stop_leaves_nothing(fake: FakeGobgpd, router: Router) -> None:
    fill(router)
    router.ready()
    await router.settled()
    await router.withdraw_and_stop(graceful_shutdown=True)

    assert (fake.paths, fake.peers) == ({}, {})


def test_api_over_tcp_is_refused() -> None:
    with pytest.raises(RouterError, match="must be a Unix socket"):
        RemoteGobgpd("127.0.0.1:50051")
