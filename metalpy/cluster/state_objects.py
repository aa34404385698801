"""Objects in which daemons show their state, between JSON and the values of announcement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metalpy.announcement.states import Held
from metalpy.model import ObjectKey, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metalpy.announcement.states import Reach, Verdict

Json = dict[str, Any]

GROUP_VERSION = "metallb.io/v1beta1"
NODE_LABEL = "metallb.io/node"
SERVICE_LABEL = "metallb.io/service-name"
NAMESPACE_LABEL = "metallb.io/service-namespace"
_COMPONENT_LABEL = "metallb.io/component-type"
_NODE_NAME_LABEL = "metallb.io/node-name"
_LONGEST_MESSAGE = 32768
"""Of a condition (`metav1.Condition`)."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Whose state it is: a speaker's on a node, or, where `node` is empty, a controller's. `pod` is its own Pod."""

    node: str = ""
    pod_name: str = ""
    pod_uid: str = ""

    @property
    def component(self) -> str:
        """What it is."""
        return "speaker" if self.node else "controller"

    @property
    def state_name(self) -> str:
        """The name of its ConfigurationState."""
        return f"speaker-{self.node}" if self.node else "controller"

    def metadata(self, labels: Json) -> Json:
        """Begin the metadata of an object that goes when the Pod goes."""
        if not (self.pod_name and self.pod_uid):
            return {"labels": labels}
        pod = {"apiVersion": "v1", "kind": "Pod", "name": self.pod_name, "uid": self.pod_uid}
        return {"labels": labels, "ownerReferences": [pod]}


@dataclass(frozen=True, slots=True)
class Form:
    """The kind of objects that say where a Service is announced by one protocol."""

    kind: str
    plural: str
    prefix: str
    is_for_one_node: bool
    """Whether one node alone announces a Service."""

    def status(self, node: str, service: ObjectKey, reach: Reach) -> Json:
        """Write the status."""
        where: Json = {"peers": list(reach)}
        if self.is_for_one_node:
            where = {"interfaces": [{"name": name} for name in reach]}
        return {"node": node, "serviceName": service.name, "serviceNamespace": service.namespace, **where}

    def _reach(self, status: Json) -> Reach | None:
        if not status:
            return None
        if self.is_for_one_node:
            return tuple(each.get("name", "") for each in status.get("interfaces") or ())
        return tuple(status.get("peers") or ())

    def new(self, writer: Writer, namespace: str, service: ObjectKey) -> Json:
        """Write an object that does not say anything yet: its status is written apart."""
        labels = {NODE_LABEL: writer.node, SERVICE_LABEL: service.name, NAMESPACE_LABEL: service.namespace}
        metadata = {"generateName": self.prefix, "namespace": namespace, **writer.metadata(labels)}
        return {"apiVersion": GROUP_VERSION, "kind": self.kind, "metadata": metadata}

    def held(self, obj: Json) -> Held:
        """Read an object."""
        metadata = obj["metadata"]
        labels = metadata.get("labels") or {}
        service = ObjectKey(labels.get(NAMESPACE_LABEL, ""), labels.get(SERVICE_LABEL, ""))
        return Held(
            metadata["name"], labels.get(NODE_LABEL, ""), service, self._reach(obj.get("status") or {}), owner_of(obj)
        )


FORMS = {
    Protocol.LAYER2: Form("ServiceL2Status", "servicel2statuses", "l2-", is_for_one_node=True),
    Protocol.BGP: Form("ServiceBGPStatus", "servicebgpstatuses", "bgp-", is_for_one_node=False),
}
STATES = "configurationstates"


def owner_of(obj: Json) -> str:
    """Give the UID of the Pod that an object goes with; empty for none."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((each.get("uid", "") for each in owners if each.get("kind") == "Pod"), "")


def configuration_state(writer: Writer, namespace: str) -> Json:
    """Write a daemon's ConfigurationState without its status."""
    labels = {_COMPONENT_LABEL: writer.component} | ({_NODE_NAME_LABEL: writer.node} if writer.node else {})
    metadata = {"name": writer.state_name, "namespace": namespace, **writer.metadata(labels)}
    return {"apiVersion": GROUP_VERSION, "kind": "ConfigurationState", "metadata": metadata}


def configuration_status(writer: Writer, verdict: Verdict, present: Mapping[str, Any], now: str) -> Json:
    """Write what a daemon says of its configuration; where it says what it said, the time of `present` stays.

    `now` is RFC 3339. Without a verdict there is no condition, and nothing is known.
    """
    if verdict.is_valid is None:
        return {"result": "Unknown", "errorSummary": "", "conditions": []}
    message = verdict.message[:_LONGEST_MESSAGE]
    condition = {
        "type": "configReconcilerValid" if writer.node else "poolReconcilerValid",
        "status": "True" if verdict.is_valid else "False",
        "reason": "Reconciled" if verdict.is_valid else "ConfigurationError",
        "message": message,
        "lastTransitionTime": now,
    }
    for each in present.get("conditions") or ():
        if (each.get("type"), each.get("status")) == (condition["type"], condition["status"]):
            condition["lastTransitionTime"] = each.get("lastTransitionTime", now)
    result = "Valid" if verdict.is_valid else "Invalid"
    return {"result": result, "errorSummary": message, "conditions": [condition]}
