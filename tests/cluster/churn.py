"""A cluster on which something is always being changed, and what must be true of it whatever happens meanwhile.

No two Services that share an address ever want the same port or change their keys, so a Service only ever moves
because of what was done to itself, or because a configuration no longer has its address.
"""

from __future__ import annotations

import ipaddress
import itertools
import random
from typing import TYPE_CHECKING, Any

from tests.cluster.sides import CONFIG, SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.cluster.chronicle import Version
    from tests.lab.kube.client import Client

Object = dict[str, Any]

AUTO = ipaddress.IPv4Network("10.30.0.0/28")
NARROW = ipaddress.IPv4Network("10.30.0.0/29")
NAMED = ipaddress.IPv4Network("10.30.1.0/30")
OTHER_CLASS = "example.org/other"


def _config(auto: object, more: str = "") -> str:
    named = f"- {{name: named, protocol: layer2, auto-assign: false, addresses: [{NAMED}]}}\n"
    return f"address-pools:\n- {{name: auto, protocol: layer2, addresses: [{auto}]}}\n{named}{more}"


BASE = _config(AUTO)
_CONFIGS = (
    BASE,
    BASE,
    _config(AUTO, "- {name: more, protocol: bgp, auto-assign: false, addresses: [10.30.2.0/24]}\n"),
    _config(NARROW),
    _config("10.30.0.0/33"),
)
_POOL = "metallb.universe.tf/address-pool"
_SHARING = "metallb.universe.tf/allow-shared-ip"
_MOST = 40


class Churn:
    """Changes one cluster, as the dice of a seed fall."""

    def __init__(self, admin: Client, seed: int) -> None:
        self.dice = random.Random(seed)
        self._admin = admin
        self._numbers = itertools.count(1)
        self._names: list[str] = []

    def change(self, times: int) -> None:
        """Change something, so many times, and wait for nothing."""
        for _ in range(times):
            ways: tuple[Callable[[], object], ...] = (self._delete, self._type, self._request, self._pool, self._ports)
            create = len(self._names) < _MOST and self.dice.random() < 0.4
            if create or not self._names:
                self._create()
            elif self.dice.random() < 0.1:
                self.configure(self.dice.choice(_CONFIGS))
            else:
                self.dice.choice((*ways, self._touch))()

    def configure(self, text: str) -> None:
        """Edit the configuration."""
        self._admin.patch(CONFIG, {"data": {"config": text}})

    def _create(self) -> None:
        number = next(self._numbers)
        name = f"churn-{number}"
        spec: Object = {"type": self.dice.choice(("LoadBalancer", "LoadBalancer", "LoadBalancer", "ClusterIP"))}
        spec["ports"] = [{"port": number}]
        if spec["type"] == "LoadBalancer" and self.dice.random() < 0.1:
            spec["loadBalancerClass"] = OTHER_CLASS
        else:
            self._names.append(name)
        annotations = {_SHARING: "shared"} if self.dice.random() < 0.3 else {}
        self._admin.create(SERVICES, {"metadata": {"name": name, "annotations": annotations}, "spec": spec})

    def _delete(self) -> None:
        name = self.dice.choice(self._names)
        self._names.remove(name)
        self._admin.delete(f"{SERVICES}/{name}")

    def _type(self) -> None:
        self._patch({"spec": {"type": self.dice.choice(("ClusterIP", "LoadBalancer"))}})

    def _request(self) -> None:
        wanted = str(self.dice.choice(list(NARROW))) if self.dice.random() < 0.5 else None
        self._patch({"spec": {"loadBalancerIP": wanted}, "metadata": {"annotations": {_POOL: None}}})

    def _pool(self) -> None:
        wanted = "named" if self.dice.random() < 0.5 else None
        self._patch({"spec": {"loadBalancerIP": None}, "metadata": {"annotations": {_POOL: wanted}}})

    def _ports(self) -> None:
        """Add or remove a second port that no other Service ever has."""
        name = self.dice.choice(self._names)
        number = int(name.partition("-")[2])
        ports = [{"name": "a", "port": number}, {"name": "b", "port": 30_000 + number}][: self.dice.choice((1, 2))]
        self._admin.patch(f"{SERVICES}/{name}", {"spec": {"ports": ports}})

    def _touch(self) -> None:
        self._patch({"metadata": {"labels": {"touched": str(self.dice.random())}}})

    def _patch(self, content: Object) -> None:
        self._admin.patch(f"{SERVICES}/{self.dice.choice(self._names)}", content)


def ingress(service: Object) -> tuple[str, ...]:
    """Give the addresses in a Service's status."""
    return tuple(entry["ip"] for entry in service.get("status", {}).get("loadBalancer", {}).get("ingress", ()))


