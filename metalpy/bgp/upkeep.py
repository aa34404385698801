"""One running gobgpd, brought into the wanted state difference by difference."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from metalpy.bgp.client import PATHS_AT_ONCE, Batch
from metalpy.bgp.failures import RefusalError
from metalpy.bgp.paths import TAG
from metalpy.bgp.wanted import Actual, Terms, grown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from metalpy.bgp.chronicle import Chronicle
    from metalpy.bgp.client import Gobgp
    from metalpy.bgp.exports import Export
    from metalpy.bgp.neighbors import Neighbor
    from metalpy.bgp.paths import Path
    from metalpy.bgp.translation import Translation
    from metalpy.bgp.wanted import Wanted
    from metalpy.model import IPAddress, IPNetwork

_NO_MARK = ""
"""Of a session that is there and is to be begun anew."""
_ADJUSTS = 4
"""The first version whose sessions last while their terms change."""


class Upkeep:
    """What a gobgpd has, as far as it is ours, and how that becomes what is wanted.

    Methods raise `GoneError`; what it refuses is complained of, and everything else goes on.
    """

    def __init__(self, client: Gobgp, wanted: Wanted, translation: Translation, chronicle: Chronicle) -> None:
        self._client = client
        self._wanted = wanted
        self._translation = translation
        self._chronicle = chronicle
        self._actual = Actual()
        self._refused: dict[IPNetwork, Path] = {}
        self._router_id = ""
        self.is_cold = False
        """It had nothing when it was found, and has not been in the wanted state since."""

    def identify(self) -> None:
        """Make sure that it is ours. Raises `RefusalError`."""
        asn, router_id = self._client.found
        if asn not in (0, TAG):
            raise RefusalError(
                f"gobgpd: {self._client.target} is another's: its ASN is {asn}. metalpy needs a gobgpd of its own, "
                "started without a configuration file"
            )
        self.is_cold = not asn
        self._router_id = router_id if asn else ""

    async def survey(self) -> tuple[int, int]:
        """Find out what it has; returns how many sessions and routes. Once."""
        if not self.is_cold:
            has = await self._client.peers()
            self._actual.sessions = {address: Terms(each.mark, each.adjustable) for address, each in has.items()}
            self._actual.paths = dict(await self._client.routes())
        self._translation.forget()
        self._wanted.compare_all(self._actual.paths)
        return len(self._actual.sessions), len(self._actual.paths)

    async def start(self) -> bool:
        """Let it have the wanted router ID; a started one gets another only without peers.

        Tells whether it is started: as long as no session is wanted it may keep what it has, or none.
        """
        wanted = next((each.router_id for each in self._wanted.sessions.values()), None)
        if wanted is not None and str(wanted) != self._router_id:
            for address in self._actual.sessions:
                await self._client.remove_peer(address)
            await self._client.start(wanted)
            self._router_id = str(wanted)
            self._actual = Actual()
            self._wanted.compare_all({})
        return bool(self._router_id)

    def renew(self, address: IPAddress) -> bool:
        """Let this session be begun anew by the next `reconcile`; tells whether it will be.

        gobgpd 4 calls a new peer after 1.5 to 2 s, one that it has lost after 6.5 to 7 s. With BFD it keeps its pace:
        the routers' BFD may take a session down once when it comes up.
        """
        session = self._wanted.sessions.get(address)
        if session is None or session.bfd or address not in self._actual.sessions:
            return False
        self._actual.sessions[address] = replace(self._actual.sessions[address], mark=_NO_MARK)
        return True

    async def reconcile(self, *, is_complete: bool) -> None:
        """Send the difference; one that is not complete only to a gobgpd that is empty, where it takes nothing away.

        Rules come before the paths that they are for, and paths before new peers, who so see nothing that is about to
        change. In an empty gobgpd nothing is, and it waits for up to two seconds before it calls a peer (its fsm.go,
        connectLoop): it gets the peers first, and the paths meanwhile, as they come. But not where a session restarts
        gracefully: a router that still has the routes of a gobgpd that died drops them at the next one's End-of-RIB
        marker (RFC 4724 section 4.2), which would come before the paths. There everything waits until it is complete.

        What gobgpd's end cuts short is found by comparing.
        """
        actual, wanted = self._actual, self._wanted
        neighbors = await self._translation.neighbors(wanted.sessions, wanted.families)
        for address in [each for each in actual.sessions if each not in wanted.sessions]:
            await self._client.remove_peer(address)
            del actual.sessions[address]
        await self._apply(grown(wanted.exports(neighbors), actual.exports))
        restarts = any(each.restart_s for each in neighbors)
        begins_first = not actual.paths and not restarts
        if begins_first:
            await self._bring_about(neighbors)
        if restarts and not is_complete:
            return
        for path, error in await self._client.stream_routes(self._batches(neighbors)):
            actual.paths.pop(path.prefix, None)
            self._refused[path.prefix] = path
            self._chronicle.complain(f"route {path.prefix}", str(error))
        if not begins_first:
            await self._bring_about(neighbors)
        await self._apply(wanted.exports(neighbors))
        if is_complete:
            self.is_cold = False

    async def _batches(self, neighbors: Sequence[Neighbor]) -> AsyncIterator[Batch]:
        """Work out what is to be sent, some of it at a time, each with its rules in force."""
        actual, wanted = self._actual, self._wanted
        while True:
            for refused in wanted.lay_out(PATHS_AT_ONCE):
                self._chronicle.complain(refused.what, refused.why)
            announced, withdrawn = wanted.difference(actual.paths)
            if self._refused:
                announced = [path for path in announced if self._refused.get(path.prefix) != path]
            if announced:
                await self._apply(grown(wanted.exports(neighbors), actual.exports))
            for path in withdrawn:
                del actual.paths[path.prefix]
            actual.paths.update((path.prefix, path) for path in announced)
            for paths, is_withdraw in ((withdrawn, True), (announced, False)):
                for start in range(0, len(paths), PATHS_AT_ONCE):
                    yield Batch(paths[start : start + PATHS_AT_ONCE], is_withdraw)
            if wanted.is_laid_out:
                return
            await asyncio.sleep(0)

    async def _apply(self, rules: frozenset[Export]) -> None:
        before = self._actual.exports
        if rules != before:
            await self._client.apply_policies(rules, assigned=before is not None)
            self._actual.exports = rules

    async def _bring_about(self, neighbors: Sequence[Neighbor]) -> None:
        """Let it have these sessions as they are wanted."""
        for each in neighbors:
            wanted, has = self._terms(each), self._actual.sessions.get(each.address)
            if has != wanted:
                await self._agree(each, wanted, lasts=has is not None and self._lasts(has, wanted))

    def _terms(self, neighbor: Neighbor) -> Terms:
        """Give what it can be told of: version 3 knows no BFD, and has none to compare with."""
        knows_bfd = self._client.version >= _ADJUSTS
        adjustable = neighbor.adjustable if knows_bfd else replace(neighbor.adjustable, bfd=None)
        return Terms(neighbor.mark, adjustable)

    def _lasts(self, has: Terms, wanted: Terms) -> bool:
        """Tell whether a session goes on with other terms."""
        is_same = has.mark == wanted.mark and self._client.version >= _ADJUSTS
        return is_same and wanted.adjustable.may_follow(has.adjustable)

    async def _agree(self, each: Neighbor, terms: Terms, *, lasts: bool) -> None:
        """Begin a session, anew if it is there, or let it go on with other terms."""
        if each.address in self._actual.sessions and not lasts:
            await self._client.remove_peer(each.address)
            del self._actual.sessions[each.address]
        try:
            if lasts:
                await self._client.update_peer(each)
            else:
                await self._client.add_peer(each, is_restart=self.is_cold)
        except RefusalError as error:
            self._chronicle.complain(f"peer {each.name}", str(error))
            self._translation.try_again()
            return
        self._chronicle.recover(f"peer {each.name}")
        self._actual.sessions[each.address] = terms
        if each.adjustable.bfd and not (await self._client.peers())[each.address].adjustable.bfd:
            why = "no BFD: this gobgpd has none, it takes version 4.5 or newer"
            self._chronicle.complain(f"peer {each.name}", why, "BFD")
