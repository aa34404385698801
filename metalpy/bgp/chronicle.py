"""What is told of sessions: when they come up and go down and why, and what cannot be had as it is wanted."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from metalpy.model import IPAddress

log = structlog.get_logger()

_LOG_DELAY_S = 0.2
_LOG_LOOKS = 10
"""How long the reason for a session's end is waited for, and how often: it comes from gobgpd's log, behind the end."""
GOBGPD = "gobgpd"
"""What is complained of where it is not a session or a route."""
SESSION = "session"
"""The aspect of a session that does not come up, as far as it was looked into."""
_WORD = "gobgpd's word"
"""The same as gobgpd puts it: logged, and material for those who look into it."""
_PORT = re.compile(r":\d+(?=->)")
"""Another one on each try."""
_WORDS = re.compile(r'\b(Key|Reason|reason|Error)=("(?:[^"\\]|\\.)*"|\S*)')


@dataclass(frozen=True, slots=True)
class SessionChange:
    """A session has come up or gone down; `peer` as metrics name it, `reason` empty where nobody says."""

    peer: str
    is_up: bool
    reason: str = ""
    is_wanted: bool = True
    """False where it went down because it was to."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """`what` is not as wanted and why, in one aspect: `SESSION` where a session does not come up."""

    what: str
    why: str
    aspect: str = ""


class Chronicle:
    """Logs changes of sessions and complaints, and keeps them for whoever listens.

    `name` gives a wanted peer's name, else None.
    """

    def __init__(self, name: Callable[[IPAddress], str | None]) -> None:
        self._name = name
        self._up: dict[IPAddress, str] = {}
        self._reasons: dict[IPAddress, str] = {}
        self._ending: dict[IPAddress, asyncio.TimerHandle] = {}
        self._told: dict[tuple[str, str], str] = {}
        self._news: asyncio.Queue[SessionChange | Complaint] = asyncio.Queue()

    def are_up(self, addresses: Iterable[IPAddress]) -> bool:
        """Tell whether all of these sessions are up."""
        return all(address in self._up for address in addresses)

    def reason(self, address: IPAddress) -> str:
        """Give what gobgpd's log last said against a session, since it was up; empty if nothing."""
        return self._reasons.get(address, "")

    async def next(self) -> SessionChange | Complaint:
        """Wait for the next change or complaint."""
        return await self._news.get()

    def change(self, address: IPAddress, *, is_up: bool) -> None:
        """Take a session's state, be it news or not."""
        if is_up:
            if address in self._ending:
                self._end(address)
            if address not in self._up:
                self._begin(address)
        elif address in self._up and address not in self._ending:
            self._await_reason(address, _LOG_LOOKS)

    def _await_reason(self, address: IPAddress, looks: int) -> None:
        """End a session when the reason is known, or nobody has said it for long."""

        def look() -> None:
            if looks > 1 and not self.reason(address):
                self._await_reason(address, looks - 1)
            else:
                self._end(address)

        self._ending[address] = asyncio.get_running_loop().call_later(_LOG_DELAY_S, look)

    def _begin(self, address: IPAddress) -> None:
        self._up[address] = peer = self._name(address) or str(address)
        self._reasons.pop(address, None)
        self.recover(f"peer {peer}", _WORD)
        self.recover(f"peer {peer}", SESSION)
        log.info("BGP session established", event_name="sessionUp", peer=peer)
        self._news.put_nowait(SessionChange(peer, is_up=True))

    def _end(self, address: IPAddress, reason: str = "") -> None:
        if timer := self._ending.pop(address, None):
            timer.cancel()
        peer = self._up.pop(address, None)
        if peer is None:
            return
        is_wanted = self._name(address) is not None
        if is_wanted:
            reason = reason or self.reason(address)
            log.warning("BGP session down", event_name="sessionDown", peer=peer, reason=reason)
        else:
            log.info("BGP session closed", event_name="sessionDown", peer=peer)
            reason = "not wanted any more"
        self._news.put_nowait(SessionChange(peer, is_up=False, reason=reason, is_wanted=is_wanted))

    def lose_all(self) -> None:
        """Take it that no session is up: gobgpd is away."""
        for address in list(self._up):
            self._end(address, "gobgpd is away")

    def hear(self, line: str) -> None:
        """Take a line of gobgpd's log, which alone says why a session failed."""
        words = {key.lower(): value.strip('"') for key, value in _WORDS.findall(line)}
        reason = words.get("reason") or words.get("error")
        try:
            address = ip_address(words.get("key", ""))
        except ValueError:
            log.warning("gobgpd says", op="gobgpd", line=line)
            return
        if reason:
            self._reasons[address] = reason
            if address not in self._up and (peer := self._name(address)):
                self._note(f"peer {peer}", _PORT.sub("", reason), _WORD)

    def complain(self, what: str, why: str, aspect: str = "") -> None:
        """Tell what is not as wanted in one aspect, once as long as that stays the same."""
        if self._note(what, why, aspect):
            self._news.put_nowait(Complaint(what, why, aspect))

    def _note(self, what: str, why: str, aspect: str) -> bool:
        if self._told.get((what, aspect)) == why:
            return False
        self._told[what, aspect] = why
        log.error("not as wanted", op="bgp", what=what, error=why)
        return True

    def recover(self, what: str, aspect: str = "") -> None:
        """Take it that this aspect is as wanted now."""
        self._told.pop((what, aspect), None)
