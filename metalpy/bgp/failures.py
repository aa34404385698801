"""What there is to say of a gobgpd that does not do what it was asked."""

from __future__ import annotations

from metalpy.errors import RouterError


class GoneError(RouterError):
    """gobgpd does not answer, or is not there any more."""


class AbsenceError(GoneError):
    """Nobody listens at its socket."""


class SilenceError(GoneError):
    """gobgpd takes calls and does not answer."""


class RefusalError(RouterError):
    """gobgpd answers, and does not do what it was asked."""
