"""Why a session does not come up, by asking the peer itself: gobgpd says little of it, and one beside us nothing."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalpy.bgp.chronicle import SESSION
from metalpy.bgp.neighbors import what
from metalpy.bgp.probe import Answer, call
from metalpy.model import ANY_OTHER_ASN

if TYPE_CHECKING:
    from collections.abc import Callable

    from metalpy.announcement.routes import Session
    from metalpy.bgp.chronicle import Chronicle
    from metalpy.bgp.wanted import Wanted
    from metalpy.model import IPAddress

PATIENCE_S = 30.0
"""How long a session may take to come up before the peer is asked."""
_LONGEST_PAUSE_S = 300.0
"""Between two calls to a peer that stays away: each is one more in its log."""
_ANSWER_S = 5.0
"""The kernel gives up on a neighbour after three seconds, and that is another cause than silence."""
_IN_A_ROW = 2
_IN_A_ROW_AGAINST = 4
"""How often an uncertain cause is to be found before it is told, and before it takes a certain one's place."""
_COLLISION = (6, 7)
"""RFC 4486: it is about to have a session with gobgpd."""
_BAD_PEER_AS, _BAD_IDENTIFIER = (2, 2), (2, 3)
_CODES = {
    1: "message header error",
    2: "OPEN message error",
    3: "UPDATE message error",
    4: "hold timer expired",
    5: "finite state machine error",
    6: "cease",
}
_SUBCODES = {
    (2, 1): "unsupported version number",
    _BAD_PEER_AS: "bad peer AS",
    _BAD_IDENTIFIER: "bad BGP identifier",
    (2, 4): "unsupported optional parameter",
    (2, 6): "unacceptable hold time",
    (2, 7): "unsupported capability",
    (6, 1): "maximum number of prefixes reached",
    (6, 2): "administrative shutdown",
    (6, 3): "peer de-configured",
    (6, 4): "administrative reset",
    (6, 5): "connection rejected",
    (6, 6): "other configuration change",
    (6, 8): "out of resources",
    (6, 10): "BFD down",
}
"""RFC 4271 section 4.5, RFC 5492, RFC 4486, RFC 9384."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why there is no session, likely. What is not `certain` may be different a moment later."""

    text: str
    is_certain: bool = True


async def diagnose(session: Session, *, gobgpd_says: str = "", answer_s: float = _ANSWER_S) -> Cause | None:
    """Call a peer and tell why there is no session; None if the call tells nothing.

    A call takes at most twice `answer_s` seconds, and a peer without a password where we have one two of them.
    """
    peer = session.peer
    answer = await call(session, timeout_s=answer_s, password=peer.password)
    if answer.is_accepted and answer.asn is not None and peer.expects(answer.asn):
        says = gobgpd_says or "gobgpd does not say why"
        return Cause(f"it would have the session, and gobgpd has none: {says}", is_certain=False)
    is_expected = answer.asn is None or peer.expects(answer.asn)
    if not answer.error and answer.is_closed and not answer.notification and is_expected:
        who = f"it has no neighbor {answer.local}, which is this node, has it disabled, or waits after an error"
        return Cause(f"it hangs up without a word: {who}", is_certain=False)
    if not answer.error:
        text = _of_talk(session, answer)
    elif answer.error != errno.ETIMEDOUT:
        text = _of_error(session, answer.error)
    elif peer.password and (await call(session, timeout_s=answer_s, password="")).error != errno.ETIMEDOUT:
        text = "it has no password (TCP MD5) for this node, and the configuration has one: wrong password"
    else:
        text = _of_silence(session)
    return Cause(text) if text else None


def _of_error(session: Session, error: int) -> str:
    peer = session.peer
    if error == errno.EADDRNOTAVAIL:
        return ""  # the source address, of which the translation of the session complains
    if error == errno.ECONNREFUSED:
        return f"nothing listens on port {peer.port} there (connection refused)"
    if error in {errno.EHOSTUNREACH, errno.ENETUNREACH}:
        return f"no route to it, or nobody at that address ({os.strerror(error).lower()})"
    return f"it cannot be called: {os.strerror(error)}"


def _of_silence(session: Session) -> str:
    password = "another password (TCP MD5)" if session.peer.password else "a password (TCP MD5)"
    causes = f"a firewall, {password} there"
    if not session.peer.internal:
        causes += ", or a TTL too small there for a node several hops away (ebgp-multihop)"
    return f"no answer: {causes}"


