"""What the speaker asks of each protocol by which it can announce."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from metalpy.announcement.announceable import Announceable
    from metalpy.announcement.speakers import Speakers
    from metalpy.announcement.states import Reach
    from metalpy.model import Config, Endpoint, IPAddress, Node, ObjectKey, Service
    from metalpy.model import Protocol as PoolProtocol


@dataclass(frozen=True, slots=True)
class Tell:
    """How a protocol tells users what it notices, as Warning Events."""

    services: Callable[[IPAddress, str, str], Awaitable[None]]
    """On whatever Services have an address: address, reason, message."""
    config: Callable[[str, str], Awaitable[None]]
    """On what the configuration was written in: reason, message."""


class Announcing(Protocol):
    """One protocol. The speaker has made sure that a Service has addresses of a pool of it, before it asks."""

    @property
    def protocol(self) -> PoolProtocol:
        """Which one."""
        ...

    def configure(self, config: Config) -> None:
        """Take a configuration into use, before the Services that it changes are put or dropped."""
        ...

    def prepare(self, nodes: Mapping[str, Node]) -> None:
        """Take in the nodes while Services are still being read: sessions may come up, nothing is announced yet."""
        ...

    def put(self, service: Service, announced: Announceable, endpoints: Sequence[Endpoint] | None) -> None:
        """Take in a Service that is to be announced by this protocol, from some node."""
        ...

    def drop(self, key: ObjectKey) -> None:
        """Take in that a Service is not, or no longer. It may never have been."""
        ...

    async def settle(self, speakers: Speakers, since_s: float) -> set[ObjectKey]:
        """Decide, after a batch of changes. Returns the Services of which `reason_against` or `reach` may be another.

        `since_s` is when the changes were seen, on the event loop's clock.
        """
        ...

    def reason_against(self, key: ObjectKey) -> str:
        """Tell why this node does not announce a Service, in the reference's words; empty if it does."""
        ...

    def reach(self, key: ObjectKey) -> Reach | None:
        """Tell where this node announces a Service, if there is no reason against it; None for nowhere."""
        ...

    async def announce(
        self, announcements: Mapping[ObjectKey, tuple[IPAddress, ...]], changed: Iterable[ObjectKey]
    ) -> None:
        """Announce exactly this from now on; returns when it is in force. The mapping goes on changing.

        Nothing is another than at the last call but what is `changed`.
        """
        ...

    async def run(self, tell: Tell) -> None:
        """Do what there is to do beside, until cancelled."""
        ...
