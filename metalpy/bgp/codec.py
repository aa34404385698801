"""Plain values to gobgpd's messages and back, for versions 3 and 4 of its API: nothing else knows which one it is.

The versions differ in package and service names, in how routes are wrapped (`Any` in 3, oneof in 4), and in
enumerations that 4 numbers from 1 and 3 from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from metalpy.bgp.neighbors import Adjustable, Bfd
from metalpy.bgp.path_codec import PathCodec
from metalpy.bgp.paths import TAG
from metalpy.bgp.policy_codec import PolicyCodec
from metalpy.bgp.wire import gobgp3_pb2, gobgp3_pb2_grpc, gobgp4_pb2, gobgp4_pb2_grpc
from metalpy.model import Family

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from metalpy.bgp.neighbors import Neighbor
    from metalpy.model import IPAddress

ESTABLISHED = 6
NAME_OF_GLOBAL = "global"  # a keyword in Python
_AFI = {Family.IPV4: 1, Family.IPV6: 2}
_UNICAST = 1
_TABLES = (0, 1)
"""Of IPv4 and IPv6 unicast routes. With all that gobgpd 4 knows it takes 30 ms and 9 MB more to start."""
_DEFERRAL_S = 5
"""After a restart with graceful restart, how long to wait for the slowest peer: gobgpd's default is six minutes."""


@dataclass(frozen=True, slots=True)
class Status:
    """What gobgpd says of a session; counters are those of this run of gobgpd, for this peer."""

    address: IPAddress
    mark: str
    adjustable: Adjustable
    is_up: bool
    updates_sent: int = 0
    prefixes: int = 0
    """Announced now, where that was asked for."""


class Codec:
    """One version of the API."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.messages: Any = {3: gobgp3_pb2, 4: gobgp4_pb2}[version]
        self.stub: Any = {3: gobgp3_pb2_grpc.GobgpApiStub, 4: gobgp4_pb2_grpc.GoBgpServiceStub}[version]
        shift = version - 4
        self._info = 5 + shift
        self.policies = PolicyCodec(self.messages, shift, self.family)
        self.routes = PathCodec(self.messages, version, self.family)

    # --- gobgpd itself

    def start(self, router_id: IPv4Address) -> Any:
        """Build the request that starts it; it never listens."""
        settings = self.messages.Global(asn=TAG, router_id=str(router_id), listen_port=-1, families=_TABLES)
        return self.messages.StartBgpRequest(**{NAME_OF_GLOBAL: settings})

    def log_level(self, *, debug: bool) -> Any:
        """Build the request for what it logs: everything, or what matters."""
        return self.messages.SetLogLevelRequest(level=self._info + debug)

    def watch(self) -> Any:
        """Build the request for changes of sessions."""
        return self.messages.WatchEventRequest(peer=self.messages.WatchEventRequest.Peer())

    def change(self, event: Any) -> tuple[IPAddress, bool] | None:
        """Read a change: which session, and whether it is up; None for what is no change of a session."""
        state = event.peer.peer.state
        try:
            return ip_address(state.neighbor_address), state.session_state == ESTABLISHED
        except ValueError:  # the end of the replay has no address
            return None

    # --- sessions

    def new_peer(self, neighbor: Neighbor, *, is_restart: bool) -> Any:
        """Build the request for a session; `is_restart` tells the peer that ours went away and came back."""
        return self.messages.AddPeerRequest(peer=self._peer(neighbor, is_restart=is_restart))

    def changed_peer(self, neighbor: Neighbor) -> Any:
        """Build the request for other terms of a session that is there."""
        return self.messages.UpdatePeerRequest(peer=self._peer(neighbor, is_restart=False))

    def _peer(self, neighbor: Neighbor, *, is_restart: bool) -> Any:
        m, adjustable = self.messages, neighbor.adjustable
        conf = m.PeerConf(
            neighbor_address=str(neighbor.address),
            peer_asn=neighbor.peer_asn,
            local_asn=neighbor.local_asn,
            auth_password=neighbor.password,
            description=neighbor.mark,
        )
        source = "" if neighbor.source is None else str(neighbor.source)
        timers = m.TimersConfig(
            connect_retry=adjustable.connect_s,
            hold_time=neighbor.hold_time_s,
            keepalive_interval=neighbor.keepalive_s,
            idle_hold_time_after_reset=adjustable.connect_s,
        )
        peer = m.Peer(
            conf=conf,
            timers=m.Timers(config=timers),
            transport=m.Transport(local_address=source, remote_port=neighbor.port, bind_interface=neighbor.device),
            afi_safis=[self._family_config(family, neighbor.restart_s > 0) for family in neighbor.families],
        )
        if neighbor.local_asn != neighbor.peer_asn:
            peer.ebgp_multihop.enabled = True  # MetalLB never lowered the TTL
        if neighbor.restart_s:
            peer.graceful_restart.CopyFrom(
                m.GracefulRestart(
                    enabled=True,
                    restart_time=neighbor.restart_s,
                    deferral_time=_DEFERRAL_S,
                    local_restarting=is_restart,
                )
            )
        if bfd := adjustable.bfd:
            peer.bfd.CopyFrom(
                m.BfdPeerConfig(
                    enabled=True,
                    desired_minimum_tx_interval=bfd.transmit_us,
                    required_minimum_receive=bfd.receive_us,
                    detection_multiplier=bfd.multiplier,
                )
            )
        return peer

    def _family_config(self, family: Family, restarts: bool) -> Any:
        m = self.messages
        config = m.AfiSafiConfig(family=self.family(family), enabled=True)
        restart = m.MpGracefulRestart(config=m.MpGracefulRestartConfig(enabled=True)) if restarts else None
        return m.AfiSafi(config=config, mp_graceful_restart=restart)

    def status(self, peer: Any) -> Status:
        """Read a session."""
        return Status(
            ip_address(peer.conf.neighbor_address),
            peer.conf.description,
            Adjustable(peer.timers.config.connect_retry, _bfd(peer.bfd) if peer.bfd.enabled else None),
            peer.state.session_state == ESTABLISHED,
            peer.state.messages.sent.update,
            sum(each.state.advertised for each in peer.afi_safis),
        )

    def family(self, family: Family) -> Any:
        """Build an address family."""
        return self.messages.Family(afi=_AFI[family], safi=_UNICAST)


def _bfd(config: Any) -> Bfd:
    return Bfd(config.required_minimum_receive, config.desired_minimum_tx_interval, config.detection_multiplier)
