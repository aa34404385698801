"""Names of pools and BFD profiles that Kubernetes takes for objects."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING

from metalpy.config.values import check_object_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LEFT_ALONE = re.compile(r"[a-z][-a-z0-9]{0,61}[a-z0-9]")
_LONGEST = 63
_HASH_DIGITS = 8


def official_name(name: str) -> str | None:
    """Give the official converter's name, which may not be a valid one; None where it gives up."""
    if _LEFT_ALONE.fullmatch(name):
        return name
    cut = name.encode()[:_LONGEST].decode(errors="replace").lower().replace("_", "-")
    found = re.search("[a-z]", cut)
    return cut[found.start() :] if found else None


def object_names(names: Sequence[str], *, keep: bool) -> Mapping[str, str]:
    """Give each name its object's name: all valid, no two alike, and the official ones where those are so.

    With `keep`, names that are valid as they stand are left alone.
    """
    wanted = {name: name if keep and is_valid(name) else official_name(name) or "" for name in names}
    chosen = _unique({name: found for name, found in wanted.items() if is_valid(found)}, frozenset())
    rest = [name for name in names if name not in chosen]
    repaired = {name: _repaired(name) for name in rest}
    usable = {name: found for name, found in repaired.items() if is_valid(found)}
    chosen |= _unique(usable, frozenset(chosen.values()))
    for name in sorted(rest, key=lambda name: not is_valid(name)):
        if name in chosen:
            continue
        taken = set(chosen.values())
        digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_HASH_DIGITS]
        marked = f"{repaired[name][: _LONGEST - _HASH_DIGITS - 1] or 'name'}-{digest}"
        chosen[name] = name if is_valid(name) and name not in taken else marked
    return {name: chosen[name] for name in names}


def is_valid(name: str) -> bool:
    """Tell whether an object may have this name."""
    try:
        check_object_name(name)
    except ValueError:
        return False
    return True


def _unique(wanted: Mapping[str, str], taken: frozenset[str]) -> dict[str, str]:
    counts = Counter(wanted.values())
    return {name: found for name, found in wanted.items() if counts[found] == 1 and found not in taken}


def _repaired(name: str) -> str:
    plain = re.sub(r"[^a-z0-9.-]", "-", name.lower())
    return plain.strip("-.")[:_LONGEST].strip("-.")
