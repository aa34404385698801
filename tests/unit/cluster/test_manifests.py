from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from metalpy.cluster.interface import ConfigChanged, ServiceChanged, Synced
from metalpy.cluster.manifests import ManifestCluster
from metalpy.model import Endpoint, ObjectKey
from tests.unit.cluster.dumps import (
    ENDPOINTS,
    NAMESPACE,
    NODE,
    SERVICE_DUMP,
    SLICE_DUMP,
    config_map,
    endpoint_slice,
    list_of,
    service,
)
from tests.unit.cluster.streams import Logs, Stream, lines

if TYPE_CHECKING:
    from pathlib import Path

WEB = ObjectKey("default", "web")
CONFIG = ObjectKey(NAMESPACE, "config")


async def test_everything_is_reported_before_synced(directory: Path, cluster: ManifestCluster) -> None:
    (directory / "deep" / "er").mkdir(parents=True)
    (directory / "deep" / "er" / "dump.yml").write_text(list_of(SERVICE_DUMP, SLICE_DUMP))
    (directory / "nodes.yaml").write_text(NODE.format(ready="True"))
    (directory / "config.json").write_text(
        '{"apiVersion":"v1","kind":"ConfigMap","data":{"config":"x"},'
        '"metadata":{"name":"config","namespace":"metallb-system","uid":"u1"}}'
    )

    async with Stream(cluster) as stream:
        await stream.synced()

        assert isinstance(stream.seen[-1], Synced)
        assert list(stream.services) == list(stream.endpoints) == [ObjectKey("shop", "nginx")]
        assert list(stream.nodes) == ["node1"]
        assert stream.config == ConfigChanged(CONFIG, {"config": "x"}, "u1")


async def test_empty_directory_is_synced_with_nothing(cluster: ManifestCluster) -> None:
    async with Stream(cluster) as stream:
        await stream.synced()

        assert stream.seen == [Synced()]


async def test_hidden_files_and_other_files_are_skipped(directory: Path, cluster: ManifestCluster, logs: Logs) -> None:
    (directory / ".git").mkdir()
    for name in (".git/a.yaml", ".b.yaml", "c.yaml~", "d.txt", "e.yaml.swp"):
        (directory / name).write_text(service())

    async with Stream(cluster) as stream:
        await stream.synced()

        assert stream.seen == [Synced()]
        assert not logs


async def test_state_directory_inside_is_not_read_as_manifests(directory: Path, logs: Logs) -> None:
    (directory / "state" / "status" / "default").mkdir(parents=True)
    (directory / "state" / "status" / "default" / "web.json").write_text('{"loadBalancer":{}}')
    cluster = ManifestCluster(directory, directory / "state", namespace=NAMESPACE)

    async with Stream(cluster) as stream:
        await stream.synced()

        assert not logs


async def test_every_call_of_changes_starts_with_the_present_state(directory: Path, cluster: ManifestCluster) -> None:
    (directory / "a.yaml").write_text(service())

    async with Stream(cluster) as first, Stream(cluster) as second:
        await first.synced()
        await second.synced()

        assert first.services == second.services


async def test_links_that_lead_round_in_a_circle_end(directory: Path, cluster: ManifestCluster) -> None:
    (directory / "a").mkdir()
    (directory / "a" / "round").symlink_to(directory)
    (directory / "a" / "web.yaml").write_text(service())

    async with Stream(cluster) as stream:
        await stream.synced()

        assert list(stream.services) == [WEB]


# --- the ConfigMap ---


async def test_fallback_config_map_counts_while_there_is_no_usual_one(
    directory: Path, cluster: ManifestCluster
) -> None:
    (directory / "fallback.yaml").write_text(config_map("old", name="metallb-config"))

    async with Stream(cluster) as stream:
        await stream.synced()
        assert stream.config is not None
        assert isinstance(stream.config, ConfigChanged)
        assert stream.config.key.name == "metallb-config"

        (directory / "config.yaml").write_text(config_map("new"))
        await stream.until(lambda: stream.config == ConfigChanged(CONFIG, {"config": "new\n"}))


async def test_no_fallback_is_taken_when_a_name_was_asked_for(directory: Path, state: Path) -> None:
    (directory / "fallback.yaml").write_text(config_map(name="metallb-config"))
    cluster = ManifestCluster(directory, state, namespace=NAMESPACE, config_name="config")

    async with Stream(cluster) as stream:
        await stream.synced()

        assert stream.config is None


async def test_deleted_config_map_is_reported_without_data(directory: Path, cluster: ManifestCluster) -> None:
    (directory / "config.yaml").write_text(config_map())

    async with Stream(cluster) as stream:
        await stream.synced()
        (directory / "config.yaml").unlink()
        await stream.until(lambda: stream.config == ConfigChanged(CONFIG, None))


