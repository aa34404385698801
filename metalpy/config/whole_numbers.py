"""Which whole number a scalar is, and what to say where it is none or looks like another."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from metalpy.config.scalars import reads_differently

if TYPE_CHECKING:
    from metalpy.config.document import Scalar

UINT32 = 2**32 - 1
UINT16 = 2**16 - 1
INT64 = 2**63 - 1


def whole_number(target: Scalar, value: float | str, *, asn: bool) -> tuple[int | None, str]:
    """Give the whole number that a resolved value is, else None and why not, with `must be` for the caller."""
    if isinstance(value, bool | str):
        return None, f"must be{_number_remedy(target)}"
    if isinstance(value, int) or value.is_integer():
        return int(value), ""
    if not math.isfinite(value):
        return None, "must be"
    cut = f"must be (MetalLB cut it to {int(value)})"
    asdot = re.fullmatch(r"([0-9]{1,5})\.([0-9]{1,5})", target.text) if asn else None
    if asdot and int(asdot[1]) <= UINT16 and int(asdot[2]) <= UINT16:
        high, low = int(asdot[1]), int(asdot[2])
        cut += f": AS {target.text} in asdot notation is {high} * 65536 + {low} = {high * 65536 + low}"
    return None, cut


def oddity(target: Scalar, value: float | str, whole: int) -> str:
    """Tell what a reader may take a number for that is read as `whole`; empty if it looks like what it is."""
    is_integer = isinstance(value, int)
    if reads_differently(target.text, whole):
        kind = "octal" if is_integer else "decimal, as it is not octal"
        decimal = int(target.text.replace("_", ""))
        note = f"the leading zero makes this {kind}: write {whole}"
        return note + (f", or {decimal} if that was meant" if decimal != whole else "")
    return "" if is_integer else f"a number with a point or exponent is read as {whole}: write that"


def _number_remedy(target: Scalar) -> str:
    if not target.plain and not target.tag:
        return ": remove the quotes"
    if target.text[:2].upper() == "AS":
        return ": write it without AS"
    if re.fullmatch(r"[0-9.]+(ns|us|ms|s|m|h)", target.text):
        return ", without a unit"
    if "," in target.text or " " in target.text:
        return ", without separators"
    return ""
