"""A configuration in numbers, for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metalpy.model import Config


@dataclass(frozen=True, slots=True)
class Summary:
    """How much of everything a configuration has. `addresses` counts those of all pools."""

    pools: int
    addresses: int
    peers: int
    bfd_profiles: int
    communities: int

    def describe(self) -> str:
        """Give one line of text."""
        return ", ".join(
            (
                counted(self.pools, "pool"),
                counted(self.addresses, "address", "addresses"),
                counted(self.peers, "peer"),
                counted(self.bfd_profiles, "BFD profile"),
                counted(self.communities, "community alias", "community aliases"),
            )
        )


def summary_of(config: Config) -> Summary:
    """Count what a configuration has."""
    return Summary(
        pools=len(config.pools),
        addresses=sum(prefix.num_addresses for pool in config.pools for prefix in pool.prefixes),
        peers=len(config.peers),
        bfd_profiles=len(config.bfd_profiles),
        communities=len(config.communities),
    )


def counted(count: int, one: str, many: str = "") -> str:
    """Give a number with its noun: `1 pool`, `2 pools`."""
    return f"{count} {one if count == 1 else many or one + 's'}"
