"""What a session asks of gobgpd, as a plain value, and what of it gobgpd cannot do."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from metalpy.announcement.sessions import BFD_INTERVAL_MS, BFD_MULTIPLIER
from metalpy.model import Family, host_port

if TYPE_CHECKING:
    from collections.abc import Container

    from metalpy.announcement.routes import Session
    from metalpy.bgp.addresses import LocalAddresses
    from metalpy.model import BFDProfile, IPAddress, Peer

CONNECT_S = 2
"""Between two calls, where the peer does not say: as often as gobgpd can, whose own default is two minutes."""
RESTART_S = 120
"""How long a router keeps routes for a gobgpd that is to come back (RFC 4724)."""
_MARK = "metalpy "


@dataclass(frozen=True, slots=True)
class Bfd:
    """BFD timers as gobgpd takes them: microseconds (RFC 5880 section 4.1)."""

    receive_us: int = BFD_INTERVAL_MS * 1000
    transmit_us: int = BFD_INTERVAL_MS * 1000
    multiplier: int = BFD_MULTIPLIER


@dataclass(frozen=True, slots=True)
class Adjustable:
    """What gobgpd 4 changes of a session while it lasts. Hold and keepalive times are agreed when one begins."""

    connect_s: int
    bfd: Bfd | None = None

    def may_follow(self, before: Adjustable) -> bool:
        """Tell whether a session with `before` is to last: BFD may begin in it, but no other take its place.

        A router whose BFD hears that ours went away, be it to come back with other intervals, ends the session.
        """
        return before.bfd in (None, self.bfd)


@dataclass(frozen=True, slots=True)
class Neighbor:
    """One session, in the terms of gobgpd."""

    address: IPAddress
    port: int
    peer_asn: int
    local_asn: int
    source: IPAddress | None
    password: str = field(repr=False)
    hold_time_s: int
    keepalive_s: int
    adjustable: Adjustable
    families: tuple[Family, ...]
    next_hop: IPAddress | None = None
    """Where routes of the family that is not the session's own lead; None if it carries only its own."""
    restart_s: int = 0
    """Graceful restart time; 0 for none."""
    device: str = ""
    """The VRF device that the session is bound to."""

    @property
    def name(self) -> str:
        """The session as logs and metrics call it."""
        return host_port(self.address, self.port)

    @property
    def mark(self) -> str:
        """A digest of what cannot be adjusted. gobgpd keeps it as the description: another mark, another session."""
        text = "\n".join(
            f"{each.name}={getattr(self, each.name)}" for each in fields(self) if each.name != "adjustable"
        )
        return _MARK + hashlib.sha256(text.encode()).hexdigest()[:16]


def what(peer: Peer) -> str:
    """Name a peer in complaints."""
    return f"peer {host_port(peer.address, peer.port)}"


def neighbor(
    session: Session, local: LocalAddresses, restart_s: int = 0, announced: Container[Family] = ()
) -> tuple[Neighbor | None, tuple[str, ...]]:
    """Translate a session; the texts say what is not as the operator asked.

    None if there can be no session: a source address or VRF that this node has not, which gobgpd would not mention.
    With `restart_s` every session restarts gracefully, not only those whose peer says so. A family that this node
    has no next hop for is left out, and missed only if it is `announced`.
    """
    peer = session.peer
    if peer.source_address is not None and not local.has(peer.source_address):
        return None, (f"source address {peer.source_address} is not an address of this node",)
    if peer.vrf and peer.vrf not in local.interfaces:
        return None, (f"VRF {peer.vrf} is not there: this node has no interface of that name",)
    problems = []
    own = Family.of(peer.address)
    families: tuple[Family, ...] = (own,)
    next_hop = None
    for other in session.families:
        if other is own:
            continue
        next_hop = local.beside(peer.source_address or peer.address, other, on_link=bool(peer.vrf))
        if next_hop:
            families = session.families
        elif other in announced:
            problems.append(f"no {other} routes: this node has no {other} address that they could lead to")
    result = Neighbor(
        peer.address,
        peer.port,
        peer.peer_asn,
        peer.session_asn,
        peer.source_address,
        peer.password,
        peer.hold_time_s,
        max(1, min(peer.keepalive_time_ns // 10**9, peer.hold_time_s)),
        Adjustable(
            CONNECT_S if peer.connect_time_s is None else max(1, peer.connect_time_s),
            _bfd(session.bfd) if session.bfd else None,
        ),
        families,
        next_hop,
        restart_s or (RESTART_S if peer.graceful_restart else 0),
        peer.vrf,
    )
    return result, tuple(problems)


def _bfd(profile: BFDProfile) -> Bfd:
    return Bfd(
        (profile.receive_interval_ms or BFD_INTERVAL_MS) * 1000,
        (profile.transmit_interval_ms or BFD_INTERVAL_MS) * 1000,
        profile.detect_multiplier or BFD_MULTIPLIER,
    )