def is_ours(service: Object) -> bool:
    """Tell whether a Service is a load balancer of ours."""
    return service["spec"]["type"] == "LoadBalancer" and "loadBalancerClass" not in service["spec"]


def shortcomings(services: Iterable[Object]) -> list[str]:
    """Say what is wrong, or still to do, once the base configuration is in force and the cluster is at rest."""
    found: list[str] = []
    ours = [service for service in services if is_ours(service)]
    used = {address for service in ours for address in ingress(service)}
    for service in services:
        held, choice = ingress(service), _choice(service)
        if not is_ours(service):
            found += [f"{_name(service)} is not ours and has {held}"] if held else []
        elif held:
            # A pool that is no longer asked for is not left.
            stays = [] if _asks(service) else [str(address) for address in NAMED]
            if len(held) > 1 or held[0] not in [*choice, *stays]:
                found.append(f"{_name(service)} may not have {held}")
        elif free := next((address for address in choice if address not in used), None):
            found.append(f"{_name(service)} waits and could have {free}")
    return found + twice(ours)


def twice(ours: Sequence[Object]) -> list[str]:
    """Name the addresses that two Services have though they do not share."""
    owners: dict[str, list[Object]] = {}
    for service in ours:
        for address in ingress(service):
            owners.setdefault(address, []).append(service)
    return [
        f"{address} is of {[_name(owner) for owner in several]}"
        for address, several in owners.items()
        if len(several) > 1 and not all(_annotations(owner).get(_SHARING) for owner in several)
    ]


def twice_at_some_time(versions: Sequence[Version]) -> list[str]:
    """Name the addresses that were written to a Service while another one's status still had them."""
    found: list[str] = []
    now: dict[str, Object] = {}
    for version in versions:
        if version.kind != "Service":
            continue
        was = now.pop(version.key, None)
        if version.content is None:
            continue
        now[version.key] = version.content
        if was is None or ingress(was) != ingress(version.content):
            touched = set(ingress(version.content))
            others = [other for other in now.values() if is_ours(other) and touched & set(ingress(other))]
            found += [f"at {version.revision}: {clash}" for clash in twice(others)]
    return found


def moved(versions: Sequence[Version]) -> list[str]:
    """Name the Services that lost an address which had been written for the demand they still have."""
    found: list[str] = []
    before: dict[str, Object] = {}
    written: dict[str, int] = {}
    texts: list[tuple[int, str]] = []
    for version in versions:
        now = version.content
        if version.kind == "ConfigMap":
            texts.append((version.revision, (now or {}).get("data", {}).get("config", "")))
            continue
        was = before.pop(version.key, None)
        if now is not None:
            before[version.key] = now
        if not was or not now or was["metadata"]["uid"] != now["metadata"]["uid"] or demand(was) != demand(now):
            written.pop(version.key, None)
        elif ingress(was) != ingress(now):
            since = written.get(version.key)
            if since and not _config_took(ingress(was), texts, since):
                found.append(f"{version.key} had {ingress(was)} since {since}, at {version.revision} {ingress(now)}")
            if ingress(now):
                written[version.key] = version.revision
            else:
                written.pop(version.key, None)
    return found


def demand(service: Object) -> object:
    """Give what decides which addresses a Service may have."""
    spec = service["spec"]
    ports = sorted((port.get("protocol", "TCP"), port["port"]) for port in spec["ports"])
    annotations = {name: text for name, text in _annotations(service).items() if name.startswith("metallb")}
    return spec["type"], spec.get("loadBalancerClass"), spec.get("loadBalancerIP"), ports, annotations


def _config_took(addresses: tuple[str, ...], texts: Sequence[tuple[int, str]], since: int) -> bool:
    """Tell whether a configuration without these addresses was there since a revision, or when it came."""
    there = [text for revision, text in texts if revision > since]
    there += [text for revision, text in texts if revision <= since][-1:]
    narrow = any(str(NARROW) in text and str(AUTO) not in text for text in there)
    return narrow and any(
        ipaddress.ip_address(address) in AUTO and ipaddress.ip_address(address) not in NARROW for address in addresses
    )


def _choice(service: Object) -> list[str]:
    """List the addresses that a Service may be given under the base configuration."""
    if wanted := service["spec"].get("loadBalancerIP"):
        return [wanted]
    return [str(address) for address in (NAMED if _annotations(service).get(_POOL) else AUTO)]


def _asks(service: Object) -> bool:
    return bool(service["spec"].get("loadBalancerIP") or _annotations(service).get(_POOL))


def _annotations(service: Object) -> dict[str, str]:
    return service["metadata"].get("annotations") or {}


def _name(service: Object) -> str:
    return str(service["metadata"]["name"])
