"""Objects that show state are MetalLB's, field by field."""

from __future__ import annotations

from typing import Any

import pytest

from metalpy.announcement.states import Verdict
from metalpy.cluster.state_objects import FORMS, Writer, configuration_state, configuration_status
from metalpy.model import ObjectKey, Protocol

SPEAKER, CONTROLLER = Writer("node1", "speaker-x", "uid-1"), Writer()
KEY = ObjectKey("default", "nginx")
NOW, EARLIER = "2026-11-21T16:00:00Z", "2026-11-20T16:00:00Z"


@pytest.mark.parametrize(
    ("protocol", "kind", "where"),
    [
        (Protocol.LAYER2, "ServiceL2Status", {"interfaces": [{"name": "eth0"}, {"name": "eth1"}]}),
        (Protocol.BGP, "ServiceBGPStatus", {"peers": ["eth0", "eth1"]}),
    ],
)
def test_object_names_its_service_node_and_pod_and_reads_as_it_was_written(
    protocol: Protocol, kind: str, where: dict[str, Any]
) -> None:
    form = FORMS[protocol]
    made = form.new(SPEAKER, "metallb-system", KEY)
    status = form.status("node1", KEY, ("eth0", "eth1"))

    assert made["kind"] == kind
    assert made["metadata"]["labels"] == {
        "metallb.io/node": "node1",
        "metallb.io/service-name": "nginx",
        "metallb.io/service-namespace": "default",
    }
    assert status == {"node": "node1", "serviceName": "nginx", "serviceNamespace": "default", **where}
    read = form.held({**made, "metadata": {**made["metadata"], "name": "x"}, "status": status})
    assert (read.node, read.service, read.reach, read.owner) == ("node1", KEY, ("eth0", "eth1"), "uid-1")
    assert form.held({"metadata": {"name": "x"}}).reach is None


@pytest.mark.parametrize(
    ("writer", "name", "labels"),
    [
        (CONTROLLER, "controller", {"metallb.io/component-type": "controller"}),
        (SPEAKER, "speaker-node1", {"metallb.io/component-type": "speaker", "metallb.io/node-name": "node1"}),
    ],
)
def test_configuration_state_has_the_name_and_labels_of_its_daemon(
    writer: Writer, name: str, labels: dict[str, str]
) -> None:
    metadata = configuration_state(writer, "metallb-system")["metadata"]

    assert (metadata["name"], metadata["labels"]) == (name, labels)
    assert ("ownerReferences" in metadata) is bool(writer.pod_uid)


@pytest.mark.parametrize(
    ("writer", "verdict", "result", "condition"),
    [
        (CONTROLLER, Verdict(), "Unknown", None),
        (CONTROLLER, Verdict(is_valid=True), "Valid", ("poolReconcilerValid", "True", "Reconciled", "")),
        (SPEAKER, Verdict(is_valid=True), "Valid", ("configReconcilerValid", "True", "Reconciled", "")),
        (
            SPEAKER,
            Verdict(is_valid=False, message="no pool"),
            "Invalid",
            ("configReconcilerValid", "False", "ConfigurationError", "no pool"),
        ),
    ],
)
def test_verdict_is_a_condition_and_a_result(
    writer: Writer, verdict: Verdict, result: str, condition: tuple[str, ...] | None
) -> None:
    status = configuration_status(writer, verdict, {}, NOW)

    assert (status["result"], status["errorSummary"]) == (result, verdict.message)
    keys = ("type", "status", "reason", "message")
    assert [tuple(each[key] for key in keys) for each in status["conditions"]] == ([condition] if condition else [])


def test_time_of_a_condition_is_that_of_its_last_turn() -> None:
    broken = configuration_status(CONTROLLER, Verdict(is_valid=False, message="a"), {}, EARLIER)
    otherwise = configuration_status(CONTROLLER, Verdict(is_valid=False, message="b"), broken, NOW)
    mended = configuration_status(CONTROLLER, Verdict(is_valid=True), otherwise, NOW)

    times = [each["conditions"][0]["lastTransitionTime"] for each in (broken, otherwise, mended)]
    assert times == [EARLIER, EARLIER, NOW]


def test_message_fits_into_a_condition() -> None:
    status = configuration_status(CONTROLLER, Verdict(is_valid=False, message="x" * 40000), {}, NOW)

    assert len(status["conditions"][0]["message"]) == 32768
