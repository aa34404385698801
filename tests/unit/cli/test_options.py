"""The daemons' command lines, as operators and old Deployments write them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from metalpy.announcement.candidates import Rules
from metalpy.cli import _two_dashes
from metalpy.cli.options import (
    cluster_options,
    cluster_settings,
    controller_options,
    controller_settings,
    http_settings,
)
from metalpy.cli.speaker_options import speaker_options, speaker_settings
from metalpy.cluster import home
from metalpy.config.source import ConfigSource
from metalpy.daemon.settings import ApiServer, Manifests, Parting, SpeakerSettings

if TYPE_CHECKING:
    from pathlib import Path


def parsed(*words: str, **environment: str) -> dict[str, Any]:
    """Parse a command line with all options of a daemon."""
    seen: dict[str, Any] = {}

    @click.command
    @cluster_options
    @controller_options
    @speaker_options
    def command(**values: Any) -> None:
        seen.update(values)

    result = CliRunner().invoke(command, words, env=environment)
    assert result.exit_code == 0, result.output
    return seen


def test_defaults_are_the_references(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(home, "SERVICE_ACCOUNT", tmp_path / "absent")
    monkeypatch.setenv("PATH", str(tmp_path))
    values = parsed("--manifests", "m", "--node-name", "n")

    assert cluster_settings(values).namespace == "metallb-system"
    assert cluster_settings(values).config_name is None
    assert (http_settings(values).host, http_settings(values).port) == ("", 7472)
    assert speaker_settings(values) == SpeakerSettings("n")


def test_speaker_is_told_how_to_treat_the_lan() -> None:
    words = ("--exclude-interface=^docker.*", "--exclude-interface", "^lo$", "--garp-interval=30")
    settings = speaker_settings(parsed("--node-name=n", *words, "--probe-before-announce"))

    assert [each.pattern for each in settings.excluded_interfaces] == ["^docker.*", "^lo$"]
    assert (settings.garp_interval_s, settings.probe_before_announce) == (30, True)


def test_what_metallbs_speaker_needs_for_its_membership_changes_nothing() -> None:
    words = ("--ml-bindaddr=192.0.2.1", "--ml-bindport=7946", "--ml-labels=app=metallb", "--ml-secret-key=x")
    assert speaker_settings(parsed("--node-name=n", *words)) == speaker_settings(parsed("--node-name=n"))


def test_gobgpd_is_the_one_on_the_path_where_none_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = tmp_path / "gobgpd"
    found.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert speaker_settings(parsed("--node-name=n")).bgp.gobgpd == found
    beside = speaker_settings(parsed("--node-name=n", "--gobgp=unix:///run/gobgp/api.sock")).bgp
    assert (beside.gobgpd, beside.target) == (None, "unix:///run/gobgp/api.sock")


def test_speaker_is_told_how_its_routes_go() -> None:
    words = ("--bgp-drain=15s", "--bgp-graceful-shutdown", "--bgp-graceful-restart", "2m")
    bgp = speaker_settings(parsed("--node-name=n", *words)).bgp

    assert bgp.parting == Parting(15, graceful_shutdown=True)
    assert bgp.restart_s == 120


@pytest.mark.parametrize("words", [("--gobgp", "127.0.0.1:50051"), ("--gobgp", "unix:///a", "--gobgpd", "/bin/sh")])
def test_router_that_cannot_be_meant_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError):
        speaker_settings(parsed("--node-name=n", *words))


def test_expression_that_is_none_is_refused_with_what_is_wrong() -> None:
    result = CliRunner().invoke(click.command(speaker_options(lambda **_: None)), ["--exclude-interface", "(eth"])

    assert result.exit_code == 2
    assert "'(eth' is not a regular expression: missing )" in result.output


def test_flag_beats_variable_and_variable_beats_the_pods_namespace(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "namespace").write_text("pods\n")
    monkeypatch.setattr(home, "SERVICE_ACCOUNT", tmp_path)
    words = ("--manifests", "m", "--node-name", "n")

    assert cluster_settings(parsed(*words)).namespace == "pods"
    assert cluster_settings(parsed(*words, METALLB_NAMESPACE="variable")).namespace == "variable"
    flag = parsed(*words, "--namespace", "flag", METALLB_NAMESPACE="variable")
    assert cluster_settings(flag).namespace == "flag"


def test_node_name_comes_from_the_environment_too() -> None:
    values = parsed("--manifests", "m", METALLB_NODE_NAME="node7")

    assert speaker_settings(values).node == "node7"


def test_state_directory_is_the_same_for_the_same_directory_and_not_inside_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    by_path, by_detour = (
        cluster_settings(parsed("--manifests", str(path), "--node-name", "n")).home
        for path in (tmp_path / "a", tmp_path / "a" / ".." / "a")
    )

    assert isinstance(by_path, Manifests)
    assert isinstance(by_detour, Manifests)
    assert by_path.state == by_detour.state
    assert tmp_path not in by_path.state.parents


def test_kubeconfig_that_is_not_there_is_named() -> None:
    result = CliRunner().invoke(click.command(cluster_options(lambda **_: None)), ["--kubeconfig", "absent"])

    assert result.exit_code == 2
    assert "File 'absent' does not exist" in result.output


def test_without_manifests_the_cluster_is_an_api_server(tmp_path: Path) -> None:
    (tmp_path / "config").touch()
    named = parsed("--kubeconfig", str(tmp_path / "config"), "--node-name", "n", "--disable-epslices")

    assert cluster_settings(parsed("--node-name", "n")).home == ApiServer()
    assert cluster_settings(named).home == ApiServer(tmp_path / "config", slices=False)
    with pytest.raises(click.UsageError):
        cluster_settings(named | {"manifests": tmp_path})


def test_go_flags_stand_alone_or_with_a_value() -> None:
    assert controller_settings(parsed("--node-name", "n")).leadership is not None
    assert controller_settings(parsed("--node-name", "n", "--leader-elect")).leadership is not None
    assert controller_settings(parsed("--node-name", "n", "--leader-elect=false")).leadership is None


def test_pod_goes_on_leading_under_its_name_after_a_restart() -> None:
    named = controller_settings(parsed("--node-name", "n", POD_NAME="controller-7")).leadership
    one, other = (controller_settings(parsed("--node-name", "n")).leadership for _ in range(2))

    assert named is not None
    assert named.identity == "controller-7"
    assert one != other


def test_leader_election_times_are_durations() -> None:
    words = ("--leader-elect-lease-duration=1m", "--leader-elect-renew-deadline", "20s")
    lease = controller_settings(parsed("--node-name", "n", *words)).leadership

    assert lease is not None
    assert (lease.duration_s, lease.renew_deadline_s, lease.retry_period_s) == (60, 20, 2)


@pytest.mark.parametrize(
    ("written", "read"),
    [("-port=7472", "--port=7472"), ("--port=7472", "--port=7472"), ("-h", "-h"), ("-", "-"), ("file", "file")],
)
def test_one_dash_is_as_good_as_two(written: str, read: str) -> None:
    assert _two_dashes(written) == read


def test_help_imports_no_daemon() -> None:
    program = "import sys; from metalpy.cli import group; print('aiohttp' in sys.modules, 'scapy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "False False\n"


def test_daemons_on_manifests_import_no_kubernetes_client() -> None:
    program = "import sys, metalpy.cli.run; print('kubernetes' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


def test_layer_2_rules_are_off_unless_asked_for() -> None:
    plain = parsed("--manifests", "m", "--node-name", "n")
    chosen = parsed("--manifests", "m", "--node-name", "n", "--layer2-spread", "--layer2-subnet-aware=true")

    assert speaker_settings(plain).layer2 == Rules()
    assert speaker_settings(chosen).layer2 == Rules(spread=True, subnet_aware=True)


@pytest.mark.parametrize(
    ("words", "source"),
    [
        ((), ConfigSource.CONFIGMAP),
        (("--config-source=configmap",), ConfigSource.CONFIGMAP),
        (("--config-source", "crs"), ConfigSource.CRS),
        (("--config-source=auto",), ConfigSource.AUTO),
    ],
)
def test_configuration_is_the_configmap_unless_something_else_is_asked_for(
    words: tuple[str, ...], source: ConfigSource
) -> None:
    assert cluster_settings(parsed("--manifests", "m", "--node-name", "n", *words)).source is source
