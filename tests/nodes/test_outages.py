"""What the LAN notices when daemons are replaced and when a node dies."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.lab.wait import wait_until
from tests.nodes.site import CONVERGED_S, IPV4, NAMESPACE

if TYPE_CHECKING:
    from tests.nodes.site import Site

MOVES = 2
"""Away from the owner and back to it, one fetch at a time."""
SILENCE_S = 2
"""A connection that its node does not know is reset by a pod, or dropped without a word: then a fetch waits this long.

A new connection is to be had within that time at every moment: somebody answers for the address.
"""


def test_rolling_restart_of_both_daemons_breaks_no_fetch_but_those_under_way_when_the_owner_changes(
    site: Site,
) -> None:
    """The other node answers meanwhile, and knows nothing of connections that were made to the owner."""
    site.deploy("web", 2)
    site.expose("web")
    site.await_addresses("web", IPV4)
    site.fetch(IPV4)
    owner = site.owner(IPV4)
    is_over, lost, fetched = threading.Event(), list[str](), list[str]()

    def fetch_on() -> None:
        while not is_over.is_set():
            try:
                fetched.append(site.client.fetch(f"http://{IPV4}/", timeout_s=SILENCE_S))
            except ConnectionError as error:
                lost.append(str(error))

    fetching = threading.Thread(target=fetch_on)
    fetching.start()
    try:
        for workload in ("deployment/controller", "daemonset/speaker"):
            site.kubectl("-n", NAMESPACE, "rollout", "restart", workload)
            site.roll_out(workload)
        before = len(fetched)
        wait_until(lambda: len(fetched) > before + 2, CONVERGED_S, "fetches after the restart")
    finally:
        is_over.set()
        fetching.join()

    assert len(lost) <= MOVES, lost
    assert [error for error in lost if "connected: " not in error] == []
    assert [error for error in lost if "reset" not in error and "timed out" not in error] == []
    site.await_owner(IPV4, owner)


def test_address_of_a_dead_node_is_fetched_from_the_other_one_and_the_node_can_come_back(site: Site) -> None:
    site.deploy("web", 2)
    site.expose("web")
    site.await_addresses("web", IPV4)
    site.fetch(IPV4)
    owner = site.owner(IPV4)
    other = site.other(owner)
    box = site.cluster.nodes[owner]

    box.die()
    try:
        site.await_owner(IPV4, other)
        assert site.fetch(IPV4)[0] == other
        site.await_assigned("web", other)
    finally:
        box.host.plug()
        box.start()
        site.cluster.await_ready([owner])
    site.await_owner(IPV4, owner)
    site.roll_out("daemonset/speaker")
    site.roll_out("deployment/controller")
