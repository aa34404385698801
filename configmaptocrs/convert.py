"""A legacy configuration into custom resources that mean the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from configmaptocrs import fixes
from configmaptocrs.emit import Emitter, Naming
from configmaptocrs.failure import ConversionError
from configmaptocrs.findings import Finding
from configmaptocrs.limits import contradictions, mode_limits, value_limits
from configmaptocrs.names import object_names
from configmaptocrs.objects import OFFICIAL_ORDER, Object, full_name, in_order, password_secret
from configmaptocrs.targets import HAS_DUAL_STACK_SESSIONS, Mode, Target
from metalpy.cluster.home import USUAL_NAMESPACE
from metalpy.config.decoding import Decoder
from metalpy.config.document import Scalar
from metalpy.config.findings import Findings
from metalpy.config.hints import PEER, TOP
from metalpy.config.legacy import parse_legacy_document
from metalpy.config.resource_objects import PEER as PEER_KIND
from metalpy.config.resources import parse_resource_objects
from metalpy.config.selectors import canonical_selector
from metalpy.errors import ConfigError
from metalpy.model import Family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from configmaptocrs.source import Source
    from metalpy.config.document import Node
    from metalpy.model import Config, Peer


@dataclass(frozen=True, slots=True)
class Wishes:
    """How to convert. `source_mode` None means to find out."""

    target: Target
    namespace: str = ""
    keep_names: bool = False
    secrets: bool = False
    fix: bool = False
    allow_empty: bool = False
    source_mode: Mode | None = None


@dataclass(frozen=True, slots=True)
class Conversion:
    """The objects, what there is to tell, and what the source means. `keepalives` are the peers that set one."""

    objects: list[Object]
    findings: list[Finding]
    config: Config
    naming: Naming
    source_mode: Mode
    keepalives: frozenset[str]


def convert(source: Source, wishes: Wishes) -> Conversion:
    """Convert. Raises `ConversionError` with everything that is wrong; an error means no objects at all."""
    conversion = draft(source, wishes)
    del source  # as large as what comes next, and no longer needed, unless the caller keeps it
    _refuse_what_is_not_read(conversion.objects)
    return conversion


def draft(source: Source, wishes: Wishes) -> Conversion:
    """Convert, for somebody who reads the objects next and finds out whether they can be read."""
    config, findings = _parsed(source)
    if not wishes.allow_empty and not (config.pools or config.peers or config.bfd_profiles or config.communities):
        raise ConversionError("the configuration is empty: -allow-empty takes it nevertheless")
    root = source.document.root or Scalar(1, 1, "")
    decoder = Decoder(source.document, Findings())
    keepalives = frozenset(_with_keepalive(decoder, root))
    mode = wishes.source_mode or mode_of(config, keepalives)
    naming = Naming(
        object_names([pool.name for pool in config.pools], keep=wishes.keep_names),
        object_names([profile.name for profile in config.bfd_profiles], keep=wishes.keep_names),
    )
    namespace = wishes.namespace or source.namespace or USUAL_NAMESPACE
    objects = Emitter(decoder, naming, namespace).emit(root)
    findings += _renamed(naming)
    findings += _repeated_selectors(config)
    limits = list(value_limits(config, wishes.target))
    refused = [finding.describe() for finding in limits if finding.is_difference]
    if refused:
        raise ConversionError(*refused)
    findings += limits
    findings += contradictions(config, wishes.target)
    findings += [
        Finding("W-MODE", name, f"{reason}, which is the mode of the target", "see -target-mode")
        for name, reason in mode_limits(config, wishes.target.mode, keepalives=keepalives)
    ]
    if mode.is_frr and wishes.target.mode.is_frr and wishes.target.version >= HAS_DUAL_STACK_SESSIONS:
        _carry_both_families(objects, config)
    objects, told = _with_fixes(objects, config, naming, mode, wishes)
    findings += told
    objects = _with_secrets(objects) if wishes.secrets else objects
    if not wishes.secrets:
        text = "is readable for everybody who may read BGPPeers"
        findings += [
            Finding("W-PW", full_name(one), f"spec.password {text}", "see -passwords secret")
            for one in objects
            if one["kind"] == PEER_KIND and "password" in one["spec"]
        ]
    objects = fixes.references_first(objects) if wishes.fix else in_order(objects, OFFICIAL_ORDER)
    return Conversion(objects, findings, config, naming, mode, keepalives)


def mode_of(config: Config, keepalives: frozenset[str]) -> Mode:
    """Guess the old MetalLB's mode: there are things that only FRR mode took."""
    has_ipv6 = any(pool.bgp and Family.IPV6 in map(Family.of, pool.prefixes) for pool in config.pools)
    return Mode.FRR if config.bfd_profiles or keepalives or has_ipv6 else Mode.NATIVE


