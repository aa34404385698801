"""gobgpd over gRPC, on a Unix socket: what metalpy asks of it, as coroutines on plain values."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from metalpy.bgp.codec import NAME_OF_GLOBAL, Codec
from metalpy.bgp.contact import detect, knock, translated
from metalpy.bgp.failures import GoneError, RefusalError
from metalpy.model import Family

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
    from ipaddress import IPv4Address

    from metalpy.bgp.codec import Status
    from metalpy.bgp.exports import Export
    from metalpy.bgp.neighbors import Neighbor
    from metalpy.bgp.paths import Path
    from metalpy.model import IPAddress, IPNetwork

DEADLINE_S = 10.0
STREAM_DEADLINE_S = 60.0
PATHS_AT_ONCE = 1000
"""Paths in a message of a stream: larger ones are no faster."""

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # a new channel is a new connection, without the last one's back-off
    ("grpc.enable_http_proxy", 0),
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some paths, all of them to announce or all to withdraw."""

    paths: Sequence[Path]
    is_withdraw: bool = False


class Gobgp:
    """A connection to a running gobgpd. Methods raise `GoneError` or `RefusalError`, which name peer or route."""

    def __init__(self, channel: Any, codec: Codec, target: str, state: bytes) -> None:
        """`state` is what it answered when it was asked for it."""
        self.target = target
        self.found = _identity(codec.messages.GetBgpResponse.FromString(state))
        """ASN and router ID when it was connected to, as `identity` returns them."""
        self._channel = channel
        self._codec = codec
        self._api = codec.stub(channel)

    @classmethod
    async def connect(cls, target: str, *, deadline_s: float = DEADLINE_S) -> Gobgp:
        """Connect to a `unix:///path` and find out its version, 4 or 3. Raises `GoneError`, `RefusalError`.

        Where nobody listens this costs next to nothing, so it may be tried often.
        """
        knock(target)
        channel = grpc.aio.insecure_channel(target, options=_OPTIONS)
        try:
            version, state = await detect(channel, target, deadline_s)
            return cls(channel, Codec(version), target, state)
        except BaseException:
            await channel.close()
            raise

    async def close(self) -> None:
        """Hang up."""
        await self._channel.close()

    @property
    def version(self) -> int:
        """The API's version."""
        return self._codec.version

    async def _call(self, what: str, name: str, request: Any, deadline_s: float = DEADLINE_S) -> Any:
        with translated(what):
            return await getattr(self._api, name)(request, timeout=deadline_s)

    async def _list(self, what: str, name: str, request: Any) -> AsyncIterator[Any]:
        with translated(what):
            async for reply in getattr(self._api, name)(request, timeout=STREAM_DEADLINE_S):
                yield reply

    async def identity(self, *, deadline_s: float = DEADLINE_S) -> tuple[int, str]:
        """Return ASN and router ID; ASN 0 as long as it was not started."""
        return _identity(await self._call("state", "GetBgp", self._codec.messages.GetBgpRequest(), deadline_s))

    async def start(self, router_id: IPv4Address) -> None:
        """Start it. On one that is started already this would empty its table without a word to its peers."""
        await self._call(f"start with router ID {router_id}", "StartBgp", self._codec.start(router_id))

    async def log(self, *, debug: bool) -> None:
        """Let it log why sessions do not come up, and much else; or not."""
        await self._call("log level", "SetLogLevel", self._codec.log_level(debug=debug))

    async def peers(self, *, counted: bool = False) -> Mapping[IPAddress, Status]:
        """Return all sessions; with the number of prefixes announced if `counted`."""
        request = self._codec.messages.ListPeerRequest(enable_advertised=counted)
        found = [self._codec.status(reply.peer) async for reply in self._list("list of peers", "ListPeer", request)]
        return {each.address: each for each in found}

    async def routes(self) -> Mapping[IPNetwork, Path]:
        """Return our own paths of both families."""
        found = {}
        for family in Family:
            what = f"table of {family}"
            async for reply in self._list(what, "ListPath", self._codec.routes.table(family)):
                path = self._codec.routes.own_path(reply.destination)
                if path:
                    found[path.prefix] = path
        return found

    async def apply_policies(self, exports: Iterable[Export], *, assigned: bool) -> None:
        """Make these the rules for export, atomically; running sessions and what they were sent stay as they are.

        `assigned` says that the policies are in force already: in this connection they were applied before.
        """
        await self._call("policies", "SetPolicies", self._codec.policies.content(exports))
        for request in () if assigned else self._codec.policies.assignments():
            await self._call("policies in force", "SetPolicyAssignment", request)

    async def stream_routes(self, batches: AsyncIterator[Batch]) -> list[tuple[Path, RefusalError]]:
        """Announce and withdraw in bulk; return what was refused, the others are in the table.

        gobgpd works on one batch while the next is made. It ends a stream at the first message with a bad path in it,
        and does not say which; then each batch is sent by itself, which changes nothing for those that are in.
        """
        sent = []
        stream = None
        is_refused = False
        try:
            async for batch in batches:
                sent.append(batch)
                stream = stream or self._api.AddPathStream(timeout=STREAM_DEADLINE_S)
                is_refused = is_refused or not await _is_taken(stream, self._message(batch))
            if stream is None or (not is_refused and await _is_taken(stream)):
                return []
        finally:
            if stream:
                stream.cancel()
        return [each for batch in sent for each in await self._send(batch)]

    def _message(self, batch: Batch) -> Any:
        return self._codec.routes.batch(batch.paths, is_withdraw=batch.is_withdraw)

    async def _send(self, batch: Batch) -> list[tuple[Path, RefusalError]]:
        """Send one message. A bad path makes gobgpd refuse it as a whole: then its halves."""
        paths = batch.paths
        what = f"route {paths[0].prefix}" if len(paths) == 1 else f"{len(paths)} routes"
        try:
            with translated(what):
                await self._api.AddPathStream(iter([self._message(batch)]), timeout=STREAM_DEADLINE_S)
        except RefusalError as error:
            if len(paths) == 1:
                return [(paths[0], error)]
        else:
            return []
        middle = len(paths) // 2
        halves = (paths[:middle], paths[middle:])
        return [each for half in halves for each in await self._send(Batch(half, batch.is_withdraw))]

    async def add_peer(self, neighbor: Neighbor, *, is_restart: bool) -> None:
        """Begin a session."""
        await self._call(f"peer {neighbor.name}", "AddPeer", self._codec.new_peer(neighbor, is_restart=is_restart))

    async def update_peer(self, neighbor: Neighbor) -> None:
        """Let a session have other terms, which lasts where `Adjustable` ones alone differ and gobgpd is version 4."""
        await self._call(f"peer {neighbor.name}", "UpdatePeer", self._codec.changed_peer(neighbor))

    async def remove_peer(self, address: IPAddress) -> None:
        """End a session, with a notification to the peer; one that is not there is no error."""
        request = self._codec.messages.DeletePeerRequest(address=str(address))
        with suppress(RefusalError):
            await self._call(f"end of the session with {address}", "DeletePeer", request)

    async def watch(self) -> AsyncIterator[tuple[IPAddress, bool]]:
        """Yield every change of a session, those of now first: whose, and whether it is up. Ends with an error."""
        with translated("changes of sessions"):
            async for event in self._api.WatchEvent(self._codec.watch()):
                change = self._codec.change(event)
                if change:
                    yield change
        raise GoneError("gobgpd: changes of sessions: it ended")


def _identity(reply: Any) -> tuple[int, str]:
    settings = getattr(reply, NAME_OF_GLOBAL)
    return settings.asn, settings.router_id


async def _is_taken(stream: Any, message: Any = None) -> bool:
    """Write one more message, or the end; tells whether gobgpd takes what it got so far, as far as it has said so."""
    try:
        with translated("routes"):
            if message is None:
                await stream.done_writing()
                await stream
            else:
                with suppress(asyncio.InvalidStateError):  # it has ended the stream, and says why at the end
                    await stream.write(message)
                if stream.done():
                    await stream
    except RefusalError:
        return False
    return True
