"""Nodes of JSON values, and the objects in a document."""

from __future__ import annotations

from typing import Any

import pytest

from metalpy.config.document import List, Mapping, Scalar, compose
from metalpy.config.nodes import document_of, objects_within, text_of, value_of
from metalpy.errors import ConfigError


def plain(node: Any) -> Any:
    """Write a node as Python values, scalars as their texts and whether they are to be taken for texts."""
    if isinstance(node, Mapping):
        return {plain(key)[0]: plain(value) for key, value in node.pairs}
    if isinstance(node, List):
        return [plain(item) for item in node.items]
    assert isinstance(node, Scalar)
    return node.text, not node.plain


def test_a_json_value_is_the_document_that_it_would_have_been_read_from() -> None:
    document = document_of({"a": ["1", 1, 1.5, True, None, {}], "b": {"c": "d"}})

    expected = {
        "a": [("1", True), ("1", False), ("1.5", False), ("true", False), ("null", False), {}],
        "b": {"c": ("d", True)},
    }
    assert plain(document.root) == expected
    assert plain(document.root) == expected, "as often as it is looked at"
    assert document.node_count == 13
    assert text_of(value_of(value_of(document.root, "b"), "c")) == "d"
    assert value_of(document.root, "absent") is None


def test_what_json_does_not_know_is_refused_at_once() -> None:
    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]
    with pytest.raises(ConfigError, match="nested more than"):
        document_of(deep)
    with pytest.raises(ConfigError, match="holds a set"):
        document_of({"a": [{"b": {1}}]})


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("kind: ConfigMap", ["ConfigMap"]),
        ("kind: List\nitems: [{kind: ConfigMap}, {kind: Secret}, 7]", ["ConfigMap", "Secret"]),
        ("kind: ConfigMapList\nitems: [{}, {kind: ConfigMap}]", ["ConfigMap", "ConfigMap"]),
        ("a: &one {kind: Secret}\nkind: List\nitems: [*one]", ["Secret"]),
        ("kind: Odd\nitems: [{kind: ConfigMap}]", ["Odd"]),
        ("[]", []),
    ],
)
def test_objects_in_lists_are_found(text: str, kinds: list[str]) -> None:
    assert [kind for kind, _ in objects_within(compose(text).root)] == kinds
