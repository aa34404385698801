# ruff: noqa: ASYNC240 - nothing else runs in a test's loop that a look at a file could hold up

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from metalpy.cluster import manifest_watch
from metalpy.cluster.interface import ServiceChanged
from metalpy.model import ObjectKey, ServicePort
from tests.unit.cluster.dumps import service
from tests.unit.cluster.streams import Logs, Stream, lines

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from metalpy.cluster.manifests import ManifestCluster

WEB = ObjectKey("default", "web")


def has_port(stream: Stream, port: int, key: ObjectKey = WEB) -> Callable[[], bool]:
    return lambda: key in stream.services and stream.services[key].ports == (ServicePort("TCP", port),)


def write_over(path: Path, text: str) -> None:
    """Save as editors do: a new file is renamed over the old one."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.rename(path)


async def test_change_addition_and_deletion_are_seen_well_within_a_second(
    directory: Path, cluster: ManifestCluster
) -> None:
    (directory / "web.yaml").write_text(service())

    async with Stream(cluster) as stream:
        await stream.synced()
        began_s = time.monotonic()
        (directory / "web.yaml").write_text(service(port=81))
        await stream.until(has_port(stream, 81))
        (directory / "more").mkdir()
        (directory / "more" / "b.yaml").write_text(service("b"))
        await stream.until(lambda: ObjectKey("default", "b") in stream.services)
        (directory / "web.yaml").unlink()
        await stream.until(lambda: WEB not in stream.services)

        assert time.monotonic() - began_s < 3


async def test_file_renamed_over_is_read_and_never_missed(directory: Path, cluster: ManifestCluster) -> None:
    path = directory / "web.yaml"
    path.write_text(service())

    async with Stream(cluster) as stream:
        await stream.synced()
        for port in range(81, 86):
            write_over(path, service(port=port))
            await stream.until(has_port(stream, port))

        assert ServiceChanged(WEB, None) not in stream.seen


async def test_file_moved_away_and_put_back_changes_nothing(directory: Path, cluster: ManifestCluster) -> None:
    path = directory / "web.yaml"
    path.write_text(service())

    async with Stream(cluster) as stream:
        await stream.synced()
        path.rename(directory / "web.yaml~")
        path.write_text(service(port=81))
        await stream.until(has_port(stream, 81))

        assert ServiceChanged(WEB, None) not in stream.seen


async def test_kubelet_swap_of_data_directory_is_seen(directory: Path, cluster: ManifestCluster) -> None:
    for number in (1, 2):
        (directory / f"..{number}").mkdir()
        (directory / f"..{number}" / "web.yaml").write_text(service(port=80 + number))
    (directory / "..data").symlink_to("..1")
    (directory / "web.yaml").symlink_to("..data/web.yaml")

    async with Stream(cluster) as stream:
        await stream.synced()
        assert stream.services[WEB].ports[0].port == 81

        (directory / "..data_tmp").symlink_to("..2")
        (directory / "..data_tmp").rename(directory / "..data")
        shutil.rmtree(directory / "..1")
        await stream.until(has_port(stream, 82))

        assert ServiceChanged(WEB, None) not in stream.seen


async def test_touching_a_file_reports_nothing(directory: Path, cluster: ManifestCluster) -> None:
    (directory / "web.yaml").write_text(service())

    async with Stream(cluster) as stream:
        await stream.synced()
        seen = len(stream.seen)
        (directory / "web.yaml").write_text(f"# the same\n{service()}")
        (directory / "marker.yaml").write_text(service("marker"))
        await stream.until(lambda: len(stream.services) == 2)

        assert [change.key.name for change in stream.seen[seen:] if isinstance(change, ServiceChanged)] == ["marker"]


# --- what cannot be read ---


@pytest.mark.parametrize(
    "broken",
    ["apiVersion: [\n", "", " \n", "kind: Service\nkind: Service\n", "a: 1\n---\nb: {\n"],
    ids=["syntax", "empty", "blank", "twice", "second-document"],
)
async def test_broken_file_keeps_its_objects_and_is_logged_once_until_it_is_well(
    directory: Path, cluster: ManifestCluster, logs: Logs, broken: str
) -> None:
    path = directory / "web.yaml"
    path.write_text(service())

    async with Stream(cluster) as stream:
        await stream.synced()
        write_over(path, broken)
        await stream.until(lambda: lines(logs, "manifestUnreadable"))
        (directory / "b.yaml").write_text(service("b"))
        await stream.until(lambda: len(stream.services) == 2)
        os.utime(path)
        (directory / "c.yaml").write_text(service("c"))
        await stream.until(lambda: len(stream.services) == 3)

        assert WEB in stream.services
        (line,) = lines(logs, "manifestUnreadable")
        assert line["log_level"] == "error"
        assert line["error"].startswith(f"{path}:")

        write_over(path, service(port=81))
        await stream.until(has_port(stream, 81))
        assert [line["log_level"] for line in lines(logs, "manifestReadable")] == ["info"]


async def test_file_broken_at_the_start_does_not_hold_up_the_others(
    directory: Path, cluster: ManifestCluster, logs: Logs
) -> None:
    (directory / "a.yaml").write_text("a: [\n")
    (directory / "b.yaml").write_bytes(b"a: \xff\n")
    (directory / "web.yaml").write_text(service())

    async with Stream(cluster) as stream:
        await stream.synced()

        assert list(stream.services) == [WEB]
        assert [line["error"] for line in logs] == [
            f"{directory}/a.yaml:2:1: did not find expected node content",
            f"{directory}/b.yaml:1:4: is not UTF-8 text",
        ]


async def test_dangling_link_keeps_the_objects(directory: Path, cluster: ManifestCluster, logs: Logs) -> None:
    target = directory.parent / "target.yaml"
    target.write_text(service())
    link = directory / "web.yaml"
    link.symlink_to(target)

    async with Stream(cluster) as stream:
        await stream.synced()
        target.unlink()
        (directory / "b.yaml").write_text(service("b"))
        await stream.until(lambda: lines(logs, "manifestUnreadable"))

        assert WEB in stream.services
        assert lines(logs, "manifestUnreadable")[0]["error"] == (f"{link}: cannot be read: No such file or directory")


@pytest.mark.usefixtures("ordinary_user")
async def test_file_without_permission_keeps_its_objects(directory: Path, cluster: ManifestCluster, logs: Logs) -> None:
    path = directory / "web.yaml"
    path.write_text(service())
    closed = directory / "closed"
    closed.write_text(service(port=81))
    closed.chmod(0)

    async with Stream(cluster) as stream:
        await stream.synced()
        closed.rename(path)
        await stream.until(lambda: lines(logs, "manifestUnreadable"))
        assert stream.services[WEB].ports[0].port == 80

        path.chmod(0o644)
        await stream.until(has_port(stream, 81))


async def test_pipe_named_like_a_manifest_does_not_block(directory: Path, cluster: ManifestCluster, logs: Logs) -> None:
    os.mkfifo(directory / "pipe.yaml")

    async with Stream(cluster) as stream:
        await stream.synced()

        assert [line["error"] for line in logs] == [f"{directory}/pipe.yaml: is not a regular file"]


async def test_bad_object_keeps_its_last_form_while_the_rest_of_the_file_changes(
    directory: Path, cluster: ManifestCluster, logs: Logs
) -> None:
    path = directory / "all.yaml"
    path.write_text(f"{service('a')}---\n{service('b')}")

    async with Stream(cluster) as stream:
        await stream.synced()
        a, b = ObjectKey("default", "a"), ObjectKey("default", "b")
        write_over(path, f"{service('a').replace('80', 'http')}---\n{service('b', port=81)}")
        await stream.until(has_port(stream, 81, b))

        assert stream.services[a].ports[0].port == 80
        assert [line["file"] for line in lines(logs, "manifestUnreadable")] == [f"{path}:1"]


async def test_service_that_loses_its_ports_keeps_its_last_form(
    directory: Path, cluster: ManifestCluster, logs: Logs
) -> None:
    path = directory / "web.yaml"
    path.write_text(service())

    async with Stream(cluster) as stream:
        await stream.synced()
        write_over(path, service().split("  ports:")[0])
        await stream.until(lambda: lines(logs, "manifestIgnored"))

        assert WEB in stream.services
        (line,) = lines(logs, "manifestIgnored")
        assert line["event"] == "Service default/web has no ports: an API server would refuse it"
        assert line["log_level"] == "warning"


async def test_unknown_kind_is_logged_once_however_often_the_file_changes(
    directory: Path, cluster: ManifestCluster, logs: Logs
) -> None:
    deployment = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n"
    path = directory / "web.yaml"

    async with Stream(cluster) as stream:
        for port in (80, 81, 82):
            write_over(path, service(port=port) + deployment)
            await stream.until(has_port(stream, port))

        assert [line["event"] for line in logs] == ["Deployment (apps/v1) is not read here: ignored"]


async def test_object_that_leaves_a_file_goes(directory: Path, cluster: ManifestCluster) -> None:
    path = directory / "all.yaml"
    path.write_text(f"{service('a')}---\n{service('b')}")

    async with Stream(cluster) as stream:
        await stream.synced()
        path.write_text(service("a"))
        await stream.until(lambda: [key.name for key in stream.services] == ["a"])


async def test_file_with_nothing_but_comments_left_gives_up_its_objects(
    directory: Path, cluster: ManifestCluster
) -> None:
    path = directory / "web.yaml"
    path.write_text(service())

    async with Stream(cluster) as stream:
        await stream.synced()
        path.write_text("# retired\n")
        await stream.until(lambda: not stream.services)


# --- the directory itself ---


async def test_missing_directory_is_waited_for_with_one_line(
    directory: Path, cluster: ManifestCluster, logs: Logs
) -> None:
    directory.rmdir()

    async with Stream(cluster) as stream:
        await stream.until(lambda: lines(logs, "directoryGone"))
        assert not stream.seen
        directory.mkdir()
        (directory / "web.yaml").write_text(service())
        await stream.until(lambda: WEB in stream.services)

        assert [line["event"] for line in logs] == [
            "the directory cannot be read: waiting for it",
            "the directory is back",
        ]


async def test_directory_that_goes_and_comes_back_loses_nothing(
    directory: Path, cluster: ManifestCluster, logs: Logs
) -> None:
    (directory / "web.yaml").write_text(service())

    async with Stream(cluster) as stream:
        await stream.synced()
        shutil.rmtree(directory)
        await stream.until(lambda: lines(logs, "directoryGone"))
        directory.mkdir()
        (directory / "web.yaml").write_text(service(port=81))
        await stream.until(has_port(stream, 81))
        (directory / "web.yaml").write_text(service(port=82))
        await stream.until(has_port(stream, 82))

        assert ServiceChanged(WEB, None) not in stream.seen
        assert [line["event_name"] for line in logs] == ["directoryGone", "directoryBack"]


def move_an_empty_one_there(directory: Path) -> None:
    empty = directory.with_name("empty")
    empty.mkdir()
    directory.rename(directory.with_name("away"))
    empty.rename(directory)


def make_it_anew(directory: Path) -> None:
    """File systems give the number of a directory that went to the next one."""
    shutil.rmtree(directory)
    directory.mkdir()


@pytest.mark.parametrize("replace", [move_an_empty_one_there, make_it_anew])
async def test_directory_replaced_by_an_empty_one_keeps_its_objects(
    directory: Path, cluster: ManifestCluster, logs: Logs, replace: Callable[[Path], None]
) -> None:
    (directory / "web.yaml").write_text(service())

    async with Stream(cluster) as stream:
        await stream.synced()
        replace(directory)
        await stream.until(lambda: lines(logs, "directoryGone"))
        assert WEB in stream.services

        (directory / "b.yaml").write_text(service("b"))
        await stream.until(lambda: [key.name for key in stream.services] == ["b"])


async def test_directory_made_anew_while_its_end_is_looked_at_is_watched(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest_watch, "FULL_LOOK_S", 3600.0)
    async with contextlib.aclosing(manifest_watch.watch(directory)) as changes, asyncio.timeout(10):
        for _ in range(2):
            assert await anext(changes) is None
        next_one = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)
        shutil.rmtree(directory)
        await next_one
        directory.mkdir()

        for number in itertools.count():
            (directory / f"{number}.yaml").write_text(service())
            if await anext(changes):
                break


async def test_linked_directory_is_followed_to_where_it_leads_now(directory: Path, cluster: ManifestCluster) -> None:
    for number in (1, 2):
        release = directory.with_name(f"release-{number}")
        release.mkdir()
        (release / "web.yaml").write_text(service(port=80 + number))
    directory.rmdir()
    directory.symlink_to("release-1")

    async with Stream(cluster) as stream:
        await stream.until(has_port(stream, 81))
        new = directory.with_name("new")
        new.symlink_to("release-2")
        new.rename(directory)
        await stream.until(has_port(stream, 82))


async def test_closing_the_stream_leaves_no_task_behind(cluster: ManifestCluster) -> None:
    before = asyncio.all_tasks()

    async with Stream(cluster) as stream:
        await stream.synced()

    assert asyncio.all_tasks() == before


async def test_half_written_file_gives_up_no_object(directory: Path, cluster: ManifestCluster) -> None:
    path = directory / "all.yaml"
    path.write_text(f"{service('a')}---\n{service('b')}")

    async with Stream(cluster) as stream:
        await stream.synced()
        with path.open("w") as file:
            file.write(service("a", port=81))
            file.flush()
            await asyncio.to_thread(look, cluster)
            file.write(f"---\n{service('b')}")
        await stream.until(has_port(stream, 81, ObjectKey("default", "a")))

        assert ServiceChanged(ObjectKey("default", "b"), None) not in stream.seen


def look(cluster: ManifestCluster) -> None:
    cluster._files.refresh()


async def test_refused_watch_is_logged_once_and_replaced_by_looking(
    directory: Path, cluster: ManifestCluster, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> AsyncGenerator[set[object]]:
        if directory.exists():
            raise OSError("OS file watch limit reached")
        yield set()

    monkeypatch.setattr(manifest_watch, "awatch", refuse)
    monkeypatch.setattr(manifest_watch, "RETRY_S", 0.01)

    async with Stream(cluster) as stream:
        await stream.synced()
        (directory / "web.yaml").write_text(service())
        await stream.until(has_port(stream, 80))

        refused = {line["file"]: line["error"] for line in lines(logs, "watchRefused")}
        assert refused[str(directory)] == "OS file watch limit reached"
        assert len(refused) == len(logs) == 2
