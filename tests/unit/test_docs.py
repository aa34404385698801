"""What the documents name is what there is: flags, variables, metrics, Events, files and places in other documents."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from prometheus_client import CollectorRegistry

from configmaptocrs.flags import FLAGS
from metalpy.cli.controller import controller
from metalpy.cli.run import run
from metalpy.cli.speaker import speaker
from metalpy.observe import metrics

TOP = Path(__file__).parents[2]
DOCUMENTS = sorted([*TOP.glob("*.md"), *TOP.glob("docs/*.md")])
FOLDERS = "metalpy|configmaptocrs|docs|deploy|tests"
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(TOP)))


def _table(document: str, heading: str, column: int = 0) -> str:
    """Read one column of the table that begins with `heading`."""
    lines = (TOP / document).read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows: list[str] = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(re.split(r"(?<!\\)\|", line)[column + 1])
    return "\n".join(rows)


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^    .*$", "", text, flags=re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", document.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target.read_text(encoding="utf-8")), link


@each_document
def test_files_that_are_named_exist(document: Path) -> None:
    for named in re.findall(rf"(?<![\w./-])(?:{FOLDERS})/[\w./-]*\w", document.read_text(encoding="utf-8")):
        assert (TOP / named).exists(), named


def test_flags_of_the_daemons_are_those_that_there_are() -> None:
    options = [each for each in run.params if isinstance(each, click.Option)]

    assert set(re.findall(r"--[a-z0-9-]+", _table("docs/flags.md", "flag"))) == {each.opts[0] for each in options}
    variables = {each.envvar for each in options if isinstance(each.envvar, str)}
    assert set(re.findall(r"`([A-Z_]+)`", _table("docs/flags.md", "flag", 1))) == variables


@pytest.mark.parametrize(
    ("command", "other"), [(controller, "speaker"), (speaker, "controller")], ids=["controller", "speaker"]
)
def test_flags_of_one_daemon_alone_are_marked_as_such(command: click.Command, other: str) -> None:
    known = {option for each in command.params for option in each.opts}

    for row in _table("docs/flags.md", "flag").splitlines():
        belongs = not row.strip().startswith(f"{other}:")
        assert {flag in known for flag in re.findall(r"--[a-z0-9-]+", row)} == {belongs}, row


def test_every_option_of_the_daemons_says_what_it_is_for() -> None:
    assert [each.opts[0] for each in run.params if isinstance(each, click.Option) and not each.help] == []


def test_flags_of_the_converter_are_those_that_there_are() -> None:
    known = {flag.name for flag in FLAGS}
    text = _table("docs/migration.md", "flag") + _table("docs/migration.md", "flag", 1)

    assert set(re.findall(r"`-([a-z-]+)", text)) == known


def test_metrics_are_those_that_there_are() -> None:
    registry = CollectorRegistry()
    metrics.ClientMetrics(registry)
    metrics.ApiMetrics(registry)
    metrics.AllocatorMetrics(registry)
    metrics.StatusMetrics(registry)
    metrics.FailoverMetrics(registry)
    metrics.Layer2Metrics(registry)
    metrics.BGPMetrics(registry)
    metrics.SpeakerMetrics(registry, "node1")
    page = metrics.exposition(registry).decode()
    written = re.findall(r"`(metal[a-z0-9_]+)", _table("docs/monitoring.md", "metric"))

    assert sorted(written) == sorted(re.findall(r"^# TYPE (\S+) ", page, re.MULTILINE))


def test_reasons_of_events_are_those_of_the_program() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (TOP / "metalpy").rglob("*.py"))
    reasons = re.findall(r"`([A-Za-z]+)`", _table("docs/monitoring.md", "reason"))
    reasons += re.findall(r"`([A-Za-z]+)`", _table("docs/bgp.md", "reason"))

    assert reasons
    assert [reason for reason in reasons if f'"{reason}"' not in source] == []


def test_findings_of_the_converter_are_those_of_the_program() -> None:
    sources = [*(TOP / "configmaptocrs").rglob("*.py"), TOP / "metalpy" / "announcement" / "equivalence.py"]
    source = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    codes = re.findall(r"`([DAUW]-[A-Z0-9]+)`", (TOP / "docs" / "migration.md").read_text(encoding="utf-8"))

    assert codes
    assert [code for code in codes if f'"{code}"' not in source] == []
