"""Random histories of load balancers: what people do to Services and to the configuration, drawn from a seed.

The pools are small, so that they run out, and few keys and ports make Services clash often.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.cluster.sides import SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.cluster.sides import Side
    from tests.lab.kube.client import Client

Object = dict[str, Any]

_NAMED = "- {name: named, protocol: layer2, auto-assign: false, addresses: [10.20.1.0/31]}\n"
NORMAL = "address-pools:\n- {name: auto, protocol: layer2, addresses: [10.20.0.1-10.20.0.3]}\n" + _NAMED
LARGER = NORMAL.replace("10.20.0.3]", "10.20.0.4]")
SMALLER = NORMAL.replace("10.20.0.3]", "10.20.0.2]")
ANOTHER = NORMAL.replace("name: auto, protocol: layer2", "name: renamed, protocol: bgp")
BROKEN = NORMAL.replace("10.20.0.3]", "10.20.0.0]")

POOL = "metallb.universe.tf/address-pool"
SHARING = "metallb.universe.tf/allow-shared-ip"
_MOST = 6
"""Services at a time: more than there are addresses."""
_PORTS = (("TCP", 80), ("TCP", 443), ("UDP", 80))
_REQUESTS = ("10.20.0.1", "10.20.0.2", "10.20.0.3", "10.20.1.0", "10.20.1.1", "10.99.0.1", "10.20.0.x")
_POOLS = ("auto", "named", "named", "nowhere")
_KEYS = ("red", "blue")
_SELECTORS = ({"app": "a"}, {"app": "b"})


@dataclass(frozen=True, slots=True)
class Step:
    """One thing done to an API server: to a Service, or with `config` to the configuration."""

    words: str
    touched: str = ""
    change: Callable[[Client], object] | None = None
    config: str = ""
    deletes: bool = False

    def take(self, side: Side) -> None:
        """Do it on one side and wait until that is at rest."""
        if self.change is None:
            side.configure(self.config)
            return
        mark = side.mark()
        self.change(side.api.admin)
        side.rest(mark, touched=self.touched, everything=self.deletes)

    def __str__(self) -> str:
        return self.words


class History:
    """Draws one step after another; `prefix` begins the names of its Services."""

    def __init__(self, seed: int) -> None:
        self.prefix = f"h{seed}-"
        self._random = random.Random(seed)
        self._names: list[str] = []
        self._made = 0
        self._config = NORMAL

    def step(self) -> Step:
        """Draw the next step."""
        if len(self._names) < 2 or (len(self._names) < _MOST and self._random.random() < 0.45):
            return self._create()
        draw: Sequence[tuple[Callable[[], Step], int]] = (
            (self._delete, 4),
            (self._type, 3),
            (self._request, 4),
            (self._pool, 3),
            (self._sharing, 3),
            (self._ports, 3),
            (self._traffic, 1),
            (self._configure, 3),
        )
        kinds, weights = zip(*draw, strict=True)
        chosen: Callable[[], Step] = self._random.choices(kinds, weights)[0]
        return chosen()

    def _create(self) -> Step:
        name = f"{self.prefix}{self._made}"
        self._made += 1
        self._names.append(name)
        chance = self._random.random
        spec: Object = {"type": "LoadBalancer", "ports": self._some_ports(), "selector": self._one(_SELECTORS)}
        annotations: Object = {}
        if chance() < 0.25:
            spec["loadBalancerIP"] = self._one(_REQUESTS)
        if chance() < 0.2:
            annotations[POOL] = self._one(_POOLS)
        if chance() < 0.5:
            annotations[SHARING] = self._one(_KEYS)
        if chance() < 0.2:
            spec["externalTrafficPolicy"] = "Local"
        service = {"metadata": {"name": name, "annotations": annotations}, "spec": spec}
        return Step(f"create {name} {annotations} {spec}", name, lambda admin: admin.create(SERVICES, service))

    def _delete(self) -> Step:
        name = self._one(self._names)
        self._names.remove(name)
        return Step(f"delete {name}", name, lambda admin: admin.delete(f"{SERVICES}/{name}"), deletes=True)

    def _type(self) -> Step:
        kind = self._one(("ClusterIP", "LoadBalancer"))
        return self._patch({"spec": {"type": kind, "externalTrafficPolicy": None}})

    def _request(self) -> Step:
        return self._patch({"spec": {"loadBalancerIP": self._one((*_REQUESTS, None, None))}})

    def _pool(self) -> Step:
        return self._annotate(POOL, self._one((*_POOLS, None, None)))

    def _sharing(self) -> Step:
        return self._annotate(SHARING, self._one((*_KEYS, None)))

    def _ports(self) -> Step:
        return self._patch({"spec": {"ports": self._some_ports()}})

    def _traffic(self) -> Step:
        return self._patch({"spec": {"type": "LoadBalancer", "externalTrafficPolicy": self._one(("Local", "Cluster"))}})

    def _configure(self) -> Step:
        texts = {"normal": NORMAL, "larger": LARGER, "smaller": SMALLER, "another": ANOTHER, "broken": BROKEN}
        word = self._one([word for word, text in texts.items() if text != self._config])
        self._config = texts[word]
        return Step(f"the {word} configuration", config=self._config)

    def _annotate(self, annotation: str, text: str | None) -> Step:
        return self._patch({"metadata": {"annotations": {annotation: text}}})

    def _patch(self, content: Object) -> Step:
        name = self._one(self._names)
        # Something always changes, or the watch would have nothing to show.
        stamp = {"metadata": {"labels": {"step": f"{self._random.getrandbits(40):x}"}}}
        content = {**content, "metadata": {**content.get("metadata", {}), **stamp["metadata"]}}
        return Step(f"patch {name} {content}", name, lambda admin: admin.patch(f"{SERVICES}/{name}", content))

    def _some_ports(self) -> list[Object]:
        chosen = self._random.sample(_PORTS, self._random.choice((1, 1, 2)))
        return [{"name": f"{protocol}-{port}".lower(), "protocol": protocol, "port": port} for protocol, port in chosen]

    def _one(self, choices: Sequence[Any]) -> Any:
        return self._random.choice(choices)
