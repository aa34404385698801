"""How an API server is reached and what it is shown: plain values, which go from one process to another."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

from metalpy.errors import ClusterError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Access:
    """What a kubeconfig, or the place of a Pod, comes to. Certificates and keys are PEM, each byte a character."""

    host: str
    """The URL that paths begin with."""
    authorization: str = ""
    """The header of that name; empty for none, as with a certificate."""
    token_file: str = ""
    """Where its token is kept fresh."""
    authority: str = ""
    """Whose certificates are good; empty: the machine's own."""
    certificate: str = ""
    key: str = ""
    """Empty where the certificate's text has it too."""
    is_verified: bool = True
    """Whether the server has to show a certificate that is good."""
    server_name: str = ""
    """The name on that, where it is not the URL's."""
    proxy: str = ""

    def text(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: bytes) -> Self:
        """Read what `text` or `error_text` wrote. Raises `ClusterError` for the latter, `ValueError` for neither."""
        match json.loads(text):
            case {"error": str(error)}:
                raise ClusterError(error)
            case {"host": str()} as found:
                return cls(**found)
        raise ValueError("not how an API server is reached")


def error_text(error: ClusterError) -> str:
    """Write why there is none."""
    return json.dumps({"error": str(error)})


def source(kubeconfig: Path | None) -> str:
    """Name where it is read from."""
    return f"kubeconfig {kubeconfig}" if kubeconfig else "in-cluster credentials (give --kubeconfig elsewhere)"
