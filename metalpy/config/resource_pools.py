"""IPAddressPool, AddressPool, L2Advertisement and BGPAdvertisement resources, put together to pools."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from metalpy.config.advertisement_values import AdvertisementForm, AdvertisementValues
from metalpy.config.findings import shown
from metalpy.config.pool_addresses import AddressReader
from metalpy.config.pool_drafts import Draft
from metalpy.config.resource_objects import BGP_ADVERTISEMENT, L2_ADVERTISEMENT, OLD_POOL, POOL
from metalpy.config.resource_sections import (
    ALLOCATION,
    OLD_ADVERTISEMENT,
    PREFERENCE,
)
from metalpy.config.resource_sections import BGP_ADVERTISEMENT as BGP_SECTION
from metalpy.config.resource_sections import L2_ADVERTISEMENT as L2_SECTION
from metalpy.config.resource_sections import OLD_POOL as OLD_POOL_SECTION
from metalpy.config.resource_sections import POOL as POOL_SECTION
from metalpy.config.selectors import KUBERNETES_FORM, SelectorReader
from metalpy.model import (
    BGPAdvertisement,
    Community,
    L2Advertisement,
    LargeCommunity,
    Pool,
    PreferredNodes,
    Protocol,
    ServiceAllocation,
    any_selector_matches,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from metalpy.config.decoding import Decoder, Fields
    from metalpy.config.pool_addresses import Entry
    from metalpy.config.resource_objects import Objects, Resource
    from metalpy.model import LabelSelector

_UINT32 = 2**32 - 1
_INT32 = 2**31 - 1
_DEFAULT_LENGTHS = (32, 128)
_MOST_WEIGHT = 100

FORM = AdvertisementForm(
    length_keys={4: "aggregationLength", 6: "aggregationLengthV6"},
    least={4: 1, 6: 0},
    has_large=True,
    unknown_alias="is no alias of a Community resource, and neither A:B nor large:A:B:C: define it there",
)
LOADER_FORM = replace(FORM, least={4: 0, 6: 0})
"""As MetalLB's loader reads it, without the schema's bounds."""


class PoolResources:
    """Reads the pools of one set of objects. `aliases` are its communities, `peers` the names of its peers."""

    def __init__(
        self,
        decoder: Decoder,
        aliases: Mapping[str, Community | LargeCommunity | None],
        peers: frozenset[str],
        form: AdvertisementForm = FORM,
    ) -> None:
        self._decoder = decoder
        self._findings = decoder.findings
        self._addresses = AddressReader(decoder)
        self._values = AdvertisementValues(decoder, form, aliases)
        self._selectors = SelectorReader(decoder, KUBERNETES_FORM)
        self._peers = peers
        self._drafts: dict[str, Draft] = {}
        self._namespaces: Mapping[str, Mapping[str, str]] = {}

    def read(self, objects: Objects) -> tuple[Pool, ...]:
        """Give the pools, in the order written. They are complete only where no error was found."""
        self._namespaces = objects.namespaces
        for resource in objects.resources:
            if resource.kind in {POOL, OLD_POOL}:
                self._read_pool(resource)
        self._addresses.refuse_overlaps()
        for resource in objects.of(L2_ADVERTISEMENT):
            self._read_l2_advertisement(resource)
        for resource in objects.of(BGP_ADVERTISEMENT):
            self._read_bgp_advertisement(resource)
        return tuple(draft.pool() for draft in self._drafts.values())

    # --- pools -----------------------------------------------------------------------------------------

    def _read_pool(self, resource: Resource) -> None:
        is_old = resource.kind == OLD_POOL
        name = resource.key.name
        fields = self._decoder.fields(resource.spec, resource.path, OLD_POOL_SECTION if is_old else POOL_SECTION)
        if fields is None:
            return
        if name in self._drafts:
            self._findings.error(resource.node, resource.path, "has the name of another pool: names must differ")
            return
        entries = self._addresses.read(fields, name)
        avoid_buggy_ips = not is_old and self._decoder.flag(fields, "avoidBuggyIPs", default=False)
        if avoid_buggy_ips:
            self._addresses.warn_if_all_buggy(fields, entries)
        draft = self._drafts[name] = Draft(
            resource,
            entries,
            auto_assign=self._decoder.flag(fields, "autoAssign", default=True),
            avoid_buggy_ips=avoid_buggy_ips,
            allocation=None if is_old else self._allocation(fields),
        )
        if is_old:
            self._read_old_protocol(fields, draft)

    def _allocation(self, fields: Fields) -> ServiceAllocation | None:
        node = fields.get("serviceAllocation")
        if node is None or self._decoder.is_null_field(fields, "serviceAllocation"):
            return None
        inner = self._decoder.fields(node, fields.path_of("serviceAllocation"), ALLOCATION)
        if inner is None:
            return None
        named = self._texts(inner, "namespaces", "names of namespaces")
        selectors, _ = self._selectors.selectors(inner, "namespaceSelectors")
        selected = {name for name, labels in self._namespaces.items() if any(one.matches(labels) for one in selectors)}
        return ServiceAllocation(
            priority=self._decoder.number(inner, "priority", 0, _INT32) or 0,
            namespaces=(*named, *sorted(selected.difference(named))),
            namespace_selectors=selectors,
            service_selectors=self._selectors.selectors(inner, "serviceSelectors")[0],
        )

    def _read_old_protocol(self, fields: Fields, draft: Draft) -> None:
        protocol = self._decoder.text_field(fields, "protocol") or ""
        key = "bgpAdvertisements"
        nodes = self._decoder.items(fields, key, "BGP advertisements") or []
        if protocol == Protocol.LAYER2:
            draft.layer2.append(L2Advertisement())
            if nodes:
                self._decoder.error(fields, key, "must not be in a pool with protocol layer2: remove it")
        elif protocol == Protocol.BGP:
            for index, node in enumerate(nodes):
                inner = self._decoder.fields(node, f"{fields.path_of(key)}[{index}]", OLD_ADVERTISEMENT)
                if inner is not None:
                    draft.bgp.append(self._bgp_advertisement(inner, draft.entries))
            if not nodes:
                draft.bgp.append(BGPAdvertisement())
        else:
            value = shown(protocol) if protocol else ""
            self._decoder.error(fields, "protocol", "must be layer2 or bgp", value=value)

    # --- advertisements --------------------------------------------------------------------------------

    def _read_l2_advertisement(self, resource: Resource) -> None:
        fields = self._decoder.fields(resource.spec, resource.path, L2_SECTION)
        if fields is None:
            return
        advertisement = L2Advertisement(
            node_selectors=self._selectors.selectors(fields, "nodeSelectors")[0],
            interfaces=tuple(sorted(self._texts(fields, "interfaces", "names of interfaces"))),
            service_selectors=self._selectors.selectors(fields, "serviceSelectors")[0],
            preferred=tuple(self._preferences(fields)),
            name=resource.key.name,
        )
        for draft in self._selected(fields):
            draft.layer2.append(advertisement)

    def _preferences(self, fields: Fields) -> Iterator[PreferredNodes]:
        key = "preferredNodeSelectors"
        for index, node in enumerate(self._decoder.items(fields, key, "preferences for nodes") or []):
            inner = self._decoder.fields(node, f"{fields.path_of(key)}[{index}]", PREFERENCE)
            if inner is None:
                continue
            errors = len(self._findings.errors)
            weight = self._decoder.number(inner, "weight", 1, _MOST_WEIGHT)
            if weight is None and len(self._findings.errors) == errors:
                self._decoder.error(inner, "weight", f"is missing: give a number from 1 to {_MOST_WEIGHT}")
            yield PreferredNodes(weight or 1, self._selectors.selector(inner, "preference"))

    def _read_bgp_advertisement(self, resource: Resource) -> None:
        fields = self._decoder.fields(resource.spec, resource.path, BGP_SECTION)
        if fields is None:
            return
        drafts = self._selected(fields)
        peers = self._texts(fields, "peers", "names of BGPPeers")
        for peer in peers:
            if peer not in self._peers:
                self._decoder.warn(fields, "peers", "names no BGPPeer that is there", value=shown(peer))
        advertisement = self._bgp_advertisement(
            fields,
            [entry for draft in drafts for entry in draft.entries],
            node_selectors=self._selectors.selectors(fields, "nodeSelectors")[0],
            peers=tuple(sorted(peers)) or None,
            service_selectors=self._selectors.selectors(fields, "serviceSelectors")[0],
            name=resource.key.name,
        )
        lengths = advertisement.aggregation_length, advertisement.aggregation_length_v6
        if advertisement.service_selectors and lengths != _DEFAULT_LENGTHS:
            text = "must not be there beside aggregation lengths other than 32 and 128"
            self._decoder.error(fields, "serviceSelectors", text)
        for draft in drafts:
            draft.bgp.append(advertisement)

    def _bgp_advertisement(
        self,
        fields: Fields,
        entries: Sequence[Entry],
        *,
        node_selectors: tuple[LabelSelector, ...] = (),
        peers: tuple[str, ...] | None = None,
        service_selectors: tuple[LabelSelector, ...] = (),
        name: str = "",
    ) -> BGPAdvertisement:
        """Read the fields that old pools' advertisements have too, beside those that only new ones have."""
        _, length = self._values.aggregation_length(fields, entries, 4)
        _, length_v6 = self._values.aggregation_length(fields, entries, 6)
        _, communities = self._values.communities(fields, "communities")
        return BGPAdvertisement(
            aggregation_length=length,
            aggregation_length_v6=length_v6,
            localpref=self._decoder.number(fields, "localPref", 0, _UINT32) or 0,
            communities=tuple(found for found in communities if isinstance(found, Community)),
            large_communities=tuple(found for found in communities if isinstance(found, LargeCommunity)),
            node_selectors=node_selectors,
            peers=peers,
            service_selectors=service_selectors,
            name=name,
        )

    def _selected(self, fields: Fields) -> Sequence[Draft]:
        """Give the pools that an advertisement is for: named or fitting a selector; all where it has neither."""
        names = self._texts(fields, "ipAddressPools", "names of pools")
        selectors, _ = self._selectors.selectors(fields, "ipAddressPoolSelectors")
        if not names and not selectors:
            return list(self._drafts.values())
        for name in names:
            if name not in self._drafts:
                self._decoder.warn(fields, "ipAddressPools", "names no pool that is there", value=shown(name))
        if not selectors:
            return [self._drafts[name] for name in names if name in self._drafts]
        return [
            draft
            for name, draft in self._drafts.items()
            if name in names or any_selector_matches(selectors, draft.labels())
        ]

    def _texts(self, fields: Fields, key: str, of: str) -> tuple[str, ...]:
        """Read a list of texts, none of which may be there twice."""
        if key not in fields.values:
            return ()
        texts: dict[str, str] = {}
        for index, node in enumerate(self._decoder.items(fields, key, of) or []):
            path = f"{fields.path_of(key)}[{index}]"
            text = self._decoder.text(node, path)
            if text is None:
                continue
            if texts.setdefault(text, path) != path:
                self._findings.error(node, path, "is in this list twice: remove one", value=shown(text))
        return tuple(texts)
