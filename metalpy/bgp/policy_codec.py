"""The rules for import and export as gobgpd's messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metalpy.bgp.paths import BASE, EVERYBODY, TAG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from metalpy.bgp.exports import Export
    from metalpy.model import Family, IPAddress

_ACCEPT, _REJECT = 1, 2
_IMPORT, _EXPORT = 1, 2
_LOCAL_ROUTES = 3


class PolicyCodec:
    """Policies of one version of the API, whose enumerations are `shift` behind version 4's."""

    def __init__(self, messages: Any, shift: int, family: Callable[[Family], Any]) -> None:
        self._messages = messages
        self._family = family
        self._neighbors, self._large_communities = 2 + shift, 7 + shift
        self._match_any = 1 + shift
        self._remove, self._replace = 2 + shift, 3 + shift

    def content(self, exports: Iterable[Export]) -> Any:
        """Build the request that makes these all the rules there are, beside that only our own paths are taken."""
        m = self._messages
        sets, statements = {}, []
        for rule in sorted(exports, key=repr):
            variant, peer = rule.tag
            to, tag = f"n{peer}", f"t{variant}:{peer}"
            sets[to] = m.DefinedSet(defined_type=self._neighbors, name=to, list=[_host(rule.address)])
            sets[tag] = m.DefinedSet(defined_type=self._large_communities, name=tag, list=_tags(variant, peer))
            conditions = m.Conditions(
                neighbor_set=m.MatchSet(type=self._match_any, name=to),
                large_community_set=m.MatchSet(type=self._match_any, name=tag),
                afi_safi_in=[self._family(rule.family)] if rule.family else [],
            )
            name = f"{tag}:{rule.family or 'all'}"
            statements.append(m.Statement(name=name, conditions=conditions, actions=self._actions(rule)))
        own = m.Statement(
            name="own",
            conditions=m.Conditions(route_type=_LOCAL_ROUTES),
            actions=m.Actions(route_action=_ACCEPT),
        )
        policies = [m.Policy(name="in", statements=[own]), m.Policy(name="out", statements=statements)]
        return m.SetPoliciesRequest(defined_sets=list(sets.values()), policies=policies)

    def _actions(self, rule: Export) -> Any:
        m = self._messages
        larges = [str(each) for each in rule.attributes.large_communities] if rule.attributes else []
        actions = m.Actions(
            route_action=_ACCEPT,
            large_community=m.CommunityAction(type=self._replace, communities=larges)
            if larges
            else m.CommunityAction(type=self._remove, communities=["^.*$" if rule.attributes else f"^{TAG}:.*$"]),
        )
        if rule.next_hop is not None:
            actions.nexthop.address = str(rule.next_hop)
        if rule.attributes:
            communities = [str(each) for each in rule.attributes.communities]
            actions.community.type = self._replace if communities else self._remove
            actions.community.communities.extend(communities or ["^.*$"])
            if rule.attributes.local_pref is not None:
                actions.local_pref.value = rule.attributes.local_pref  # 0 means to leave it: see paths._order
        return actions

    def assignments(self) -> Sequence[Any]:
        """Build the requests that put the policies in force: what they do not accept is rejected."""
        m = self._messages
        return [
            m.SetPolicyAssignmentRequest(
                assignment=m.PolicyAssignment(
                    name="global", direction=direction, default_action=_REJECT, policies=[m.Policy(name=name)]
                )
            )
            for direction, name in ((_IMPORT, "in"), (_EXPORT, "out"))
        ]


def _tags(variant: int, peer: int) -> list[str]:
    return [f"{TAG}:{variant}:{number}" for number in ((peer, EVERYBODY) if variant == BASE else (peer,))]


def _host(address: IPAddress) -> str:
    return f"{address}/{address.max_prefixlen}"
