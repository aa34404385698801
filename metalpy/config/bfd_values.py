"""The values that a BFD profile is made of, under whatever keys a format has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalpy.model import BFDProfile

if TYPE_CHECKING:
    from metalpy.config.decoding import Decoder, Fields

_INTERVAL_MS = (10, 60000)
_MULTIPLIER = (2, 255)
_MINIMUM_TTL = (1, 254)


@dataclass(frozen=True, slots=True)
class ProfileForm:
    """What a format calls the fields of a profile."""

    receive: str
    transmit: str
    multiplier: str
    echo_interval: str
    echo: str
    passive: str
    minimum_ttl: str


LEGACY_FORM = ProfileForm(
    "receive-interval",
    "transmit-interval",
    "detect-multiplier",
    "echo-interval",
    "echo-mode",
    "passive-mode",
    "minimum-ttl",
)
RESOURCE_FORM = ProfileForm(
    "receiveInterval",
    "transmitInterval",
    "detectMultiplier",
    "echoInterval",
    "echoMode",
    "passiveMode",
    "minimumTtl",
)


def read_profile(decoder: Decoder, fields: Fields, name: str, form: ProfileForm) -> BFDProfile:
    """Read everything of a profile but its name."""
    return BFDProfile(
        name=name,
        receive_interval_ms=_bounded(decoder, fields, form.receive, _INTERVAL_MS, " milliseconds"),
        transmit_interval_ms=_bounded(decoder, fields, form.transmit, _INTERVAL_MS, " milliseconds"),
        detect_multiplier=_bounded(decoder, fields, form.multiplier, _MULTIPLIER, ""),
        echo_interval_ms=_bounded(decoder, fields, form.echo_interval, _INTERVAL_MS, " milliseconds"),
        echo_mode=decoder.flag(fields, form.echo, default=False),
        passive_mode=decoder.flag(fields, form.passive, default=False),
        minimum_ttl=_bounded(decoder, fields, form.minimum_ttl, _MINIMUM_TTL, " hops"),
    )


def _bounded(decoder: Decoder, fields: Fields, key: str, bounds: tuple[int, int], unit: str) -> int | None:
    low, high = bounds
    wanted = f"from {low} to {high}{unit} (absent for the default)"
    return decoder.number(fields, key, low, high, wanted=wanted)
