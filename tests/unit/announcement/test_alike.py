"""Of any speakers and any address exactly one speaker is the owner, and it is the one that the formula names."""

from __future__ import annotations

import hashlib
import ipaddress
import random

from metalpy.announcement.layer2 import ElectionOrder, elected
from metalpy.model import parse_address

TRIALS = 100_000


def test_every_speaker_names_the_same_owner_as_the_formula_for_random_members_and_addresses() -> None:
    chance = random.Random(11)
    names = [f"node-{chance.getrandbits(24):x}.example.org" for _ in range(500)] + [
        f"n{number}" for number in range(99)
    ]
    for _ in range(TRIALS):
        members = chance.sample(names, 1 + chance.getrandbits(2))
        spelling, canonical = an_address(chance)

        found = elected(ElectionOrder(members, parse_address(spelling)), members, "")

        winner = min(members, key=lambda name: hashlib.sha256(bytes(f"{name}#{canonical}", "ascii")).hexdigest())
        assert found == winner, (members, spelling)


def an_address(chance: random.Random) -> tuple[str, str]:
    """Draw an address: some spelling of it, and the canonical text (RFC 5952), which is made here by hand."""
    kind = chance.randrange(3)
    if kind:
        bits = chance.getrandbits(32)
        text = f"{bits >> 24}.{bits >> 16 & 255}.{bits >> 8 & 255}.{bits & 255}"
        return (text, text) if kind == 1 else (f"::ffff:{text}", text)
    groups = chance.choices((0, 0, 1, 0xDB8, chance.getrandbits(16)), k=8)
    groups[0], groups[7] = 0x2000 | chance.getrandbits(12), 1 + chance.getrandbits(15)
    return ":".join(f"{group:04X}" for group in groups), compressed(groups)


def compressed(groups: list[int]) -> str:
    """Write 8 groups with the first of the longest runs of two or more zeros as `::`."""
    runs = [
        (-length, start) for start in range(8) for length in range(2, 9 - start) if not any(groups[start:][:length])
    ]
    texts = [f"{group:x}" for group in groups]
    if not runs:
        return ":".join(texts)
    length, start = min(runs)
    return ":".join(texts[:start]) + "::" + ":".join(texts[start - length :])


def test_canonical_text_by_hand_is_the_librarys() -> None:
    for groups in ([0x2001, 0xDB8, 0, 0, 1, 0, 0, 1], [0x2001, 0, 1, 0, 0, 0, 0, 2], [0x2001, 0, 1, 2, 3, 4, 5, 6]):
        text = ":".join(f"{group:x}" for group in groups)
        assert compressed(groups) == str(ipaddress.ip_address(text))
