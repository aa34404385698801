"""What is to be done about objects that say where Services are announced."""

from __future__ import annotations

import pytest

from metalpy.announcement.states import Held, corrections, of_former_owners
from metalpy.model import ObjectKey

A, B = ObjectKey("default", "a"), ObjectKey("default", "b")
OURS = "pod-1"


def held(name: str, service: ObjectKey = A, **fields: object) -> Held:
    values = {"name": name, "node": "node1", "service": service, "reach": (), "owner": OURS, **fields}
    return Held(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("objects", "delete", "change", "create"),
    [
        pytest.param([], (), (), (A,), id="none-yet"),
        pytest.param([held("x", reach=("eth0",))], (), (), (), id="says-so"),
        pytest.param([held("x")], (), (("x", A),), (), id="says-otherwise"),
        pytest.param([held("x", reach=None)], (), (("x", A),), (), id="says-nothing-yet"),
        pytest.param([held("x", reach=("eth0",)), held("y")], ("y",), (), (), id="one-too-many"),
        pytest.param([held("x", B)], ("x",), (), (A,), id="service-is-not-ours-any-more"),
        pytest.param([held("x", reach=("eth0",), owner="pod-0")], ("x",), (), (A,), id="goes-with-an-earlier-pod"),
        pytest.param([held("x", node="node2"), held("y", B, node="node2")], (), (), (A,), id="other-nodes"),
    ],
)
def test_corrections_make_objects_say_what_is_announced_and_no_more(
    objects: list[Held],
    delete: tuple[str, ...],
    change: tuple[tuple[str, ObjectKey], ...],
    create: tuple[ObjectKey, ...],
) -> None:
    assert corrections("node1", OURS, {A: ("eth0",)}, objects) == (delete, change, create)


def test_speaker_in_no_pod_takes_what_it_finds() -> None:
    assert corrections("node1", "", {A: ()}, [held("x", owner="pod-0")]) == ((), (), ())


def test_objects_of_other_nodes_are_removed_for_services_that_were_gained() -> None:
    objects = [held("mine"), held("theirs", node="node2"), held("other", B, node="node2")]

    assert of_former_owners("node1", {A}, objects) == ("theirs",)
