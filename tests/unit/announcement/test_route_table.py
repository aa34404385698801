"""The union of all Services' routes says what changes, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

from metalpy.announcement.route_table import RouteTable
from metalpy.announcement.routes import Announcement
from metalpy.model import ObjectKey
from tests.unit.announcement.bgp_values import EBGP, IBGP, advertisement, pool, routes, seen_by

WEB, MAIL = ObjectKey("default", "web"), ObjectKey("default", "mail")
AGGREGATE = pool(advertisement(24, localpref=100))
NET = ip_network("192.0.2.0/24")


def test_change_of_a_service_tells_the_prefixes_that_change() -> None:
    table, both = RouteTable(), pool(advertisement(24), advertisement(32))

    first = table.set(WEB, routes(both, "192.0.2.10"))
    second = table.set(WEB, routes(both, "192.0.2.11"))

    assert [str(change.prefix) for change in first] == ["192.0.2.0/24", "192.0.2.10/32"]
    assert set(seen_by(EBGP, second)) == {"192.0.2.11/32"}
    assert Announcement(ip_network("192.0.2.10/32")) in second
    assert len(second) == len(table) == 2


def test_service_that_asks_for_the_same_again_changes_nothing() -> None:
    table = RouteTable()
    table.set(WEB, routes(AGGREGATE))

    assert table.set(WEB, routes(AGGREGATE)) == ()


def test_shared_aggregate_is_announced_once_and_withdrawn_with_its_last_service() -> None:
    table = RouteTable()

    assert len(table.set(WEB, routes(AGGREGATE, "192.0.2.10"))) == 1
    assert table.set(MAIL, routes(AGGREGATE, "192.0.2.11")) == ()
    assert table.drop(WEB) == ()
    assert table.drop(MAIL) == (Announcement(NET),)
    assert table.announcements() == ()


def test_dropping_an_unknown_service_changes_nothing() -> None:
    assert RouteTable().drop(WEB) == ()


def test_services_that_differ_about_a_prefix_get_the_highest_preference_and_all_communities() -> None:
    low = routes(pool(advertisement(24, 128, "1:3", "1:1", localpref=100)))
    high = routes(pool(advertisement(24, 128, "1:2", localpref=200)))
    united = {"192.0.2.0/24": (200, ("1:1", "1:2", "1:3"))}

    for first, second in ((low, high), (high, low)):
        table = RouteTable()
        table.set(WEB, first)
        assert seen_by(IBGP, table.set(MAIL, second)) == united
        assert seen_by(EBGP, table.announcements()) == {"192.0.2.0/24": (None, ("1:1", "1:2", "1:3"))}


def test_difference_is_merged_peer_by_peer() -> None:
    only_ibgp = routes(pool(advertisement(24, 128, "1:2")), peers=(IBGP,))
    table = RouteTable()
    table.update({WEB: routes(AGGREGATE), MAIL: only_ibgp})

    assert seen_by(IBGP, table.announcements()) == {"192.0.2.0/24": (100, ("1:2",))}
    assert seen_by(EBGP, table.announcements()) == {"192.0.2.0/24": (None, ())}


def test_what_a_leaving_service_alone_wanted_leaves_with_it() -> None:
    table = RouteTable()
    table.set(WEB, routes(AGGREGATE))
    table.set(MAIL, routes(pool(advertisement(24, 128, "1:2", localpref=200))))

    assert seen_by(IBGP, table.drop(MAIL)) == {"192.0.2.0/24": (100, ())}


def test_several_changes_at_once_tell_each_prefix_once_and_only_if_it_changes_in_all() -> None:
    table = RouteTable()
    table.set(WEB, routes(AGGREGATE, "192.0.2.10"))

    # The prefix goes from one Service to the other: nobody on the network is to notice.
    assert table.update({WEB: {}, MAIL: routes(AGGREGATE, "192.0.2.11")}) == ()
    changed = table.update({WEB: routes(pool(advertisement(24, localpref=7))), MAIL: {}})
    assert [seen_by(IBGP, [change]) for change in changed] == [{"192.0.2.0/24": (7, ())}]


def test_peer_that_leaves_is_taken_out_of_every_announcement() -> None:
    table = RouteTable()
    table.update({WEB: routes(AGGREGATE), MAIL: routes(pool(), "192.0.2.11")})

    changed = table.update({WEB: routes(AGGREGATE, peers=(EBGP,)), MAIL: routes(pool(), "192.0.2.11", peers=(EBGP,))})

    assert len(changed) == 2
    assert seen_by(IBGP, table.announcements()) == {}
    assert set(seen_by(EBGP, table.announcements())) == {"192.0.2.0/24", "192.0.2.11/32"}


def test_peer_that_comes_is_put_into_every_announcement() -> None:
    third = replace(EBGP, port=1790, address=IBGP.address)
    table = RouteTable()
    table.set(WEB, routes(AGGREGATE, peers=(EBGP,)))

    table.set(WEB, routes(AGGREGATE, peers=(EBGP, third)))

    assert seen_by(third, table.announcements()) == {"192.0.2.0/24": (None, ())}


def test_callers_later_changes_to_its_routes_do_not_reach_the_table() -> None:
    table, mine = RouteTable(), dict(routes(AGGREGATE))
    table.set(WEB, mine)
    mine.clear()

    assert table.drop(WEB) == (Announcement(NET),)
