"""Routes as gobgpd's messages and back, for one version of its API."""

from __future__ import annotations

from ipaddress import ip_network
from socket import AF_INET, AF_INET6, inet_ntop
from typing import TYPE_CHECKING, Any

from google.protobuf.any_pb2 import Any as Box

from metalpy.announcement.routes import RouteAttributes
from metalpy.bgp.paths import TAG, Path
from metalpy.model import Community, Family, LargeCommunity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_INCOMPLETE = 2
_OWN_SIDE = {Family.IPV4: "0.0.0.0", Family.IPV6: "::"}
"""The next hop that stands for the address of our side of the session."""
_SOCKETS = {4: AF_INET, 6: AF_INET6}


class PathCodec:
    """Version 3 wraps routes in `Any`, 4 in oneof; tables of version 3 are numbered from 0, those of 4 from 1."""

    def __init__(self, messages: Any, version: int, family: Callable[[Family], Any]) -> None:
        self.messages = messages
        self.version = version
        self.family = family
        self._global_table = version - 3

    def batch(self, paths: Iterable[Path], *, is_withdraw: bool) -> Any:
        """Build one message of a stream: paths to have, or to have no more."""
        request = self.messages.AddPathStreamRequest(table_type=self._global_table)
        # Most paths differ in their prefix alone: copying a message is several times as fast as building it.
        models: dict[object, Any] = {}
        last, model = None, None
        for path in paths:
            if not last or not _differ_in_prefix_alone(path, last):
                key = (path.attributes, path.tags, path.prefix.version)
                model = models.get(key)
                if model is None:
                    models[key] = model = self._path_without_prefix(path, is_withdraw=is_withdraw)
                last = path
            message = request.paths.add()
            message.CopyFrom(model)
            self._set_prefix(message, path)
        return request

    def _set_prefix(self, message: Any, path: Path) -> None:
        # What `str` gives, but for IPv4 in IPv6, at a quarter of the cost.
        network = inet_ntop(_SOCKETS[path.prefix.version], path.prefix.network_address.packed)
        length = path.prefix.prefixlen
        if self.version == 3:  # noqa: PLR2004 - the API's version
            message.nlri.Pack(self.messages.IPAddressPrefix(prefix=network, prefix_len=length))
        else:
            prefix = message.nlri.prefix
            prefix.prefix, prefix.prefix_len = network, length

    def table(self, family: Family) -> Any:
        """Build the request for the table of one family."""
        return self.messages.ListPathRequest(table_type=self._global_table, family=self.family(family))

    def _path_without_prefix(self, path: Path, *, is_withdraw: bool) -> Any:
        m, family, attributes = self.messages, Family.of(path.prefix), path.attributes
        values = [m.OriginAttribute(origin=_INCOMPLETE), m.NextHopAttribute(next_hop=_OWN_SIDE[family])]
        names = ["origin", "next_hop"]
        if not is_withdraw:
            larges = [
                *(
                    (each.global_administrator, each.local_data_1, each.local_data_2)
                    for each in attributes.large_communities
                ),
                *((TAG, *tag) for tag in sorted(path.tags)),
            ]
            communities = [
                m.LargeCommunity(global_admin=first, local_data1=second, local_data2=third)
                for first, second, third in larges
            ]
            values.append(m.LargeCommunitiesAttribute(communities=communities))
            names.append("large_communities")
            if attributes.local_pref is not None:
                values.append(m.LocalPrefAttribute(local_pref=attributes.local_pref))
                names.append("local_pref")
            if attributes.communities:
                values.append(m.CommunitiesAttribute(communities=[each.value for each in attributes.communities]))
                names.append("communities")
        if self.version == 3:  # noqa: PLR2004 - the API's version
            pattrs = [_boxed(value) for value in values]
        else:
            pattrs = [m.Attribute(**{name: value}) for name, value in zip(names, values, strict=True)]
        return m.Path(pattrs=pattrs, family=self.family(family), is_withdraw=is_withdraw)

    def own_path(self, destination: Any) -> Path | None:
        """Read our path to a destination of the table; None if there is none of ours."""
        for path in destination.paths:
            if path.neighbor_ip in {"", "<nil>"}:
                return self._read_path(destination.prefix, path)
        return None

    def _read_path(self, prefix: str, path: Any) -> Path:
        m = self.messages
        attributes: dict[str, Any] = {}
        kinds = {"local_pref": m.LocalPrefAttribute, "communities": m.CommunitiesAttribute}
        kinds["large_communities"] = m.LargeCommunitiesAttribute
        for each in path.pattrs:
            if self.version == 3:  # noqa: PLR2004 - the API's version
                for name, kind in kinds.items():
                    value = kind()
                    if each.Unpack(value):
                        attributes[name] = value
            else:
                name = each.WhichOneof("attr")
                attributes[name] = getattr(each, name) if name else None
        larges = sorted(
            (each.global_admin, each.local_data1, each.local_data2)
            for each in getattr(attributes.get("large_communities"), "communities", ())
        )
        return Path(
            ip_network(prefix),
            RouteAttributes(
                attributes["local_pref"].local_pref if "local_pref" in attributes else None,
                tuple(Community(value) for value in sorted(getattr(attributes.get("communities"), "communities", ()))),
                tuple(LargeCommunity(*each) for each in larges if each[0] != TAG),
            ),
            frozenset((variant, peer) for administrator, variant, peer in larges if administrator == TAG),
        )


def _differ_in_prefix_alone(one: Path, other: Path) -> bool:
    """Tell what can be told without comparing contents: of a crowd that was laid out together it is true."""
    is_one_family = one.prefix.version == other.prefix.version
    return one.attributes is other.attributes and one.tags is other.tags and is_one_family


def _boxed(message: Any) -> Box:
    box = Box()
    box.Pack(message)
    return box
