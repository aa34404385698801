from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from configmaptocrs.cli import run
from configmaptocrs.failure import ConversionError
from configmaptocrs.flags import UsageError, parse
from configmaptocrs.names import object_names, official_name
from configmaptocrs.source import path_in

if TYPE_CHECKING:
    from pathlib import Path


KUBECONFIG = """
clusters: [{name: nowhere, cluster: {server: 'http://127.0.0.1:1'}}]
users: [{name: nobody, user: {token: t}}]
contexts: [{name: here, context: {cluster: nowhere, user: nobody}}]
current-context: here
"""
"""Nothing listens there."""


@pytest.mark.parametrize("words", [["-source", "x"], ["--source=x"], ["-source=y", "--source", "x"]])
def test_one_dash_is_as_good_as_two_and_the_last_counts(words: list[str]) -> None:
    assert parse(words)["source"] == "x"


@pytest.mark.parametrize(("word", "truth"), [("-stdout", True), ("-stdout=F", False), ("--stdout=1", True)])
def test_truths_take_their_value_behind_an_equals_sign(word: str, truth: bool) -> None:
    assert parse([word]).has("stdout") is truth


def test_the_first_word_that_is_no_flag_ends_them() -> None:
    options = parse(["-only-data", "true", "-source", "x"])
    assert options["source"] == "./config.yaml"
    assert options.rest == ("true", "-source", "x")


@pytest.mark.parametrize("words", [["-no-such"], ["-stdout=maybe"], ["-source"], ["---source"], ["-compat", "odd"]])
def test_a_wrong_flag_is_told_with_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError):
        parse(words)
    assert run(words) == 2
    assert "Usage of configmaptocrs" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["-h"], ["--help"]])
def test_help_is_no_failure(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 0
    assert "-only-data" in capsys.readouterr().err


def test_words_that_would_be_lost_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-only-data", "true", "-source", "x"]) == 2
    assert "write -flag=value" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["-apply", "-verify"],
        ["-apply", "-stdout"],
        ["-from-cluster", "-only-data"],
        ["-verify", "-from-cluster", "-held", "-crs", "x"],
        ["-held", "-verify"],
        ["-yes"],
        ["-config", "x"],
        ["-kubeconfig", "x"],
        ["-compat", "official", "-from-cluster"],
    ],
)
def test_flags_of_which_one_would_mean_nothing_are_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert "together" in capsys.readouterr().err


def test_a_cluster_that_cannot_be_reached_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    assert run(["-from-cluster", "-kubeconfig", str(kubeconfig)]) == 1
    assert "kubeconfig" in capsys.readouterr().err
    kubeconfig.write_text(KUBECONFIG, encoding="utf-8")
    assert run(["-from-cluster", "-kubeconfig", str(kubeconfig)]) == 1
    assert "/configmaps: ClientConnector" in capsys.readouterr().err


def test_no_name_leads_out_of_the_directory(tmp_path: Path) -> None:
    sibling = tmp_path / "input2"
    directory = tmp_path / "input"
    sibling.mkdir()
    directory.mkdir()
    (directory / "link").symlink_to(sibling)
    for name in ("../input2/x", "link/x"):
        with pytest.raises(ConversionError):
            path_in(str(directory), name)
    assert path_in(str(directory), "/abs/x") == directory / "abs" / "x"
    assert path_in(str(directory), str(directory / "x")) == directory / "x"


@pytest.mark.parametrize(
    ("name", "official"),
    [("lan", "lan"), ("Prod_Web", "prod-web"), ("7-edge", "edge"), ("42", None), ("a", "a"), ("x-", "x-")],
)
def test_official_names(name: str, official: str | None) -> None:
    assert official_name(name) == official


def test_names_are_cut_by_bytes_before_the_front_goes() -> None:
    assert official_name("7" * 60 + "abcdef") == "abc"


def test_names_that_would_be_alike_stay_apart() -> None:
    names = ("A_b", "a-b", "a.b", "ä", "ö", "日本")
    chosen = object_names(names, keep=False)
    assert len(set(chosen.values())) == len(names)
    assert chosen["a-b"] == "a-b"
