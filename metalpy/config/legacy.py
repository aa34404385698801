"""The legacy configuration: the text under `config` in MetalLB's ConfigMap, up to version 0.12.

A text is taken as a whole or refused as a whole, with every error in it. What MetalLB 0.12's controller loads
is loaded with the same meaning, what it refuses is refused; the few exceptions say so in their messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalpy.config.bfd_values import LEGACY_FORM, read_profile
from metalpy.config.decoding import Decoder, Fields
from metalpy.config.document import Scalar, compose
from metalpy.config.findings import Findings, shown
from metalpy.config.hints import PROFILE, TOP
from metalpy.config.legacy_peers import PeerReader
from metalpy.config.legacy_pools import PoolReader
from metalpy.config.values import parse_community
from metalpy.errors import ConfigError, Problem
from metalpy.model import Community, Config

if TYPE_CHECKING:
    from metalpy.config.document import Document
    from metalpy.model import BFDProfile


@dataclass(frozen=True, slots=True)
class ParsedConfig:
    """A configuration that was accepted, and what is doubtful in its text, in the order of the text."""

    config: Config
    warnings: tuple[Problem, ...] = ()


def parse_legacy(text: str) -> ParsedConfig:
    """Read a legacy configuration. Raises `ConfigError` with every error, and nothing else, for any text."""
    return parse_legacy_document(compose(text))


def parse_legacy_document(document: Document) -> ParsedConfig:
    """Read a legacy configuration that is part of another text, such as Helm's values; raises likewise."""
    findings = Findings()
    root = document.root or Scalar(1, 1, "")
    decoder = Decoder(document, findings)
    top = decoder.fields(root, "", TOP)
    config = Config() if top is None else _read_config(decoder, top)
    _warn_of_unread(document, findings)
    if findings.errors:
        raise ConfigError(findings.errors, findings.warnings)
    return ParsedConfig(config, tuple(sorted(findings.warnings)))


def _read_config(decoder: Decoder, top: Fields) -> Config:
    names, profiles = _read_profiles(decoder, top)
    aliases = _read_aliases(decoder, top)
    peers = PeerReader(decoder, names).read(top)
    pools = PoolReader(decoder, aliases).read(top)
    communities = [(name, alias) for name, alias in sorted(aliases.items()) if alias is not None]
    return Config(pools, peers, profiles, tuple(communities))


def _warn_of_unread(document: Document, findings: Findings) -> None:
    if document.unread_line:
        text = "is not read, nor is what follows: only the first YAML document counts"
        findings.warn(Scalar(document.unread_line, 1, ""), "", f"this line {text}")


def _read_aliases(decoder: Decoder, top: Fields) -> dict[str, Community | None]:
    """Read the community aliases; one with a wrong value is known as None."""
    aliases: dict[str, Community | None] = {}
    for place, name, text in decoder.text_pairs(top, "bgp-communities"):
        aliases[name] = None
        try:
            aliases[name] = None if text is None else Community(parse_community(text), text)
        except ValueError as error:
            decoder.findings.error(place.node, place.path, str(error), value=shown(text or ""))
    return aliases


def _read_profiles(decoder: Decoder, top: Fields) -> tuple[frozenset[str], tuple[BFDProfile, ...]]:
    """Read the BFD profiles; gives also the names of those that have errors."""
    profiles: dict[str, BFDProfile] = {}
    for index, node in enumerate(decoder.items(top, "bfd-profiles", "BFD profiles") or []):
        fields = decoder.fields(node, f"bfd-profiles[{index}]", PROFILE)
        if fields is None:
            continue
        profile = _read_profile(decoder, fields)
        if profile.name in profiles:
            text = "is the name of an earlier profile: names must differ"
            decoder.error(fields, "name", text, value=shown(profile.name))
        elif profile.name:
            profiles[profile.name] = profile
    return frozenset(profiles), tuple(profiles.values())


def _read_profile(decoder: Decoder, fields: Fields) -> BFDProfile:
    name = decoder.text_field(fields, "name")
    if name == "":
        decoder.error(fields, "name", "is missing: a BFD profile needs a name")
    return read_profile(decoder, fields, name or "", LEGACY_FORM)
