"""Custom resources of `metallb.io`, as MetalLB reads them since 0.13: the same configuration in another form.

A set of objects is taken as a whole or refused as a whole, with every error in it, each by its object, its field
and, in a text, its place. A field that means something and cannot be honoured refuses the set: it is never passed
over. Unknown fields are refused as well, as a misspelt one would be passed over in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalpy.config.advertisement_values import parse_any
from metalpy.config.conflicts import localpref_conflicts
from metalpy.config.decoding import Decoder
from metalpy.config.document import Document, compose_all
from metalpy.config.findings import Findings, shown
from metalpy.config.legacy import ParsedConfig
from metalpy.config.nodes import document_of
from metalpy.config.resource_objects import BGP_ADVERTISEMENT, COMMUNITY, PEER, PROFILE, objects_of
from metalpy.config.resource_peers import PeerResources, Surroundings, read_profiles
from metalpy.config.resource_pools import FORM, LOADER_FORM, PoolResources
from metalpy.config.resource_sections import ALIAS
from metalpy.config.resource_sections import COMMUNITY as COMMUNITY_SECTION
from metalpy.errors import ConfigError
from metalpy.model import Config

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from metalpy.config.decoding import Fields
    from metalpy.config.document import Node
    from metalpy.config.resource_objects import Objects, Resource, SecretPassword
    from metalpy.model import BFDProfile, Community, LargeCommunity, ObjectKey, Peer, Pool

_IPV6 = 6


ANYWHERE = Surroundings()


def parse_resources(text: str, surroundings: Surroundings = ANYWHERE) -> ParsedConfig:
    """Read the custom resources in a text of YAML documents, or of JSON.

    Raises `ConfigError` with every error, and nothing else, for any text.
    """
    return parse_resource_documents(compose_all(text), surroundings)


def parse_resource_objects(objects: Iterable[object], surroundings: Surroundings = ANYWHERE) -> ParsedConfig:
    """Read custom resources from decoded JSON, such as the API server gives; raises like `parse_resources`."""
    return parse_resource_documents(map(document_of, objects), surroundings)


def parse_resource_documents(documents: Iterable[Document], surroundings: Surroundings = ANYWHERE) -> ParsedConfig:
    """Read custom resources from documents; raises like `parse_resources`."""
    findings = Findings()
    roots: list[Node | None] = []
    count = 0
    for document in documents:
        roots.append(document.root)
        count += document.node_count
    decoder = Decoder(Document(None, count), findings)
    objects = objects_of(roots, findings, surroundings.namespace, check_names=surroundings.by_schema)
    config = _read_config(decoder, objects, surroundings)
    if findings.errors:
        raise ConfigError(findings.errors, findings.warnings)
    return ParsedConfig(config, tuple(sorted(findings.warnings)))


def secrets_in(text: str) -> Mapping[ObjectKey, SecretPassword]:
    """Give the passwords of the Secrets in a text. Raises `ConfigError` where it is not YAML."""
    roots = (document.root for document in compose_all(text))
    return objects_of(roots, Findings(), "", check_names=False).secrets


def _read_config(decoder: Decoder, objects: Objects, surroundings: Surroundings) -> Config:
    names, profiles = read_profiles(decoder, objects.of(PROFILE))
    aliases = _read_aliases(decoder, objects.of(COMMUNITY))
    secrets = {**surroundings.secrets, **objects.secrets}
    peers = PeerResources(decoder, names, secrets, surroundings).read(objects.of(PEER))
    peer_names = frozenset(resource.key.name for resource in objects.of(PEER))
    pools = PoolResources(decoder, aliases, peer_names, FORM if surroundings.by_schema else LOADER_FORM).read(objects)
    _refuse_echo_with_ipv6(decoder, objects, pools, peers, profiles)
    _refuse_contradictions(decoder, objects, pools, surroundings.nodes)
    communities = [(name, alias) for name, alias in sorted(aliases.items()) if alias is not None]
    return Config(pools, peers, profiles, tuple(communities), reads_newer_annotations=True)


def _read_aliases(decoder: Decoder, resources: Iterable[Resource]) -> dict[str, Community | LargeCommunity | None]:
    """Read the community aliases of all Community objects; one with a wrong value is known as None."""
    aliases: dict[str, Community | LargeCommunity | None] = {}
    for fields in _alias_fields(decoder, resources):
        name, text = decoder.text_field(fields, "name"), decoder.text_field(fields, "value")
        if name == "":
            decoder.error(fields, "name", "is missing: an alias needs a name")
        if not name or text is None:
            continue
        if name in aliases:
            decoder.error(fields, "name", "is an alias already: names must differ", value=shown(name))
            continue
        aliases[name] = None
        try:
            aliases[name] = parse_any(text, has_large=True)
        except ValueError as error:
            decoder.error(fields, "value", str(error), value=shown(text))
    return aliases


def _alias_fields(decoder: Decoder, resources: Iterable[Resource]) -> Iterator[Fields]:
    for resource in resources:
        spec = decoder.fields(resource.spec, resource.path, COMMUNITY_SECTION)
        for index, node in enumerate(decoder.items(spec, "communities", "aliases") or [] if spec else []):
            fields = decoder.fields(node, f"{resource.path}.communities[{index}]", ALIAS)
            if fields is not None:
                yield fields


def _refuse_echo_with_ipv6(
    decoder: Decoder,
    objects: Objects,
    pools: Sequence[Pool],
    peers: Sequence[Peer],
    profiles: Sequence[BFDProfile],
) -> None:
    """Refuse BFD's echo mode towards peers that would get IPv6 routes, as MetalLB does since 0.13.10."""
    echoing = {profile.name for profile in profiles if profile.echo_mode}
    peers = [peer for peer in peers if peer.bfd_profile in echoing]
    if not peers:
        return
    resources = {resource.key.name: resource for resource in objects.of(PEER)}
    with_ipv6 = [pool for pool in pools if any(prefix.version == _IPV6 for prefix in pool.prefixes)]
    for peer in peers:
        for pool in with_ipv6:
            if any(entry.peers is None or peer.name in entry.peers for entry in pool.bgp):
                resource = resources[peer.name]
                text = (
                    f"has echoMode, which BFD does not have for IPv6, and pool {shown(pool.name)} "
                    "would be announced to this peer with IPv6 addresses: turn echoMode off"
                )
                value = shown(peer.bfd_profile)
                decoder.findings.error(resource.node, f"{resource.path}.bfdProfile", text, value=value)
                break


def _refuse_contradictions(
    decoder: Decoder, objects: Objects, pools: Sequence[Pool], nodes: Sequence[Mapping[str, str]]
) -> None:
    resources = {resource.key.name: resource for resource in objects.of(BGP_ADVERTISEMENT)}
    for pool in pools:
        for entry, other in localpref_conflicts(pool, nodes):
            resource = resources.get(entry.name)
            if resource is not None:
                text = (
                    f"contradicts {shown(other.name)}, which announces the same prefixes of pool "
                    f"{shown(pool.name)} with {other.localpref}: give both the same"
                )
                path = f"{resource.path}.localPref"
                decoder.findings.error(resource.node, path, text, value=str(entry.localpref))
