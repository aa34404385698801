"""Rewrites that keep the meaning where the new MetalLB would read the same words in another way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from configmaptocrs.findings import Finding
from configmaptocrs.objects import REFERENCES_FIRST, Object, in_order
from metalpy.config.resource_objects import BGP_ADVERTISEMENT

if TYPE_CHECKING:
    from collections.abc import Mapping

_LENGTHS = {4: ("aggregationLength", 32), 6: ("aggregationLengthV6", 128)}


def keep_last_of_equal_lengths(
    objects: list[Object], versions: Mapping[str, frozenset[int]]
) -> tuple[list[Object], list[Finding]]:
    """Leave out advertisements that a later one covers in every family of their pool: so did native mode.

    `versions` are the IP versions of each pool, by its object's name.
    """
    covered: set[tuple[str, int, int]] = set()
    kept: list[Object] = []
    findings = []
    for one in reversed(objects):
        if one["kind"] != BGP_ADVERTISEMENT:
            kept.append(one)
            continue
        (pool,) = one["spec"]["ipAddressPools"]
        lengths = {(pool, version, _length(one, version)) for version in versions[pool]}
        if lengths and lengths <= covered:
            text = f"is left out: a later advertisement of pool {pool} has its lengths, and was the one in force"
            findings.append(Finding("W-FIX", one["metadata"]["name"], text))
        else:
            covered |= lengths
            kept.append(one)
    return _renumbered(kept[::-1]), findings


def references_first(objects: list[Object]) -> list[Object]:
    """Put what is referred to before what refers to it."""
    return in_order(objects, REFERENCES_FIRST)


def _length(one: Object, version: int) -> int:
    key, default = _LENGTHS[version]
    length: int = one["spec"].get(key, default)
    return length


def _renumbered(objects: list[Object]) -> list[Object]:
    count = 0
    for one in objects:
        if one["kind"] == BGP_ADVERTISEMENT:
            count += 1
            one["metadata"]["name"] = f"{BGP_ADVERTISEMENT.lower()}{count}"
    return objects
