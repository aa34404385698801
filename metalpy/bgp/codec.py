"""Plain values to gobgpd's messages and back, for versions 3 and 4 of its API: nothing else knows which one it is.

The versions differ in package and service names, in how routes are wrapped (`Any` in 3, oneof in 4), and in
enumerations that 4 numbers from 1 and 3 from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from google.protobuf.any_pb2 import Any as Box

from metalpy.announcement.routes import RouteAttributes
from metalpy.bgp.paths import TAG, Path
from metalpy.bgp.policy_codec import PolicyCodec
from metalpy.bgp.wire import gobgp3_pb2, gobgp3_pb2_grpc, gobgp4_pb2, gobgp4_pb2_grpc
from metalpy.model import Community, Family, LargeCommunity

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Address

    from metalpy.bgp.neighbors import Neighbor
    from metalpy.model import IPAddress

ESTABLISHED = 6
NAME_OF_GLOBAL = "global"  # a keyword in Python
_AFI = {Family.IPV4: 1, Family.IPV6: 2}
_UNICAST = 1
_INCOMPLETE = 2
_DEFERRAL_S = 5
"""After a restart with graceful restart, how long to wait for the slowest peer: gobgpd's default is six minutes."""
_OWN_SIDE = {Family.IPV4: "0.0.0.0", Family.IPV6: "::"}
"""The next hop that stands for the address of our side of the session."""


@dataclass(frozen=True, slots=True)
class Status:
    """What gobgpd says of a session; counters are those of this run of gobgpd, for this peer."""

    address: IPAddress
    mark: str
    is_up: bool
    updates_sent: int = 0
    prefixes: int = 0
    """Announced now, where that was asked for."""
    has_bfd: bool = False