async def test_config_map_that_is_not_text_keeps_the_last_one(
    directory: Path, cluster: ManifestCluster, logs: Logs
) -> None:
    (directory / "config.yaml").write_text(config_map("good"))

    async with Stream(cluster) as stream:
        await stream.synced()
        good = stream.config
        (directory / "config.yaml").write_text(config_map().replace("config: |", "config:"))
        await stream.until(lambda: lines(logs, "manifestUnreadable"))

        assert stream.config == good
        assert lines(logs, "manifestUnreadable")[0]["error"] == (
            'ConfigMap metallb-system/config: data.config: {"address-pools": []}: '
            "must be a text, in quotes if it looks like something else"
        )


# --- endpoints ---


async def test_slices_of_a_service_are_merged_and_a_deleted_one_is_missed(
    directory: Path, cluster: ManifestCluster
) -> None:
    (directory / "a.yaml").write_text(endpoint_slice("web-a", "10.244.0.1"))
    (directory / "b.yaml").write_text(endpoint_slice("web-b", "10.244.0.2"))

    async with Stream(cluster) as stream:
        await stream.synced()
        assert [each.address for each in stream.endpoints[WEB]] == ["10.244.0.1", "10.244.0.2"]

        (directory / "a.yaml").unlink()
        await stream.until(lambda: stream.endpoints[WEB] == (Endpoint("10.244.0.2", node="node1"),))

        (directory / "b.yaml").unlink()
        await stream.until(lambda: WEB not in stream.endpoints)


async def test_endpoints_object_counts_only_without_slices(directory: Path, cluster: ManifestCluster) -> None:
    (directory / "endpoints.yaml").write_text(ENDPOINTS)
    (directory / "slice.yaml").write_text(endpoint_slice("web-a", "10.244.0.1"))

    async with Stream(cluster) as stream:
        await stream.synced()
        assert [each.address for each in stream.endpoints[WEB]] == ["10.244.0.1"]

        (directory / "slice.yaml").unlink()
        await stream.until(lambda: len(stream.endpoints[WEB]) == 2)


# --- duplicates ---


async def test_first_of_two_objects_counts_and_both_places_are_named_once(
    directory: Path, cluster: ManifestCluster, logs: Logs
) -> None:
    (directory / "b.yaml").write_text(f"# two\n{service(port=2)}")
    (directory / "a.yaml").write_text(service(port=1))

    async with Stream(cluster) as stream:
        await stream.synced()
        assert stream.services[WEB].ports[0].port == 1

        (directory / "c.yaml").write_text(service("other"))
        await stream.until(lambda: len(stream.services) == 2)
        (warning,) = lines(logs, "manifestDuplicate")
        assert (warning["file"], warning["ignored"], warning["object"]) == (
            f"{directory}/a.yaml:1",
            f"{directory}/b.yaml:2",
            "Service default/web",
        )

        (directory / "a.yaml").unlink()
        await stream.until(lambda: stream.services[WEB].ports[0].port == 2)


async def test_renamed_file_is_no_duplicate_and_changes_nothing(
    directory: Path, cluster: ManifestCluster, logs: Logs
) -> None:
    (directory / "b.yaml").write_text(service())

    async with Stream(cluster) as stream:
        await stream.synced()
        (directory / "b.yaml").rename(directory / "a.yaml")
        (directory / "z.yaml").write_text(service("marker"))
        await stream.until(lambda: len(stream.services) == 2)
        (directory / "z.yaml").unlink()
        await stream.until(lambda: len(stream.services) == 1)

        assert not logs
        assert [change.key.name for change in stream.seen if isinstance(change, ServiceChanged)] == [
            "web",
            "marker",
            "marker",
        ]


# --- size ---


@pytest.mark.parametrize("is_one_file", [True, False], ids=["one-file", "many-files"])
async def test_two_thousand_services_load_in_seconds(
    directory: Path, cluster: ManifestCluster, is_one_file: bool
) -> None:
    texts = [service(f"web-{number}") for number in range(2000)]
    if is_one_file:
        (directory / "all.yaml").write_text(list_of(*texts))
    else:
        for number, text in enumerate(texts):
            (directory / f"{number}.yaml").write_text(text)

    before_s = time.process_time()
    async with Stream(cluster) as stream:
        await stream.synced()

        assert len(stream.services) == 2000
        assert time.process_time() - before_s < 10


async def test_too_large_file_is_refused(directory: Path, cluster: ManifestCluster, logs: Logs) -> None:
    path = directory / "large.yaml"
    path.touch()
    os.truncate(path, 64 * 1024**2 + 1)

    async with Stream(cluster) as stream:
        await stream.synced()

        assert [line["error"] for line in logs] == [f"{path}: is larger than 64 MiB"]
