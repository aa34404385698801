"""The YAML layer: places, one document, bounded depth, errors that repeat nothing of the text."""

from __future__ import annotations

import pytest
import yaml

from metalpy.config import document
from metalpy.config.document import Alias, List, Mapping, Scalar, compose, compose_all
from metalpy.errors import ConfigError, Problem


def _refusal(text: str) -> Problem:
    with pytest.raises(ConfigError) as refused:
        compose(text)
    (problem,) = refused.value.problems
    return problem


def test_nodes_know_line_and_column_from_one() -> None:
    root = compose("a: b\nlist:\n- x\n- {k: 'v'}\n").root

    assert isinstance(root, Mapping)
    (_, first), (_, second) = root.pairs
    assert (first.line, first.column) == (1, 4)
    assert isinstance(second, List)
    assert [(item.line, item.column) for item in second.items] == [(3, 3), (4, 3)]


def test_quotes_and_tags_are_kept_beside_the_text() -> None:
    root = compose("[5, '5', !!str 5]").root

    assert isinstance(root, List)
    scalars = [item for item in root.items if isinstance(item, Scalar)]
    assert [(s.text, s.plain, s.tag) for s in scalars] == [
        ("5", True, ""),
        ("5", False, ""),
        ("5", False, "tag:yaml.org,2002:str"),
    ]


@pytest.mark.parametrize("text", ["", "# nothing", "\ufeff", "\n\n", "---\n...\n"])
def test_a_text_without_content_has_no_content(text: str) -> None:
    root = compose(text).root

    assert root is None or (isinstance(root, Scalar) and root.text == "")


@pytest.mark.parametrize(
    ("text", "unread_line"),
    [
        ("a: b\n---\nc: d\n", 3),
        ("a: b\n...\n\nc: d\n", 4),
        ("a: b\n--- c\n", 2),
        ("a: b\n---\n# only a comment\n", 0),
        ("---\na: b\n...\n", 0),
        ("a: b\n---\nnonsense: [", 3),
    ],
)
def test_only_the_first_document_is_read(text: str, unread_line: int) -> None:
    read = compose(text)

    assert isinstance(read.root, Mapping)
    assert unread_line == read.unread_line
    assert len(read.root.pairs) == 1


def test_all_documents_are_read_one_by_one() -> None:
    assert [isinstance(d.root, Mapping) for d in compose_all("a: b\n---\n- c\n---\nd: e\n")] == [True, False, True]


def test_an_anchor_may_be_defined_again_and_the_latest_counts() -> None:
    root = compose("[&x a, &x b, *x, *y]").root

    assert isinstance(root, List)
    known, unknown = root.items[2:]
    assert isinstance(known, Alias)
    assert isinstance(known.target, Scalar)
    assert known.target.text == "b"
    assert isinstance(unknown, Alias)
    assert unknown.target is None


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_endless_nesting_is_refused_at_once(opening: str) -> None:
    assert "levels deep" in _refusal(opening * 20_000).text


@pytest.mark.parametrize(
    ("text", "line", "column", "phrase"),
    [
        ("a: b\n\tc: d", 2, 1, "a tab cannot indent"),
        ("a: @b", 1, 4, "quote values that start with @"),
        ("a: 'b", 1, 6, "closing quote"),
        ("a: b: c", 1, 5, "quote a value that contains"),
        ("ok: 1\na: \x01b", 2, 4, "U+0001"),
        ("a: \ud800", 1, 4, "U+D800"),
        ("a: !x!y z", 1, 4, "quote a value that starts with !"),
    ],
)
def test_what_is_no_yaml_is_refused_with_place_and_remedy(text: str, line: int, column: int, phrase: str) -> None:
    problem = _refusal(text)

    assert (line, column) == (problem.line, problem.column)
    assert phrase in problem.text


@pytest.mark.parametrize("loader", [document._LOADER, yaml.BaseLoader])
@pytest.mark.parametrize(
    "slip", ["'s3cret", '"s3cret', "!s3cret!x", "[s3cret", "s3cret: x: y", '"\\UFFFFFFFF s3cret"', "@s3cret"]
)
def test_a_syntax_error_never_quotes_a_password(slip: str, loader: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "_LOADER", loader)

    with pytest.raises(ConfigError) as refused:
        compose(f"peers:\n- password: {slip}\n  my-asn: 1")

    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("{a: 1, b: 2}", ["a", "b"]),
        ("{'a': 1}", ["a"]),
        ("{}", []),
        ("{a: 1, a: 2}", None),
        ("{a: 1, c: 2}", None),
        ("{!!str a: 1}", None),
        ("[{&k a: 1}, {*k : 2}]", None),
        ("[&m {a: 1}, {<<: *m}]", None),
    ],
)
def test_values_are_given_by_key_where_nothing_is_odd_about_the_keys(text: str, known: list[str] | None) -> None:
    root = compose(text).root
    last = root.items[-1] if isinstance(root, List) else root
    assert isinstance(last, Mapping)

    values = last.known_values(("a", "b"))

    assert known == (None if values is None else list(values))
