"""A gobgpd in this process, of version 3 or 4, with the habits of the real ones.

Nearly every error is UNKNOWN with a text; starting it twice empties it without a word; a message of paths is refused
as a whole; version 3 writes `<nil>` where there is no neighbor, and knows no BFD.
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, Self

import grpc

from metalpy.bgp.codec import NAME_OF_GLOBAL
from metalpy.bgp.wire import gobgp3_pb2, gobgp3_pb2_grpc, gobgp4_pb2, gobgp4_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

IDLE, ESTABLISHED = 1, 6


class FakeGobgpd:
    """Listens on a socket in `directory`. `calls` are the names of what was asked of it, but for what only reads."""

    def __init__(self, directory: Path, version: int) -> None:
        self.socket = directory / "api.sock"
        self.target = f"unix://{self.socket}"
        self.version = version
        self.m: Any = {3: gobgp3_pb2, 4: gobgp4_pb2}[version]
        self.calls: list[str] = []
        self.identified = 0
        """How often it was asked who it is."""
        self.asn, self.router_id = 0, ""
        self.peers: dict[str, Any] = {}
        self.paths: dict[str, Any] = {}
        self.policies: Any = None
        self.assignments: list[Any] = []
        self.bad_prefixes: set[str] = set()
        self.bad_peers: set[str] = set()
        self.answers = asyncio.Event()
        """While this is not set nobody is told who it is."""
        self.answers.set()
        self._watchers: list[asyncio.Queue[Any]] = []
        self._server: Any = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen."""
        self._server = grpc.aio.server()
        service = _service(self)
        if self.version == 3:
            gobgp3_pb2_grpc.add_GobgpApiServicer_to_server(service, self._server)
        else:
            gobgp4_pb2_grpc.add_GoBgpServiceServicer_to_server(service, self._server)
        self._server.add_insecure_port(self.target)
        await self._server.start()

    async def stop(self) -> None:
        """End at once, as if killed; what it had is gone."""
        await self._server.stop(None)
        self._watchers.clear()
        self.asn, self.router_id = 0, ""
        self.peers.clear()
        self.paths.clear()
        self.assignments.clear()

    def set_session(self, address: str, state: int) -> None:
        """Bring a session up or down, and say so."""
        self.peers[address].state.session_state = state
        for watcher in self._watchers:
            watcher.put_nowait(self.event(address, 3))

    def event(self, address: str, kind: int) -> Any:
        state = self.peers[address].state if address in self.peers else self.m.PeerState(neighbor_address="invalid IP")
        peer = self.m.Peer(state=state)
        return self.m.WatchEventResponse(peer=self.m.WatchEventResponse.PeerEvent(type=kind, peer=peer))

    def prefix(self, path: Any) -> str:
        """Read the prefix of a path."""
        prefix = self.m.IPAddressPrefix()
        if self.version == 3:
            assert path.nlri.Unpack(prefix)
        else:
            prefix = path.nlri.prefix
        return f"{prefix.prefix}/{prefix.prefix_len}"