def _of_talk(session: Session, answer: Answer) -> str:
    peer = session.peer
    if answer.asn is not None and not peer.expects(answer.asn):
        says = "another AS than ours" if peer.peer_asn == ANY_OTHER_ASN else f"peer-asn {peer.peer_asn}"
        return f"wrong AS: its ASN is {answer.asn}, and the configuration says {says}"
    if answer.notification == _COLLISION:
        return ""
    if answer.notification == _BAD_PEER_AS:
        own = f"{'my-asn' if peer.local_asn is None else 'localASN'} {peer.session_asn}"
        return f"wrong AS: it expects another ASN of this node than {own} (it says: bad peer AS)"
    if answer.notification:
        code = answer.notification[0]
        words = (
            _SUBCODES.get(answer.notification) or _CODES.get(code) or "NOTIFICATION {}/{}".format(*answer.notification)
        )
        hint = f": is our router ID {session.router_id} its own?" if answer.notification == _BAD_IDENTIFIER else ""
        return f"it refuses the session: {words}{hint}"
    return f"it takes the connection and says nothing: is that a BGP router on port {peer.port}?"


@dataclass(slots=True)
class _Doubt:
    session: Session
    due_s: float
    pause_s: float
    is_certain: bool = False
    """Whether a certain cause was told."""
    uncertain: str = ""
    """What was found last, and may have been a coincidence; how often in a row."""
    in_a_row: int = 0

    def found_often(self, text: str) -> bool:
        """Take an uncertain cause, and tell whether it is worth telling by now."""
        self.in_a_row = self.in_a_row + 1 if text == self.uncertain else 1
        self.uncertain = text
        return self.in_a_row >= (_IN_A_ROW_AGAINST if self.is_certain else _IN_A_ROW)


class Diagnosis:
    """Has an eye on sessions that do not come up, and complains of the cause."""

    def __init__(
        self,
        wanted: Wanted,
        chronicle: Chronicle,
        is_connected: Callable[[], bool],
        *,
        patience_s: float = PATIENCE_S,
        answer_s: float = _ANSWER_S,
    ) -> None:
        self._wanted = wanted
        self._chronicle = chronicle
        self._is_connected = is_connected
        self._patience_s = patience_s
        self._answer_s = answer_s
        self._doubts: dict[IPAddress, _Doubt] = {}

    async def run(self) -> None:
        """Do so, for ever."""
        while True:
            await asyncio.sleep(self._patience_s / 10)
            async with asyncio.TaskGroup() as group:
                for doubt in self._due(asyncio.get_running_loop().time()):
                    group.create_task(self._look_into(doubt))

    def _due(self, now_s: float) -> list[_Doubt]:
        """Give the sessions to look into now. Without gobgpd there are none, and that is complained of by itself."""
        sessions = self._wanted.sessions if self._is_connected() else {}
        down = {address: each for address, each in sessions.items() if not self._chronicle.are_up([address])}
        before, self._doubts = self._doubts, {}
        for address, session in down.items():
            doubt = before.get(address)
            if doubt is None or doubt.session != session:
                self._chronicle.recover(what(session.peer), SESSION)
                due_s = now_s + self._patience_s + (session.peer.connect_time_s or 0)
                doubt = _Doubt(session, due_s, self._patience_s)
            self._doubts[address] = doubt
        due = [doubt for doubt in self._doubts.values() if doubt.due_s <= now_s]
        for doubt in due:
            doubt.due_s = now_s + doubt.pause_s
            doubt.pause_s = min(doubt.pause_s * 2, max(self._patience_s, _LONGEST_PAUSE_S))
        return due

    async def _look_into(self, doubt: _Doubt) -> None:
        session, address = doubt.session, doubt.session.peer.address
        says = self._chronicle.reason(address)
        cause = await diagnose(session, gobgpd_says=says, answer_s=self._answer_s)
        if cause is None or self._chronicle.are_up([address]) or self._wanted.sessions.get(address) != session:
            return
        if cause.is_certain or doubt.found_often(cause.text):
            doubt.is_certain = cause.is_certain
            doubt.in_a_row = 0
            self._chronicle.complain(what(session.peer), cause.text, SESSION)
