"""Which MetalLB is to read the result, and which read the source."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from metalpy.config.resource_peers import TimerRules

Version = tuple[int, int, int]
_VERSION = re.compile(r"v?([0-9]+)\.([0-9]+)(?:\.([0-9]+))?")


class Mode(enum.StrEnum):
    """How MetalLB speaks BGP."""

    NATIVE = "native"
    FRR = "frr"
    FRR_K8S = "frr-k8s"

    @property
    def is_frr(self) -> bool:
        """Tell whether FRR does it."""
        return self is not Mode.NATIVE


@dataclass(frozen=True, slots=True)
class Target:
    """A version of MetalLB that reads custom resources, and its mode."""

    version: Version
    mode: Mode

    def __str__(self) -> str:
        return f"MetalLB {'.'.join(map(str, self.version))} ({self.mode})"

    def timers(self) -> TimerRules:
        """Give what absent timers of a peer mean to it."""
        if self.version < HONOURS_ZERO_HOLD_TIME:
            return TimerRules(zero_is_absent=True, hold_follows_keepalive=False)
        if self.mode.is_frr:  # FRR's profile `traditional`
            return TimerRules(absent_hold_s=180, absent_keepalive_s=60)
        return TimerRules()


HONOURS_ZERO_HOLD_TIME: Version = (0, 14, 9)
HEEDS_LOAD_BALANCER_CLASS: Version = (0, 13, 0)
CLEARS_WITHOUT_POOLS: Version = (0, 13, 8)
WRITES_POOL_ANNOTATION: Version = (0, 13, 9)
LEAVES_OUT_INTERFACES: Version = (0, 13, 10)
HEEDS_NETWORK_UNAVAILABLE: Version = (0, 13, 10)
WANTS_IP_OF_POOL: Version = (0, 13, 10)
GIVES_PENDING_FIRST: Version = (0, 14, 0)
HAS_LONG_GOSSIP_KEY: Version = (0, 14, 0)
HEEDS_EXCLUDE_LABEL: Version = (0, 14, 0)
NEEDS_SLICES: Version = (0, 14, 0)
REPLACES_DROPPED_ADDRESSES: Version = (0, 14, 0)
CAN_IGNORE_EXCLUDE_LABEL: Version = (0, 14, 4)
COMPLETES_DUAL_STACK: Version = (0, 14, 9)
LEAVES_CORDONED_NODES: Version = (0, 14, 9)
"""This version alone."""
REFUSES_NODE_ADDRESSES: Version = (0, 15, 0)
"""This version alone."""
HAS_METRICS_OVER_TLS: Version = (0, 16, 0)
READS_NEW_ANNOTATIONS: Version = (0, 14, 9)
HAS_DUAL_STACK_SESSIONS: Version = (0, 15, 0)
UNITES_NATIVE_ADVERTISEMENTS: Version = (0, 16, 0)
HAS_LONG_ASNS: Version = (0, 16, 0)
LOOKS_AT_SHARED_NODES: Version = (0, 16, 0)


def version_of(text: str) -> Version:
    """Read a version such as `0.16` or `v0.15.2`. Raises `ValueError`."""
    found = _VERSION.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is no version such as 0.16 or 0.15.2')
    major, minor, patch = found.groups()
    return int(major), int(minor), int(patch or 0)
