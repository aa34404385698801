"""A router to be run on a host of a Lan: `python -m tests.lan.bgp_program [OPTION...] --gobgpd PATH --directory DIR`.

It reads one JSON array a line and answers each with one line of JSON; the first line it writes is `"ready"`. Peers
are written as objects of `Peer`'s fields, and known by their address from then on:

    ["keep", ROUTER-ID, PEER...]        ["announce", [PREFIX, [ATTRIBUTES, ADDRESS...]...]...]      ["ready"]
    ["state", [ROUTER-ID, PEER...], [[PREFIX...]...]]: keep and announce in one
    ["crowd", NUMBER, HOW-MANY, ADDRESS...]: so many prefixes of 10.0.0.0/8 from that one on
    ["settled"]   ["counts"]   ["states"] (those since the last time)   ["complaints"] (all)   ["pid"]
    ["stop", DRAIN-SECONDS, true|false]

Logs go to the standard error output as JSON lines.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
import time
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from metalpy.announcement.routes import Announcement, RouteAttributes, Session
from metalpy.announcement.sessions import carried
from metalpy.bgp.daemon import RemoteGobgpd
from metalpy.bgp.embedded import EmbeddedGobgpd
from metalpy.bgp.router import Complaint, Pace, Router, SessionChange
from metalpy.errors import RouterError
from metalpy.model import BFDProfile, Community, Family, LargeCommunity, Peer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class _Program:
    def __init__(self, router: Router, daemon: EmbeddedGobgpd | RemoteGobgpd) -> None:
        self._router = router
        self._daemon = daemon
        self._peers: dict[str, Peer] = {}
        self._states: list[SessionChange] = []
        self._complaints: list[Complaint] = []
        self._crowd: list[Announcement] = []

    async def listen(self) -> None:
        async for news in self._router.states():
            if isinstance(news, SessionChange):
                self._states.append(news)
            else:
                self._complaints.append(news)

    async def obey(self, command: str, words: Sequence[Any]) -> Any:
        match command:
            case "state":
                await self.obey("keep", words[0])
                await self.obey("announce", words[1])
            case "keep":
                sessions = [_session(IPv4Address(words[0]), each) for each in words[1:]]
                self._peers.update((str(each.peer.address), each.peer) for each in sessions)
                self._router.keep(sessions)
            case "announce":
                self._router.announce([self._announcement(*each) for each in words])
            case "crowd":
                return self._announce_crowd(*words)
            case "ready":
                self._router.ready()
            case "settled":
                await asyncio.wait_for(self._router.settled(), 30)
            case "counts":
                counts = await self._router.counts()
                return {peer: dataclasses.asdict(each) for peer, each in counts.items()}
            case "states":
                states, self._states = self._states, []
                return [dataclasses.astuple(each) for each in states]
            case "complaints":
                return [dataclasses.astuple(each) for each in self._complaints]
            case "pid":
                return self._daemon.pid if isinstance(self._daemon, EmbeddedGobgpd) else None
            case "stop":
                await self._router.withdraw_and_stop(words[0], graceful_shutdown=words[1])
            case _:
                raise ValueError(command)
        return "done"

    def _announce_crowd(self, first: int, many: int, *addresses: str) -> float:
        """Announce that many prefixes beside those of before, or none at all any more; return when it was said."""
        variants = ((RouteAttributes(), frozenset(self._peers[address] for address in addresses)),)
        if many:
            numbers = range(first, first + many)
            crowd = [Announcement(IPv4Network((0x0A000000 + number, 32)), variants) for number in numbers]
        else:
            crowd = [Announcement(each.prefix) for each in self._crowd]
        self._crowd = [*self._crowd, *crowd] if many else []
        began_s = time.monotonic()
        self._router.announce(crowd)
        return began_s

    def _announcement(self, prefix: str, *variants: Sequence[Any]) -> Announcement:
        return Announcement(
            ip_network(prefix),
            tuple(
                (_attributes(attributes), frozenset(self._peers[address] for address in addresses))
                for attributes, *addresses in variants
            ),
        )


def _session(router_id: IPv4Address, fields: Mapping[str, Any]) -> Session:
    values = dict(fields)
    bfd = values.pop("bfd_ms", 0)
    for name in ("address", "source_address"):
        if name in values:
            values[name] = ip_address(values[name])
    timers = {"hold_time_s": 9, "keepalive_time_ns": 3 * 10**9, "connect_time_s": 1}
    peer = Peer(**{**timers, **values})
    return Session(peer, router_id, BFDProfile("p", bfd, bfd, 3) if bfd else None, carried(peer, Family))


def _attributes(fields: Mapping[str, Any]) -> RouteAttributes:
    return RouteAttributes(
        fields.get("local_pref"),
        tuple(Community(value) for value in fields.get("communities", ())),
        tuple(LargeCommunity(*each) for each in fields.get("large_communities", ())),
    )


async def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gobgpd", type=Path)
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--target")
    parser.add_argument("--lease", type=Path)
    parser.add_argument("--orphan", type=float, default=60)
    parser.add_argument("--restart", type=int, default=0)
    parser.add_argument("--patience", type=float, default=30)
    parser.add_argument("--hang", type=float, default=15)
    parser.add_argument("--steady", type=float, default=5)
    options = parser.parse_args(arguments)
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    daemon: EmbeddedGobgpd | RemoteGobgpd
    try:
        if options.target:
            daemon = RemoteGobgpd(options.target, lease=options.lease)
        else:
            daemon = EmbeddedGobgpd(options.gobgpd, options.directory, orphan_s=options.orphan)
        pace = Pace(recheck_s=1, hang_s=options.hang, steady_s=options.steady)
        async with Router(daemon, restart_s=options.restart, pace=pace, patience_s=options.patience) as router:
            program = _Program(router, daemon)
            listener = asyncio.create_task(program.listen())
            print(json.dumps("ready"), flush=True)
            while line := await asyncio.to_thread(sys.stdin.readline):
                command, *words = json.loads(line)
                print(json.dumps(await program.obey(command, words)), flush=True)
            listener.cancel()
    except RouterError as error:
        print(json.dumps({"RouterError": str(error)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