class Codec:
    """One version of the API."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.messages: Any = {3: gobgp3_pb2, 4: gobgp4_pb2}[version]
        self.stub: Any = {3: gobgp3_pb2_grpc.GobgpApiStub, 4: gobgp4_pb2_grpc.GoBgpServiceStub}[version]
        shift = version - 4
        self._info = 5 + shift
        self._global_table = 1 + shift
        self.policies = PolicyCodec(self.messages, shift, self.family)

    # --- gobgpd itself

    def start(self, router_id: IPv4Address) -> Any:
        """Build the request that starts it; it never listens."""
        settings = self.messages.Global(asn=TAG, router_id=str(router_id), listen_port=-1)
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

    def peer(self, neighbor: Neighbor, *, is_restart: bool) -> Any:
        """Build the request for a session; `is_restart` tells the peer that ours went away and came back."""
        m = self.messages
        conf = m.PeerConf(
            neighbor_address=str(neighbor.address),
            peer_asn=neighbor.peer_asn,
            local_asn=neighbor.local_asn,
            auth_password=neighbor.password,
            description=neighbor.mark,
        )
        source = "" if neighbor.source is None else str(neighbor.source)
        timers = m.TimersConfig(
            connect_retry=neighbor.connect_s,
            hold_time=neighbor.hold_time_s,
            keepalive_interval=neighbor.keepalive_s,
            idle_hold_time_after_reset=neighbor.connect_s,
        )
        peer = m.Peer(
            conf=conf,
            timers=m.Timers(config=timers),
            transport=m.Transport(local_address=source, remote_port=neighbor.port),
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
        if neighbor.bfd:
            peer.bfd.CopyFrom(
                m.BfdPeerConfig(
                    enabled=True,
                    desired_minimum_tx_interval=neighbor.bfd.transmit_us,
                    required_minimum_receive=neighbor.bfd.receive_us,
                    detection_multiplier=neighbor.bfd.multiplier,
                )
            )
        return m.AddPeerRequest(peer=peer)

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
            peer.state.session_state == ESTABLISHED,
            peer.state.messages.sent.update,
            sum(each.state.advertised for each in peer.afi_safis),
            peer.bfd.enabled,
        )

    def family(self, family: Family) -> Any:
        """Build an address family."""
        return self.messages.Family(afi=_AFI[family], safi=_UNICAST)

    # --- routes

    def paths(self, paths: Iterable[Path], withdrawn: Iterable[Path] = ()) -> Any:
        """Build one message of a stream: paths to have and paths to have no more."""
        request = self.messages.AddPathStreamRequest(table_type=self._global_table)
        # Most paths differ in their prefix alone: copying a message is several times as fast as building it.
        models: dict[object, Any] = {}
        for kept, is_withdraw in ((withdrawn, True), (paths, False)):
            for path in kept:
                key = (path.attributes, path.tags, path.prefix.version, is_withdraw)
                model = models.get(key)
                if model is None:
                    models[key] = model = self._path_without_prefix(path, is_withdraw=is_withdraw)
                message = request.paths.add()
                message.CopyFrom(model)
                self._set_prefix(message, path)
        return request

    def _set_prefix(self, message: Any, path: Path) -> None:
        network, length = str(path.prefix.network_address), path.prefix.prefixlen
        if self.version == 3:  # noqa: PLR2004 - the API's version
            message.nlri.Pack(self.messages.IPAddressPrefix(prefix=network, prefix_len=length))
        else:
            prefix = message.nlri.prefix
            prefix.prefix, prefix.prefix_len = network, length

    def table(self, family: Family) -> Any:
        """Build the request for the table of one family."""
        return self.messages.ListPathRequest(table_type=self._global_table, family=self.family(family))

    def _path_without_prefix(self, path: Path, *, is_withdraw: bool) -> Any:
        m, family, attributes = self.messages, Family.of(path.prefix), path.attributes
        values = [m.OriginAttribute(origin=_INCOMPLETE), m.NextHopAttribute(next_hop=_OWN_SIDE[family])]
        names = ["origin", "next_hop"]
        if not is_withdraw:
            larges = [
                *(
                    (each.global_administrator, each.local_data_1, each.local_data_2)
                    for each in attributes.large_communities
                ),
                *((TAG, *tag) for tag in sorted(path.tags)),
            ]
            communities = [
                m.LargeCommunity(global_admin=first, local_data1=second, local_data2=third)
                for first, second, third in larges
            ]
            values.append(m.LargeCommunitiesAttribute(communities=communities))
            names.append("large_communities")
            if attributes.local_pref is not None:
                values.append(m.LocalPrefAttribute(local_pref=attributes.local_pref))
                names.append("local_pref")
            if attributes.communities:
                values.append(m.CommunitiesAttribute(communities=[each.value for each in attributes.communities]))
                names.append("communities")
        if self.version == 3:  # noqa: PLR2004 - the API's version
            pattrs = [_boxed(value) for value in values]
        else:
            pattrs = [m.Attribute(**{name: value}) for name, value in zip(names, values, strict=True)]
        return m.Path(pattrs=pattrs, family=self.family(family), is_withdraw=is_withdraw)

    def own_path(self, destination: Any) -> Path | None:
        """Read our path to a destination of the table; None if there is none of ours."""
        for path in destination.paths:
            if path.neighbor_ip in {"", "<nil>"}:
                return self._read_path(destination.prefix, path)
        return None

    def _read_path(self, prefix: str, path: Any) -> Path:
        m = self.messages
        attributes: dict[str, Any] = {}
        kinds = {"local_pref": m.LocalPrefAttribute, "communities": m.CommunitiesAttribute}
        kinds["large_communities"] = m.LargeCommunitiesAttribute
        for each in path.pattrs:
            if self.version == 3:  # noqa: PLR2004 - the API's version
                for name, kind in kinds.items():
                    value = kind()
                    if each.Unpack(value):
                        attributes[name] = value
            else:
                name = each.WhichOneof("attr")
                attributes[name] = getattr(each, name) if name else None
        larges = sorted(
            (each.global_admin, each.local_data1, each.local_data2)
            for each in getattr(attributes.get("large_communities"), "communities", ())
        )
        return Path(
            ip_network(prefix),
            RouteAttributes(
                attributes["local_pref"].local_pref if "local_pref" in attributes else None,
                tuple(Community(value) for value in sorted(getattr(attributes.get("communities"), "communities", ()))),
                tuple(LargeCommunity(*each) for each in larges if each[0] != TAG),
            ),
            frozenset((variant, peer) for administrator, variant, peer in larges if administrator == TAG),
        )


def _boxed(message: Any) -> Box:
    box = Box()
    box.Pack(message)
    return box
