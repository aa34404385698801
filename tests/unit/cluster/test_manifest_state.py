# ruff: noqa: ASYNC240 - nothing else runs in a test's loop that a look at a file could hold up

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from metalpy.cluster.interface import ServiceChanged
from metalpy.cluster.manifest_events import WrittenEvents
from metalpy.cluster.manifest_state import WrittenStatuses
from metalpy.cluster.manifests import ManifestCluster
from metalpy.errors import ClusterError, ManifestError
from metalpy.model import Event, Ingress, ObjectKey, Service, Severity
from tests.unit.cluster.dumps import NAMESPACE, SERVICE_DUMP, service
from tests.unit.cluster.streams import Logs, Stream

if TYPE_CHECKING:
    from pathlib import Path

WEB = ObjectKey("default", "web")
NGINX = ObjectKey("shop", "nginx")
FIRST = (Ingress("10.0.0.1"),)
SECOND = (Ingress("10.0.0.2", extra='{"ipMode":"VIP"}'), Ingress(hostname="lb.example.org"))
ASSIGNED = Event("Service", WEB, Severity.NORMAL, "IPAllocated", 'Assigned IP ["10.0.0.1"]', uid="u1")


def status_file(state: Path, key: ObjectKey = WEB) -> Path:
    return state / "status" / key.namespace / f"{key.name}.json"


def events_in(state: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(state.glob("events/*/*.json"))]


# --- statuses ---


async def test_written_ingress_is_stored_and_reported(directory: Path, state: Path, cluster: ManifestCluster) -> None:
    (directory / "web.yaml").write_text(service())

    async with Stream(cluster) as stream:
        await stream.synced()
        await cluster.write_ingress(stream.services[WEB], SECOND)
        await stream.until(lambda: stream.services[WEB].ingress == SECOND)

        assert json.loads(status_file(state).read_text()) == {
            "loadBalancer": {"ingress": [{"ip": "10.0.0.2", "ipMode": "VIP"}, {"hostname": "lb.example.org"}]}
        }
        assert [path.name for path in status_file(state).parent.iterdir()] == ["web.json"]


async def test_other_processes_see_what_was_written(directory: Path, state: Path, cluster: ManifestCluster) -> None:
    (directory / "web.yaml").write_text(service())
    speaker = ManifestCluster(directory, state, namespace=NAMESPACE)

    async with Stream(speaker) as stream, Stream(cluster) as written:
        await stream.synced()
        await written.synced()
        for ingress in (FIRST, SECOND, ()):
            await cluster.write_ingress(written.services[WEB], ingress)
            await stream.until(lambda wanted=ingress: stream.services[WEB].ingress == wanted)  # type: ignore[misc]


async def test_status_outlives_the_process(directory: Path, state: Path, cluster: ManifestCluster) -> None:
    (directory / "web.yaml").write_text(service())
    await cluster.write_ingress(Service(WEB), FIRST)

    async with Stream(ManifestCluster(directory, state, namespace=NAMESPACE)) as stream:
        await stream.synced()

        assert stream.services[WEB].ingress == FIRST


async def test_status_in_the_manifest_counts_until_one_is_written(directory: Path, cluster: ManifestCluster) -> None:
    (directory / "dump.yaml").write_text(SERVICE_DUMP)

    async with Stream(cluster) as stream:
        await stream.synced()
        assert stream.services[NGINX].ingress[0].ip == "11.11.11.151"

        await cluster.write_ingress(stream.services[NGINX], ())
        await stream.until(lambda: stream.services[NGINX].ingress == ())


async def test_writing_the_same_ingress_again_reports_nothing(directory: Path, cluster: ManifestCluster) -> None:
    (directory / "web.yaml").write_text(service())

    async with Stream(cluster) as stream:
        await stream.synced()
        await cluster.write_ingress(stream.services[WEB], FIRST)
        await stream.until(lambda: stream.services[WEB].ingress == FIRST)
        await cluster.write_ingress(stream.services[WEB], FIRST)
        (directory / "marker.yaml").write_text(service("marker"))
        await stream.until(lambda: len(stream.services) == 2)

        assert len([change for change in stream.seen if isinstance(change, ServiceChanged)]) == 3


