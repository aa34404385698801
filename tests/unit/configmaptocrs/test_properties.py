"""Whatever a legacy configuration says, its custom resources say; and every change of them is seen, no other."""

from __future__ import annotations

import copy
import os
import random
import re
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from configmaptocrs.convert import Conversion, Wishes, convert
from configmaptocrs.document import to_text
from configmaptocrs.source import source_of
from configmaptocrs.targets import Mode, Target
from configmaptocrs.verify import Cluster, verify
from metalpy.cluster.manifest_text import documents_of
from tests.unit.configmaptocrs.generate import Legacy, legacy
from tests.unit.configmaptocrs.mutations import WITH_MEANING, WITHOUT_MEANING, Subject

if TYPE_CHECKING:
    from configmaptocrs.objects import Object

CASES = int(os.environ.get("FUZZ_CONVERSIONS", "100"))
"""How many configurations are tried per property; `make fuzz` tries more."""

seeds = st.integers(0, 2**64)
often = settings(max_examples=CASES, derandomize=True, deadline=None, database=None)


def _converted(case: Legacy, *, keep_names: bool = False, secrets: bool = False) -> tuple[Conversion, Target]:
    target = Target((0, 16, 0), Mode.FRR_K8S if case.mode.is_frr else Mode.NATIVE)
    wishes = Wishes(target, keep_names=keep_names, secrets=secrets, source_mode=case.mode, fix=secrets)
    return convert(source_of(case.text, only_data=True), wishes), target


def _told(conversion: Conversion, objects: list[Object], target: Target) -> list[str]:
    findings = verify(conversion, to_text(objects), target, Cluster())
    return [finding.describe() for finding in findings if finding.is_difference or finding.is_undecided]


@often
@given(seeds)
def test_a_conversion_means_the_same(seed: int) -> None:
    chance = random.Random(seed)
    case = legacy(chance)
    conversion, target = _converted(case, keep_names=chance.random() < 0.5, secrets=chance.random() < 0.5)
    assert _told(conversion, conversion.objects, target) == []


@often
@given(seeds)
def test_a_change_of_the_meaning_is_told(seed: int) -> None:
    chance = random.Random(seed)
    case = legacy(chance)
    conversion, target = _converted(case)
    for name, mutate in chance.sample(sorted(WITH_MEANING.items()), 6):
        objects = copy.deepcopy(conversion.objects)
        if mutate(Subject(objects, chance, case.mode)):
            assert _told(conversion, objects, target), (name, case.text)


@often
@given(seeds)
def test_no_other_change_is_told(seed: int) -> None:
    chance = random.Random(seed)
    case = legacy(chance)
    conversion, target = _converted(case)
    for name, mutate in chance.sample(sorted(WITHOUT_MEANING.items()), 6):
        objects = copy.deepcopy(conversion.objects)
        if mutate(Subject(objects, chance, case.mode)):
            assert _told(conversion, objects, target) == [], (name, case.text)


def test_every_change_finds_something_to_change() -> None:
    chance = random.Random(1)
    waiting = {**WITH_MEANING, **WITHOUT_MEANING}
    for _ in range(200):
        case = legacy(chance)
        objects = _converted(case)[0].objects
        for name, mutate in list(waiting.items()):
            if mutate(Subject(copy.deepcopy(objects), chance, case.mode)):
                del waiting[name]
    assert waiting == {}


@often
@given(seeds)
def test_a_parser_of_kubernetes_reads_what_was_written(seed: int) -> None:
    objects = _converted(legacy(random.Random(seed)))[0].objects
    assert [one for one in documents_of(to_text(objects)) if one is not None] == objects


@often
@given(st.text(st.characters(exclude_categories=["Cs"])) | st.from_regex(r"[-+.:_0-9a-fxXeE]{1,9}", fullmatch=True))
def test_any_text_is_read_as_itself(text: str) -> None:
    if not re.search("[\0-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]", text):
        objects = [{"metadata": {"name": text, "lines": [text, {"a": text}]}}]
        assert [one for one in documents_of(to_text(objects)) if one is not None] == objects
