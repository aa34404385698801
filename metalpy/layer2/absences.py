"""Which addresses have none of the interfaces that they are for: said once each, until one of these is there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from metalpy.model import IPAddress

log = structlog.get_logger()

_MOST_WAITING = 256


@dataclass(frozen=True, slots=True)
class Absence:
    """An address that is announced nowhere, as this node has none of these interfaces."""

    address: IPAddress
    interfaces: frozenset[str]


class Absences:
    """Looks at what is announced and which interfaces there are, whenever either changes."""

    def __init__(self) -> None:
        self._told: set[Absence] = set()
        self._waiting: asyncio.Queue[Absence] = asyncio.Queue(_MOST_WAITING)

    def look(self, only: Mapping[IPAddress, frozenset[str]], interfaces: Collection[str]) -> None:
        """Take in the interfaces of addresses that are not for every one, and the names of those that there are."""
        absent = {Absence(address, names) for address, names in only.items() if names.isdisjoint(interfaces)}
        for each in absent - self._told:
            log.warning(
                "an address is announced nowhere: this node has none of the interfaces that it is for",
                event_name="interfacesAbsent",
                ip=str(each.address),
                interfaces=sorted(each.interfaces),
                existing=sorted(interfaces),
            )
            if not self._waiting.full():  # nobody listens: the log has it
                self._waiting.put_nowait(each)
        self._told = absent

    async def next(self) -> Absence:
        """Wait for the next one."""
        return await self._waiting.get()