async def test_corrupt_status_is_taken_as_absent_and_logged_once(
    directory: Path, state: Path, cluster: ManifestCluster, logs: Logs
) -> None:
    (directory / "dump.yaml").write_text(SERVICE_DUMP)
    path = status_file(state, NGINX)
    path.parent.mkdir()
    path.write_text("{")

    async with Stream(cluster) as stream:
        await stream.synced()
        assert stream.services[NGINX].ingress[0].ip == "11.11.11.151"

        os.utime(path)
        (directory / "web.yaml").write_text(service())
        await stream.until(lambda: WEB in stream.services)
        assert [(line["op"], line["file"]) for line in logs] == [("readStatus", str(path))]

        path.write_text('{"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}')
        await stream.until(lambda: stream.services[NGINX].ingress == FIRST)
        assert logs[-1]["event"] == "status is readable again"


@pytest.mark.parametrize("text", ["[]", '{"loadBalancer": 1}', '{"loadBalancer":{"ingress":[{"ip":1}]}}', ""])
def test_status_of_a_wrong_shape_is_taken_as_absent(state: Path, text: str, logs: Logs) -> None:
    path = status_file(state)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    statuses = WrittenStatuses(state)

    statuses.refresh()

    assert not statuses.known
    assert [line["log_level"] for line in logs] == ["error"]


async def test_status_goes_with_the_manifest_only_where_it_is_written(
    directory: Path, state: Path, cluster: ManifestCluster
) -> None:
    (directory / "web.yaml").write_text(service())
    (directory / "other.yaml").write_text(service("other"))
    await cluster.write_ingress(Service(WEB), FIRST)

    async with Stream(ManifestCluster(directory, state, namespace=NAMESPACE)) as speaker:
        await speaker.synced()
        (directory / "web.yaml").unlink()
        await speaker.until(lambda: WEB not in speaker.services)
        assert status_file(state).exists()

    (directory / "web.yaml").write_text(service())
    async with Stream(cluster) as controller:
        await controller.synced()
        assert controller.services[WEB].ingress == FIRST
        (directory / "web.yaml").unlink()
        await controller.until(lambda: WEB not in controller.services)
        assert not status_file(state).exists()

        (directory / "web.yaml").write_text(service())
        await controller.until(lambda: WEB in controller.services)
        assert controller.services[WEB].ingress == ()


async def test_status_stays_while_the_manifest_is_only_broken(
    directory: Path, state: Path, cluster: ManifestCluster
) -> None:
    (directory / "web.yaml").write_text("kind: [\n")
    (directory / "other.yaml").write_text(service("other"))
    await cluster.write_ingress(Service(WEB), FIRST)

    async with Stream(cluster) as stream:
        await stream.synced()
        (directory / "web.yaml").write_text(service())
        await stream.until(lambda: WEB in stream.services)

        assert stream.services[WEB].ingress == FIRST
        assert status_file(state).exists()


async def test_writing_to_a_deleted_service_is_an_error(directory: Path, state: Path, cluster: ManifestCluster) -> None:
    (directory / "other.yaml").write_text(service("other"))

    async with Stream(cluster) as stream:
        await stream.synced()
        with pytest.raises(ClusterError, match="Service default/web: status not written: no manifest"):
            await cluster.write_ingress(Service(WEB), FIRST)

    assert not status_file(state).exists()


async def test_status_that_cannot_be_written_is_an_error_and_the_old_one_stands(
    state: Path, cluster: ManifestCluster
) -> None:
    (state / "status" / "default").write_text("in the way")

    with pytest.raises(ClusterError, match=r"Service default/web: status not written: .*Not a directory"):
        await cluster.write_ingress(Service(WEB), FIRST)


async def test_name_that_would_leave_the_state_directory_is_refused(cluster: ManifestCluster) -> None:
    for key in (ObjectKey("..", "x"), ObjectKey("default", "../x")):
        with pytest.raises(ManifestError):
            await cluster.write_ingress(Service(key), FIRST)
        with pytest.raises(ManifestError):
            await cluster.emit(Event("Service", key, Severity.NORMAL, "r", "m"))


