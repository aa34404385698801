"""The proof that custom resources mean what the legacy configuration means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from configmaptocrs.environment import environment_findings, node_findings
from configmaptocrs.findings import Finding
from configmaptocrs.limits import looks_at_shared_nodes, mode_limits
from configmaptocrs.objects import SECRET, full_name
from configmaptocrs.targets import HAS_DUAL_STACK_SESSIONS, UNITES_NATIVE_ADVERTISEMENTS, Mode, Target
from metalpy.announcement.equivalence import Side, differences
from metalpy.announcement.meaning import Carries, EqualLengths, Reading
from metalpy.config.document import compose_all
from metalpy.config.findings import Findings
from metalpy.config.nodes import text_in
from metalpy.config.references import place_of
from metalpy.config.resource_objects import PEER, objects_of
from metalpy.config.resource_peers import Surroundings
from metalpy.config.resources import parse_resource_documents, parse_resource_objects
from metalpy.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from configmaptocrs.cluster_files import KnownNode
    from configmaptocrs.convert import Conversion
    from configmaptocrs.objects import Object
    from metalpy.config.document import Document
    from metalpy.config.resource_objects import SecretPassword
    from metalpy.model import Config, Node, ObjectKey, Service


@dataclass(frozen=True, slots=True)
class Cluster:
    """What is known of the cluster; None where nothing is."""

    known_nodes: Sequence[KnownNode] | None = None
    services: Sequence[Service] | None = None
    secrets: Mapping[ObjectKey, SecretPassword] = field(default_factory=dict)

    @property
    def nodes(self) -> Sequence[Node] | None:
        """Give the nodes by what announcements depend on."""
        return None if self.known_nodes is None else [known.node for known in self.known_nodes]


def verify(conversion: Conversion, resources: str | list[Object], target: Target, cluster: Cluster) -> list[Finding]:
    """Compare the source of a conversion with custom resources, and say everything that differs.

    They are the text of a file, or JSON values as the conversion gave them.
    """
    source, mode = conversion.config, conversion.source_mode
    findings = [
        Finding("D-SRC", name, f"{reason}, which is the mode of the source", "see -source-mode")
        for name, reason in mode_limits(source, mode, keepalives=conversion.keepalives)
    ]
    nodes = cluster.nodes
    labels = None if nodes is None else [dict(node.labels) for node in nodes]
    surroundings = Surroundings(
        secrets=cluster.secrets, nodes=({},) if labels is None else labels, timers=target.timers()
    )
    documents: list[Document] = []
    try:
        if isinstance(resources, str):
            documents = list(compose_all(resources))
            result = parse_resource_documents(documents, surroundings)
        else:
            result = parse_resource_objects(resources, surroundings)
    except ConfigError as error:
        return findings + [Finding("D-LOAD", problem.describe("resources"), "is refused") for problem in error.problems]
    findings += [Finding("W-CRS", problem.describe("resources"), "is taken as it is") for problem in result.warnings]
    findings += [
        Finding("D-LOAD", name, f"{reason}: {target} refuses everything")
        for name, reason in mode_limits(
            result.config,
            target.mode,
            keepalives=_peers_with_keepalive(resources, documents),
            names=[peer.name for peer in result.config.peers],
            nodes=labels,
            shares_matter=looks_at_shared_nodes(target),
        )
    ]
    findings += [
        Finding(found.code, found.object, found.text)
        for found in differences(
            Side(source, reading_of_source(mode)),
            Side(result.config, reading_of_target(target)),
            renamed=conversion.naming.pools,
            nodes=nodes,
        )
    ]
    if not mode.is_frr and target.mode.is_frr:
        findings += _multihop_unknown(source)
    if cluster.services is None:
        findings += [finding for finding in conversion.findings if finding.code == "W-1"]
    else:
        from configmaptocrs.service_checks import service_findings  # noqa: PLC0415 - see `cli`

        findings += service_findings(source, conversion.naming.pools, cluster.services, target)
    findings += [finding for finding in conversion.findings if finding.code == "W-PW"]
    findings += node_findings(cluster.known_nodes or (), source, target)
    return findings + list(environment_findings(source, target, cluster.known_nodes, cluster.services))


def laid_over(held: Sequence[Object], objects: Sequence[Object]) -> list[Object]:
    """Give what a cluster that holds custom resources would hold with these applied."""
    return list({place_of(one): one for one in (*held, *objects)}.values())


def held_besides(objects: Iterable[Object], held: Iterable[Object]) -> list[Finding]:
    """Tell of the custom resources that a cluster holds and that these do not replace."""
    ours = set(map(place_of, objects))
    text = "is in the cluster besides, and is read together with these"
    return [
        Finding("W-HELD", full_name(one), text, "delete it unless it is wanted")
        for one in held
        if one["kind"] != SECRET and place_of(one) not in ours
    ]


def reading_of_source(mode: Mode) -> Reading:
    """Tell how MetalLB 0.12 reads a configuration."""
    if mode.is_frr:
        return Reading(Carries.ALL, EqualLengths.UNITED, frr=True)
    return Reading(Carries.IPV4, EqualLengths.LAST)


def reading_of_target(target: Target) -> Reading:
    """Tell how a newer MetalLB reads custom resources."""
    if target.mode.is_frr:
        carries = Carries.OWN if target.version >= HAS_DUAL_STACK_SESSIONS else Carries.ALL
        return Reading(carries, EqualLengths.UNITED, frr=True)
    united = target.version >= UNITES_NATIVE_ADVERTISEMENTS
    return Reading(Carries.IPV4, EqualLengths.UNITED if united else EqualLengths.UNDEFINED)


def _multihop_unknown(source: Config) -> Iterator[Finding]:
    for index, peer in enumerate(source.peers, start=1):
        if not peer.internal and not peer.ebgp_multihop:
            text = "may be more than one hop away, which native mode did not ask about and FRR does"
            yield Finding("U-1", f"peer{index}", text, "set ebgp-multihop if it is")


def _peers_with_keepalive(resources: str | list[Object], documents: Sequence[Document]) -> frozenset[str]:
    if isinstance(resources, list):
        specs = {one["metadata"]["name"]: one["spec"] for one in resources if one["kind"] == PEER}
        times = {name: str(spec.get("keepaliveTime", "")) for name, spec in specs.items()}
    elif "keepaliveTime" in resources:
        found = objects_of((document.root for document in documents), Findings(), "", check_names=False).of(PEER)
        times = {one.key.name: text_in(one.spec, "keepaliveTime") for one in found}
    else:
        return frozenset()
    return frozenset(name for name, time in times.items() if time.strip("0s"))
