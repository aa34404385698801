"""Our election and that of MetalLB 0.11's real speakers name the same node, so that both can be in one cluster."""

from __future__ import annotations

import json
import subprocess
import sys

from metalpy.announcement.announceable import Announceable
from metalpy.model import AddressRange, Endpoint, L2Advertisement, ObjectKey, Pool, Service, parse_address
from tests.election import owner

POOL = Pool("p", (AddressRange(()),), layer2=(L2Advertisement(),))
SERVICE = Service(ObjectKey("default", "s"))
ENDPOINTS = (Endpoint("10.254.0.1"),)
LEAST = 200
"""Pairs of a membership and an address that had a choice."""


def test_owner_is_the_node_that_real_0_11_speakers_elect_in_every_membership() -> None:
    sandboxed = [sys.executable, "-m", "tests.lab.sandbox", sys.executable, "-m", "tests.cluster.legacy_speakers"]
    done = subprocess.run(sandboxed, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr
    elections = [json.loads(line) for line in done.stdout.splitlines()]

    assert sum(len(election["owners"]) for election in elections if len(election["members"]) > 1) >= LEAST
    for election in elections:
        members = frozenset(election["members"])
        ours = {
            address: owner(SERVICE, Announceable((parse_address(address),), POOL), ENDPOINTS, members, {})
            for address in election["owners"]
        }
        assert election["owners"] == ours
