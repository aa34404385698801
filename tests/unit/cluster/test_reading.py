"""Whatever stands in the place of a field: an object is read, or refused with its name, the place and the remedy."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml

from metalpy.cluster.manifest_text import documents_of
from metalpy.cluster.objects import endpoints_from_endpoints, endpoints_from_slice, node_from, service_from
from metalpy.cluster.reading import _explained, json_value, read
from metalpy.cluster.shapes import ServiceObject
from metalpy.errors import ManifestError
from tests.unit.cluster.answers import raw
from tests.unit.cluster.dumps import ENDPOINTS, NODE, SERVICE_DUMP, SLICE_DUMP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OBJECTS: dict[str, tuple[Callable[[object], object], Any]] = {
    "Service": (service_from, next(documents_of(SERVICE_DUMP))),
    "Node": (node_from, yaml.safe_load(NODE.format(ready="True"))),
    "EndpointSlice": (endpoints_from_slice, yaml.safe_load(SLICE_DUMP)),
    "Endpoints": (endpoints_from_endpoints, yaml.safe_load(ENDPOINTS)),
}
STRANGERS: tuple[Any, ...] = (None, 0, 1.5, True, "", "x", [], [1], ["x"], {}, {"a": 1}, {"a": "x"})


def places(value: Any, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    """Give the path of everything in an object."""
    yield path
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from places(inner, *path, step)


def with_stranger(obj: Any, path: tuple[str | int, ...], stranger: Any) -> Any:
    """Put something else in the place of a value."""
    if not path:
        return stranger
    changed = copy.deepcopy(obj)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = stranger
    return changed


def outcome(reader: Callable[[object], object], obj: object) -> object:
    try:
        return reader(obj)
    except ManifestError as error:
        return str(error)


@pytest.mark.parametrize("kind", OBJECTS)
def test_stranger_anywhere_is_passed_over_or_refused_by_its_place(kind: str) -> None:
    reader, obj = OBJECTS[kind]
    refused = 0
    for path in places(obj):
        for stranger in STRANGERS:
            changed = with_stranger(obj, path, stranger)
            found = outcome(reader, changed)
            assert outcome(reader, raw(changed)) == found
            if isinstance(found, str):
                refused += 1
                assert found.startswith(kind), found
                assert ": must be " in found or ": must have " in found, found

    assert refused > len(STRANGERS)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"app.kubernetes.io/name": 7}, "metadata.labels[app.kubernetes.io/name]: 7: must be a text"),
        ({"a": "x", "a.b": True}, "metadata.labels[a.b]: true: must be a text"),
        ({"a`b": []}, "metadata.labels[a`b]: []: must be a text"),
        ({7: "x"}, 'metadata.labels: {"7": "x"}: must have texts as names'),
    ],
    ids=str,
)
def test_label_that_is_no_text_is_named(labels: dict[Any, Any], message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        service_from({"metadata": {"name": "web", "labels": labels}})

    assert str(caught.value) == f"Service default/web: {message}, in quotes if {_what(message)} like something else"


def _what(message: str) -> str:
    return "they look" if message.endswith("names") else "it looks"


def test_label_without_a_value_has_an_empty_one() -> None:
    assert service_from({"metadata": {"name": "web", "labels": {"a": None}}}).labels == (("a", ""),)


@pytest.mark.parametrize("text", ["It is odd", "It is odd - at `$.spec.nowhere`", "Expected `tensor`, got `str`"])
def test_what_the_library_may_say_one_day_is_told_as_it_is(text: str) -> None:
    told = _explained("Service default/web", {"spec": {}}, msgspec.ValidationError(text))

    assert str(told) == f"Service default/web: {text}"


@pytest.mark.parametrize("text", [b'{"metadata":{"name":"\xff"}}', b'{"metadata":7,"x":"\xff"}', b"{", b""], ids=repr)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    for reader in (service_from, json_value):
        with pytest.raises(ManifestError):
            reader(msgspec.Raw(text))


def test_what_is_not_read_is_not_looked_at() -> None:
    spec = {"sessionAffinity": 7, "ports": [{"port": 80, "appProtocol": []}]}
    obj = {"metadata": {"name": "web", "managedFields": "x", "annotations": {"other": 1}}, "spec": spec}

    assert read("Service", raw(obj), ServiceObject) == read("Service", {**obj, "future": {}}, ServiceObject)
    assert (
        service_from(raw(obj)).ports
        == service_from({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}).ports
    )
