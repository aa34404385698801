"""An announcer to be run on a host of a Lan: `python -m tests.lan.announce_program [OPTION...] [INTERFACE...]`.

It reads one JSON array a line, `["announce", ADDRESS...]`, `["retire", SECONDS, ADDRESS...]`, `["counts"]`,
`["conflict"]` or `["absence"]` (which wait for one) or `["pid"]`; an ADDRESS to announce may be for some interfaces
only, `192.168.1.240@eth1,eth2`. It answers each with one line of JSON; the first line it writes is
`"ready"`. Logs go to the standard error output as JSON lines, with `--quiet` from warnings on.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import logging
import re
import sys
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import structlog

from metalpy.errors import CapabilityError
from metalpy.layer2.announcer import Announcer, Timing
from metalpy.layer2.interfaces import Choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metalpy.model import IPAddress


async def _obey(announcer: Announcer, command: str, words: Sequence[str]) -> Any:
    match command:
        case "announce":
            announced, only = _split(words)
            await announcer.announce(announced, only)
            return "in force"
        case "retire":
            await announcer.retire(frozenset(map(ip_address, words[1:])), float(words[0]))
            return "in force"
        case "counts":
            counts = await announcer.counts()
            return {str(address): dataclasses.asdict(each) for address, each in counts.items()}
        case "conflict":
            async for conflict in announcer.conflicts():
                return [str(conflict.address), conflict.interface, conflict.mac]
        case "absence":
            async for absence in announcer.absences():
                return [str(absence.address), *sorted(absence.interfaces)]
        case "pid":
            return announcer.pid
    raise ValueError(command)


def _split(words: Sequence[str]) -> tuple[frozenset[IPAddress], dict[IPAddress, frozenset[str]]]:
    pairs = [word.partition("@")[::2] for word in words]
    only = {ip_address(address): frozenset(names.split(",")) for address, names in pairs if names}
    return frozenset(ip_address(address) for address, _ in pairs), only


async def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--interval", type=float, default=1.1)
    parser.add_argument("--orphan", type=float, default=10)
    parser.add_argument("--grace", type=float, default=6)
    parser.add_argument("--repeat", type=float, default=0)
    parser.add_argument("--exclude", type=re.compile, action="append", default=[])
    parser.add_argument("--ask-first", action="store_true")
    parser.add_argument("--quiet", action="store_true", help="log warnings only")
    parser.add_argument("interfaces", nargs="*")
    options = parser.parse_args(arguments)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING if options.quiet else logging.NOTSET),
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        async with Announcer(
            Choice(tuple(options.interfaces), tuple(options.exclude)),
            timing=Timing(options.interval, options.grace, options.repeat),
            orphan_s=options.orphan,
            asks_first=options.ask_first,
        ) as announcer:
            print(json.dumps("ready"), flush=True)
            while line := await asyncio.to_thread(sys.stdin.readline):
                command, *words = json.loads(line)
                print(json.dumps(await _obey(announcer, command, words)), flush=True)
    except CapabilityError as error:
        print(json.dumps({"CapabilityError": str(error)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
