"""The least that announces many routes by gobgpd: `python -m tests.bench.bgp_bare GOBGPD DIRECTORY ROUTER MANY`.

Starts gobgpd, adds the one peer, whom gobgpd calls after 1.5 to 2 s, streams the routes meanwhile, and stays until
its standard input ends. It calls gobgpd once that listens: gRPC would try again only a second after a call in vain.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc

from metalpy.bgp.wire import gobgp4_pb2, gobgp4_pb2_grpc
from tests.bench.flat_asker import address
from tests.lab.wait import wait_until

AT_ONCE = 1000
_M: Any = gobgp4_pb2
_DEADLINE_S = 60


def message(numbers: range) -> Any:
    """Build one message of the stream."""
    family = _M.Family(afi=1, safi=1)
    attributes = [
        _M.Attribute(origin=_M.OriginAttribute(origin=2)),
        _M.Attribute(next_hop=_M.NextHopAttribute(next_hop="0.0.0.0")),
    ]
    request = _M.AddPathStreamRequest(table_type=1)
    model = _M.Path(family=family, pattrs=attributes)
    for number in numbers:
        path = request.paths.add()
        path.CopyFrom(model)
        path.nlri.prefix.prefix, path.nlri.prefix.prefix_len = str(address("arp", number)), 32
    return request


def main(gobgpd: str, directory: Path, router: str, many: int) -> None:
    """Do so."""
    target = f"unix://{directory}/api.sock"
    options = ["-p", "-l", "warn", "--pprof-disable", "--metrics-path", "", "--api-hosts", target]
    with subprocess.Popen([gobgpd, *options]) as process, grpc.insecure_channel(target) as channel:
        wait_until((directory / "api.sock").is_socket, _DEADLINE_S, "gobgpd listens")
        api: Any = gobgp4_pb2_grpc.GoBgpServiceStub(channel)
        settings = _M.Global(asn=64500, router_id="10.0.0.1", listen_port=-1, families=(0, 1))
        api.StartBgp(_M.StartBgpRequest(**{"global": settings}), timeout=_DEADLINE_S, wait_for_ready=True)
        conf = _M.PeerConf(neighbor_address=router, peer_asn=64512)
        api.AddPeer(_M.AddPeerRequest(peer=_M.Peer(conf=conf)), timeout=_DEADLINE_S)
        messages = (message(range(first, min(many, first + AT_ONCE))) for first in range(0, many, AT_ONCE))
        api.AddPathStream(messages, timeout=_DEADLINE_S)
        sys.stdin.read()
        process.kill()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
