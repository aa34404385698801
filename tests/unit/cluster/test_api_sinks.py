"""What sinks make of lists and of single objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from metalpy.cluster.api_sinks import NodeSink
from metalpy.cluster.interface import NodeChanged
from metalpy.errors import ClusterError
from tests.unit.cluster.answers import raw

if TYPE_CHECKING:
    from collections.abc import Hashable

    import msgspec

    from metalpy.cluster.interface import Change


def node(name: str, rack: object = "a") -> msgspec.Raw:
    return raw({"metadata": {"name": name, "labels": {"rack": rack}}})


class Reports(list[tuple[str, tuple[tuple[str, str], ...] | None]]):
    """Nodes that changed, each with its labels, None where it went."""

    def __call__(self, _: Hashable, change: Change) -> None:
        assert isinstance(change, NodeChanged)
        self.append((change.name, change.node.labels if change.node else None))


def test_list_changes_nothing_before_it_is_there_as_a_whole() -> None:
    reports = Reports()
    sink = NodeSink(reports)
    values = sink.decode([node("one"), node("two")]) | sink.decode([node("three")])
    assert reports == []

    sink.replace(values)
    assert [name for name, _ in reports] == ["one", "two", "three"]


def test_list_takes_away_what_is_not_in_it_and_repeats_nothing() -> None:
    reports = Reports()
    sink = NodeSink(reports)
    sink.replace(sink.decode([node("one"), node("two")]))
    reports.clear()
    sink.replace(sink.decode([node("two"), node("three")]))

    assert reports == [("one", None), ("three", (("rack", "a"),))]


def test_object_that_cannot_be_read_keeps_its_last_form_and_is_named() -> None:
    reports = Reports()
    sink = NodeSink(reports)
    sink.replace(sink.decode([node("one"), node("two")]))
    reports.clear()
    with capture_logs() as logs:
        sink.replace(sink.decode([node("one", rack=7), node("two", rack="b"), node("new", rack=7)]))
        sink.put(node("two", rack=7))

    assert reports == [("two", (("rack", "b"),))]
    named = [line["error"].split(":")[0] for line in logs]
    assert named == ["Node one", "Node new", "Node two"]


@pytest.mark.parametrize("stranger", [[], {}, {"metadata": {}}, {"metadata": {"name": 7}}, 7], ids=str)
def test_what_is_no_object_is_the_servers_fault_and_changes_nothing(stranger: object) -> None:
    reports = Reports()
    sink = NodeSink(reports)
    for take in (sink.put, sink.remove):
        with pytest.raises(ClusterError):
            take(raw(stranger))

    assert reports == []