def _parsed(source: Source) -> tuple[Config, list[Finding]]:
    try:
        parsed = parse_legacy_document(source.document)
    except ConfigError as error:
        raise ConversionError(*(f"D-SRC {problem.describe(source.name)}" for problem in error.problems)) from None
    told = [Finding("W-SRC", problem.describe(source.name), "is taken as it is") for problem in parsed.warnings]
    return parsed.config, told


def _with_keepalive(decoder: Decoder, root: Node) -> Iterator[str]:
    top = decoder.fields(root, "", TOP)
    for index, node in enumerate(decoder.items(top, "peers", "peers") or [] if top else [], start=1):
        fields = decoder.fields(node, "", PEER)
        if fields is not None and decoder.text_field(fields, "keepalive-time"):
            yield f"peer{index}"


def _renamed(naming: Naming) -> Iterator[Finding]:
    for what, names in (("pool", naming.pools), ("BFD profile", naming.profiles)):
        for old, new in names.items():
            if old != new:
                text = f"is named {new}"
                remedy = (
                    f"Services with the annotation metallb.universe.tf/address-pool: {old} need the new name"
                    if what == "pool"
                    else ""
                )
                yield Finding("W-1", f"{what} {old}", text, remedy)


def _repeated_selectors(config: Config) -> Iterator[Finding]:
    for index, peer in enumerate(config.peers, start=1):
        meanings = [canonical_selector(selector) for selector in peer.node_selectors]
        if len(set(meanings)) < len(meanings):
            yield Finding("W-REPEAT", f"peer{index}", "has a node selector twice, which is written once")


def _carry_both_families(objects: list[Object], config: Config) -> None:
    """Let sessions carry the families of all pools, as FRR did for the old MetalLB."""
    families = {Family.of(prefix) for pool in config.pools if pool.bgp for prefix in pool.prefixes}
    for one, peer in _peer_objects(objects, config):
        if families - {Family.of(peer.address)}:
            one["spec"]["dualStackAddressFamily"] = True


def _peer_objects(objects: list[Object], config: Config) -> Iterator[tuple[Object, Peer]]:
    return zip((one for one in objects if one["kind"] == PEER_KIND), config.peers, strict=True)


def _with_fixes(
    objects: list[Object], config: Config, naming: Naming, mode: Mode, wishes: Wishes
) -> tuple[list[Object], list[Finding]]:
    if not wishes.fix or mode.is_frr:
        return objects, []
    versions = {naming.pools[pool.name]: frozenset(prefix.version for prefix in pool.prefixes) for pool in config.pools}
    return fixes.keep_last_of_equal_lengths(objects, versions)


def _with_secrets(objects: list[Object]) -> list[Object]:
    secrets = []
    for one in objects:
        if one["kind"] == PEER_KIND and "password" in one["spec"]:
            name = f"bgp-{one['metadata']['name']}"
            secrets.append(password_secret(one["metadata"]["namespace"], name, one["spec"].pop("password")))
            one["spec"]["passwordSecret"] = {"name": name}
    return secrets + objects


def _refuse_what_is_not_read(objects: list[Object]) -> None:
    try:
        parse_resource_objects(objects)
    except ConfigError as error:
        raise ConversionError(*(f"D-LOAD {problem.describe('result')}" for problem in error.problems)) from None