def _service(fake: FakeGobgpd) -> Any:
    m = fake.m

    class Service:
        async def GetBgp(self, _: Any, __: Any) -> Any:  # noqa: N802 - gRPC's name, here and below
            fake.identified += 1
            await fake.answers.wait()
            settings = m.Global(asn=fake.asn, router_id=fake.router_id or "invalid IP")
            return m.GetBgpResponse(**{NAME_OF_GLOBAL: settings})

        async def StartBgp(self, request: Any, _: Any) -> Any:  # noqa: N802
            fake.calls.append("StartBgp")
            settings = getattr(request, NAME_OF_GLOBAL)
            assert (settings.listen_port, settings.families) == (-1, [0, 1])
            fake.asn, fake.router_id = settings.asn, settings.router_id
            fake.paths.clear()
            return m.StartBgpResponse()

        async def SetLogLevel(self, request: Any, _: Any) -> Any:  # noqa: N802
            fake.calls.append(f"SetLogLevel {request.level}")
            return m.SetLogLevelResponse()

        async def AddPeer(self, request: Any, context: Any) -> Any:  # noqa: N802
            address = request.peer.conf.neighbor_address
            fake.calls.append(f"AddPeer {address}")
            if address in fake.peers or address in fake.bad_peers:
                await context.abort(grpc.StatusCode.UNKNOWN, f"can't overwrite the existing peer: {address}")
            peer = m.Peer()
            peer.CopyFrom(request.peer)
            peer.state.neighbor_address, peer.state.session_state = address, IDLE
            if fake.version == 3:
                peer.ClearField("bfd")
            fake.peers[address] = peer
            return m.AddPeerResponse()

        async def UpdatePeer(self, request: Any, _: Any) -> Any:  # noqa: N802
            address = request.peer.conf.neighbor_address
            fake.calls.append(f"UpdatePeer {address}")
            former = fake.peers[address]
            peer = m.Peer()
            peer.CopyFrom(request.peer)
            peer.state.CopyFrom(former.state)
            fake.peers[address] = peer
            if fake.version == 3 or peer.conf != former.conf or peer.transport != former.transport:
                fake.set_session(address, IDLE)
            return m.UpdatePeerResponse()

        async def DeletePeer(self, request: Any, context: Any) -> Any:  # noqa: N802
            fake.calls.append(f"DeletePeer {request.address}")
            if request.address not in fake.peers:
                await context.abort(grpc.StatusCode.UNKNOWN, f"can't delete a peer configuration for {request.address}")
            fake.set_session(request.address, IDLE)
            del fake.peers[request.address]
            return m.DeletePeerResponse()

        async def ListPeer(self, _: Any, __: Any) -> AsyncIterator[Any]:  # noqa: N802
            for peer in fake.peers.values():
                yield m.ListPeerResponse(peer=peer)

        async def WatchEvent(self, _: Any, __: Any) -> AsyncIterator[Any]:  # noqa: N802
            queue: asyncio.Queue[Any] = asyncio.Queue()
            fake._watchers.append(queue)
            for address in [*fake.peers, ""]:
                yield fake.event(address, 1 if address else 2)
            while True:
                yield await queue.get()

        async def AddPathStream(self, requests: AsyncIterator[Any], context: Any) -> Any:  # noqa: N802
            async for request in requests:
                assert request.table_type == fake.version - 3
                fake.calls.append("AddPathStream")
                if any(fake.prefix(path) in fake.bad_prefixes for path in request.paths):
                    await context.abort(grpc.StatusCode.UNKNOWN, "invalid prefix")
                for path in request.paths:
                    fake.paths.pop(fake.prefix(path), None)
                    if not path.is_withdraw:
                        fake.paths[fake.prefix(path)] = path
            return m.AddPathStreamResponse()

        async def ListPath(self, request: Any, _: Any) -> AsyncIterator[Any]:  # noqa: N802
            for prefix, each in fake.paths.items():
                if ip_network(prefix).version == (6 if request.family.afi == 2 else 4):
                    path = m.Path()
                    path.CopyFrom(each)
                    path.neighbor_ip = "<nil>" if fake.version == 3 else ""
                    foreign = m.Path(neighbor_ip="192.0.2.99")
                    yield m.ListPathResponse(destination=m.Destination(prefix=prefix, paths=[foreign, path]))

        async def SetPolicies(self, request: Any, _: Any) -> Any:  # noqa: N802
            fake.calls.append("SetPolicies")
            fake.policies = request
            return m.SetPoliciesResponse()

        async def SetPolicyAssignment(self, request: Any, _: Any) -> Any:  # noqa: N802
            fake.calls.append("SetPolicyAssignment")
            fake.assignments.append(request.assignment)
            return m.SetPolicyAssignmentResponse()

    return Service()
