"""What a benchmark prints: one JSON object a line, the same keys in all of them."""

from __future__ import annotations

import json


def line(
    name: str,
    unit: str,
    n: int,
    ours: float,
    *,
    peer: float | None = None,
    limit: float | None = None,
    smaller_is_better: bool = False,
) -> str:
    """Give the line for one figure.

    `n` is how many single measurements stand behind it, `peer` what another program reached in the same run, and
    `limit` the best that could be hoped for in it. Ratios are better when larger, 1 being as good.
    """

    def ratio(other: float | None) -> float | None:
        if other is None:
            return None
        return round(other / ours if smaller_is_better else ours / other, 3)

    return json.dumps(
        {
            "name": name,
            "unit": unit,
            "n": n,
            "ours": _rounded(ours),
            "peer": _rounded(peer),
            "limit": _rounded(limit),
            "ratio_peer": ratio(peer),
            "ratio_limit": ratio(limit),
        },
        ensure_ascii=False,
    )


def _rounded(value: float | None) -> float | None:
    """Keep four digits or so: the rest is noise."""
    return None if value is None else float(f"{value:.4g}") if abs(value) < 1000 else round(value)
