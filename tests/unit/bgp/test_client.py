"""gobgpd's API as the client speaks it, both versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metalpy.bgp.addresses import LocalAddresses
from metalpy.bgp.client import PATHS_AT_ONCE, Batch, Gobgp
from metalpy.bgp.exports import Export
from metalpy.bgp.failures import AbsenceError, GoneError, RefusalError
from metalpy.bgp.neighbors import Adjustable, Neighbor, neighbor
from metalpy.bgp.paths import TAG, Path
from metalpy.model import ANY_OTHER_ASN, Family, Peer
from tests.unit.bgp.values import ROUTER_ID, attributes, network, peer, session

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Sequence

    from tests.unit.bgp.fake_gobgpd import FakeGobgpd

PLAIN = Path(network("10.0.0.1/32"), attributes(), frozenset({(1, 5)}))
RICH = Path(
    network("fd00::/64"), attributes(0, 7, 0xFFFFFFFF, large=(1, 2, 3)), frozenset({(1, 5), (9, 6), (2**32 - 1, 7)})
)


@pytest.fixture
async def client(fake: FakeGobgpd) -> AsyncIterator[Gobgp]:
    result = await Gobgp.connect(fake.target)
    assert result.version == fake.version
    yield result
    await result.close()


def translated(peer: Peer) -> Neighbor:
    result, _ = neighbor(session(peer), LocalAddresses())
    assert result is not None
    return result


async def batches(paths: Sequence[Path], *, is_withdraw: bool = False) -> AsyncIterator[Batch]:
    for start in range(0, len(paths), PATHS_AT_ONCE):
        yield Batch(paths[start : start + PATHS_AT_ONCE], is_withdraw)


async def test_routes_come_back_as_they_were_sent_and_only_ours(client: Gobgp) -> None:
    await client.start(ROUTER_ID)
    assert await client.stream_routes(batches([PLAIN, RICH])) == []
    assert dict(await client.routes()) == {PLAIN.prefix: PLAIN, RICH.prefix: RICH}
    assert await client.stream_routes(batches([RICH], is_withdraw=True)) == []
    assert dict(await client.routes()) == {PLAIN.prefix: PLAIN}


async def test_routes_go_in_bulk_and_a_bad_one_takes_no_other_with_it(fake: FakeGobgpd, client: Gobgp) -> None:
    paths = [
        Path(network(f"10.1.{number >> 8}.{number & 255}/32"), attributes(), frozenset()) for number in range(2500)
    ]
    assert await client.stream_routes(batches(paths)) == []
    assert fake.calls == ["AddPathStream"] * 3
    assert PATHS_AT_ONCE == 1000

    fake.paths.clear()
    fake.bad_prefixes = {"10.1.0.77/32", "10.1.8.1/32"}
    refused = await client.stream_routes(batches(paths))

    assert {str(path.prefix) for path, _ in refused} == fake.bad_prefixes
    assert "route 10.1.0.77/32: invalid prefix" in str(refused[0][1])
    assert len(fake.paths) == 2498


async def test_identity_is_0_until_started(client: Gobgp) -> None:
    assert (await client.identity())[0] == 0
    await client.start(ROUTER_ID)
    assert await client.identity() == (TAG, str(ROUTER_ID))


async def test_log_levels_have_the_version_s_numbers(fake: FakeGobgpd, client: Gobgp) -> None:
    await client.log(debug=True)
    await client.log(debug=False)

    shift = fake.version - 4
    assert fake.calls == [f"SetLogLevel {6 + shift}", f"SetLogLevel {5 + shift}"]


async def test_peer_is_told_in_full(fake: FakeGobgpd, client: Gobgp) -> None:
    wanted = translated(peer("192.0.2.1", password="geheim", port=1790, connect_time_s=7, graceful_restart=True))  # noqa: S106
    await client.add_peer(wanted, is_restart=True)
    told = fake.peers["192.0.2.1"]

    assert (told.conf.peer_asn, told.conf.local_asn, told.conf.auth_password) == (64512, 64500, "geheim")
    assert (told.transport.remote_port, told.ebgp_multihop.enabled) == (1790, True)
    config = told.timers.config
    assert (config.hold_time, config.keepalive_interval) == (90, 30)
    assert (config.connect_retry, config.idle_hold_time_after_reset) == (7, 7)
    restart = told.graceful_restart
    assert (restart.enabled, restart.local_restarting, restart.deferral_time) == (True, True, 5)
    assert [each.mp_graceful_restart.config.enabled for each in told.afi_safis] == [True]
    (status,) = (await client.peers()).values()
    assert (status.address, status.mark, status.adjustable) == (wanted.address, wanted.mark, wanted.adjustable)


async def test_peer_is_told_of_other_terms(fake: FakeGobgpd, client: Gobgp) -> None:
    await client.add_peer(translated(peer("192.0.2.1")), is_restart=False)
    wanted = translated(peer("192.0.2.1", connect_time_s=1))
    await client.update_peer(wanted)

    (status,) = (await client.peers()).values()
    assert status.adjustable == wanted.adjustable == Adjustable(connect_s=1)
    assert fake.calls == ["AddPeer 192.0.2.1", "UpdatePeer 192.0.2.1"]


async def test_router_of_whichever_as_and_its_device_are_told(fake: FakeGobgpd, client: Gobgp) -> None:
    settings = peer("192.0.2.1", ANY_OTHER_ASN, local_asn=65550, vrf="red")
    wanted, _ = neighbor(session(settings), LocalAddresses(interfaces=frozenset({"red"})))
    assert wanted is not None
    await client.add_peer(wanted, is_restart=False)
    told = fake.peers["192.0.2.1"]

    assert (told.conf.peer_asn, told.conf.local_asn, told.transport.bind_interface) == (0, 65550, "red")


async def test_internal_peer_has_no_multihop(fake: FakeGobgpd, client: Gobgp) -> None:
    await client.add_peer(translated(peer("192.0.2.1", 64500)), is_restart=False)

    assert not fake.peers["192.0.2.1"].ebgp_multihop.enabled


async def test_refusals_name_the_peer(client: Gobgp) -> None:
    wanted = translated(peer("192.0.2.1"))
    await client.add_peer(wanted, is_restart=False)
    with pytest.raises(RefusalError, match=r"peer 192\.0\.2\.1:179: can't overwrite"):
        await client.add_peer(wanted, is_restart=False)
    await client.remove_peer(wanted.address)
    await client.remove_peer(wanted.address)


async def test_rules_reject_what_is_not_ours_and_send_only_what_is_tagged(fake: FakeGobgpd, client: Gobgp) -> None:
    other = attributes(50, 7, large=(1, 2, 3))
    to, via = translated(peer("192.0.2.1")).address, translated(peer("fd00::1")).address
    rules = {Export((1, 5), to, Family.IPV6, via), Export((9, 5), to, attributes=other)}
    await client.apply_policies(rules, assigned=False)
    shift = fake.version - 4
    into, out = fake.policies.policies

    assert [(each.conditions.route_type, each.actions.route_action) for each in into.statements] == [(3, 1)]
    assert [(each.direction, each.default_action, each.policies[0].name) for each in fake.assignments] == [
        (1, 2, "in"),
        (2, 2, "out"),
    ]
    sets = {each.name: (each.defined_type, *each.list) for each in fake.policies.defined_sets}
    assert sets == {
        "n5": (2 + shift, "192.0.2.1/32"),
        "t1:5": (7 + shift, f"{TAG}:1:5", f"{TAG}:1:0"),
        "t9:5": (7 + shift, f"{TAG}:9:5"),
    }
    plain, variant = sorted(out.statements, key=lambda each: str(each.name))
    assert [(each.afi, each.safi) for each in plain.conditions.afi_safi_in] == [(2, 1)]
    assert plain.conditions.neighbor_set.name == "n5"
    assert plain.conditions.large_community_set.name == "t1:5"
    assert plain.actions.nexthop.address == "fd00::1"
    assert (plain.actions.large_community.type, [*plain.actions.large_community.communities]) == (
        2 + shift,
        [f"^{TAG}:.*$"],
    )
    assert variant.actions.local_pref.value == 50
    assert (variant.actions.community.type, [*variant.actions.community.communities]) == (3 + shift, ["0:7"])
    assert (variant.actions.large_community.type, [*variant.actions.large_community.communities]) == (
        3 + shift,
        ["1:2:3"],
    )

    await client.apply_policies(rules, assigned=True)
    assert len(fake.assignments) == 2


async def test_variant_without_communities_removes_the_path_s(fake: FakeGobgpd, client: Gobgp) -> None:
    to = translated(peer("192.0.2.1")).address
    await client.apply_policies({Export((9, 5), to, attributes=attributes())}, assigned=True)
    (statement,) = fake.policies.policies[1].statements

    remove = fake.version - 2
    assert (statement.actions.community.type, [*statement.actions.community.communities]) == (remove, ["^.*$"])
    assert (statement.actions.large_community.type, [*statement.actions.large_community.communities]) == (
        remove,
        ["^.*$"],
    )


async def test_socket_without_gobgpd_is_named(short: pathlib.Path) -> None:
    with pytest.raises(AbsenceError, match=f"{short}/nowhere.sock does not answer"):
        await Gobgp.connect(f"unix://{short}/nowhere.sock")


async def test_changes_end_with_gobgpd(fake: FakeGobgpd, client: Gobgp) -> None:
    wanted = translated(peer("192.0.2.1"))
    await client.add_peer(wanted, is_restart=False)
    changes = client.watch()
    assert await anext(changes) == (wanted.address, False)
    fake.set_session("192.0.2.1", 6)
    assert await anext(changes) == (wanted.address, True)
    await fake.stop()
    with pytest.raises(GoneError):
        await anext(changes)