async def test_state_directory_that_goes_keeps_the_statuses_and_is_made_again(
    directory: Path, state: Path, cluster: ManifestCluster, logs: Logs
) -> None:
    (directory / "web.yaml").write_text(service())

    async with Stream(cluster) as stream:
        await stream.synced()
        await cluster.write_ingress(stream.services[WEB], FIRST)
        await stream.until(lambda: stream.services[WEB].ingress == FIRST)
        state.rename(state.with_name("away"))
        await stream.until(lambda: logs)
        assert stream.services[WEB].ingress == FIRST

        await cluster.write_ingress(stream.services[WEB], SECOND)
        await stream.until(lambda: stream.services[WEB].ingress == SECOND)
        await stream.until(lambda: len(logs) == 2)
        assert [line["event_name"] for line in logs] == ["directoryGone", "directoryBack"]


def test_state_directory_is_made_with_its_parents(directory: Path, tmp_path: Path) -> None:
    ManifestCluster(directory, tmp_path / "a" / "b", namespace=NAMESPACE)

    assert (tmp_path / "a" / "b" / "status").is_dir()


def test_state_directory_that_cannot_be_made_is_an_error(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ClusterError, match=r"the state directory cannot be created: .*Not a directory"):
        ManifestCluster(directory, tmp_path / "file" / "state", namespace=NAMESPACE)


# --- events ---


async def test_event_is_a_core_v1_event(state: Path, cluster: ManifestCluster) -> None:
    await cluster.emit(ASSIGNED)

    (path,) = state.glob("events/default/Service.web.*.json")
    body = json.loads(path.read_text())
    assert body["firstTimestamp"] == body["lastTimestamp"] == body["metadata"]["creationTimestamp"]
    assert datetime.fromisoformat(body["lastTimestamp"]).tzinfo == UTC
    for name in ("firstTimestamp", "lastTimestamp", "metadata"):
        del body[name]
    assert body == {
        "apiVersion": "v1",
        "kind": "Event",
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Service",
            "namespace": "default",
            "name": "web",
            "uid": "u1",
        },
        "type": "Normal",
        "reason": "IPAllocated",
        "message": 'Assigned IP ["10.0.0.1"]',
        "source": {"component": "metallb-controller"},
        "reportingComponent": "metallb-controller",
        "count": 1,
    }


def test_equal_events_are_counted_and_others_are_not(state: Path) -> None:
    now = datetime(2022, 3, 1, 9, tzinfo=UTC)
    events = WrittenEvents(state, lambda: now)
    other = Event("Service", WEB, Severity.NORMAL, "IPAllocated", "another")

    for minutes in (0, 1, 2):
        now = datetime(2022, 3, 1, 9, minutes, tzinfo=UTC)
        events.write(ASSIGNED)
    events.write(other)

    counted = {body["message"]: body for body in events_in(state)}
    assert len(counted) == 2
    assert counted["another"]["count"] == 1
    body = counted[ASSIGNED.message]
    assert (body["count"], body["firstTimestamp"], body["lastTimestamp"]) == (
        3,
        "2022-03-01T09:00:00Z",
        "2022-03-01T09:02:00Z",
    )


def test_corrupt_event_is_counted_from_one_again(state: Path) -> None:
    events = WrittenEvents(state)
    events.write(ASSIGNED)
    (path,) = state.glob("events/*/*")
    path.write_text("{")

    events.write(ASSIGNED)

    assert events_in(state)[0]["count"] == 1


async def test_events_of_an_hour_ago_are_removed_at_the_start(state: Path, cluster: ManifestCluster) -> None:
    old = (datetime.now(UTC) - timedelta(minutes=61)).timestamp()
    await cluster.emit(ASSIGNED)
    (path,) = state.glob("events/*/*")
    leftover = path.with_name(".0.tmp")
    leftover.touch()
    for each in (path, leftover):
        os.utime(each, (old, old))
    await cluster.emit(Event("Service", WEB, Severity.WARNING, "AllocationFailed", "new"))

    async with Stream(cluster) as stream:
        await stream.synced()

    assert [body["message"] for body in events_in(state)] == ["new"]
    assert not leftover.exists()


async def test_event_of_the_longest_name_fits_into_a_file_name(state: Path, cluster: ManifestCluster) -> None:
    name = ".".join(["a" * 60] * 4)

    await cluster.emit(Event("ConfigMap", ObjectKey("default", name), Severity.WARNING, "r", "m"))

    assert events_in(state)[0]["involvedObject"]["name"] == name


async def test_event_that_cannot_be_written_is_an_error(state: Path, cluster: ManifestCluster) -> None:
    (state / "events" / "default").write_text("in the way")

    with pytest.raises(ClusterError, match="Event not written"):
        await cluster.emit(ASSIGNED)
