"""The metrics of both daemons, by the reference's names, types and labels.

Each daemon has a registry of its own, so that both may run in one process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from metalpy.allocation.allocator import PoolCounts
    from metalpy.bgp.router import SessionCounts
    from metalpy.model import IPAddress, ObjectKey, Protocol

MOST_IN_A_GAUGE = 2**63 - 1
"""The reference's largest pool capacity; larger pools show this."""

_LAYER2_COUNTERS = {
    "metallb_layer2_requests_received": "Number of layer2 requests received for owned IPs",
    "metallb_layer2_responses_sent": "Number of layer2 responses sent for owned IPs in response to requests",
    "metallb_layer2_gratuitous_sent": "Number of gratuitous layer2 packets sent for owned IPs",
}

_BGP_GAUGES: Mapping[str, tuple[str, Callable[[SessionCounts], int]]] = {
    "metallb_bgp_session_up": ("BGP session state (1 is up, 0 is down)", lambda counts: int(counts.is_up)),
    "metallb_bgp_announced_prefixes_total": (
        "Number of prefixes currently being advertised on the BGP session",
        lambda counts: counts.announced_prefixes,
    ),
    "metallb_bgp_pending_prefixes_total": (
        "Number of prefixes that should be advertised on the BGP session",
        lambda counts: counts.pending_prefixes,
    ),
}

_CONFLICTS = "metalpy_layer2_address_conflicts"
_ALLOCATOR_GAUGES: Mapping[str, tuple[str, Callable[[PoolCounts], int]]] = {
    "metallb_allocator_addresses_total": (
        "Number of usable IP addresses, per pool",
        lambda figures: min(figures.capacity, MOST_IN_A_GAUGE),
    ),
    "metallb_allocator_addresses_in_use_total": (
        "Number of IP addresses in use, per pool",
        lambda figures: figures.in_use,
    ),
    "metallb_allocator_services_allocated_total": (
        "Number of services allocated, per pool",
        lambda figures: figures.services,
    ),
}

disable_created_metrics()  # type: ignore[no-untyped-call]


class ClientMetrics:
    """What both daemons tell about the objects they read and the configuration in force."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.updates = Counter(
            "metallb_k8s_client_updates",
            "Number of k8s object updates that have been processed.",
            registry=registry,
        )
        self.update_errors = Counter(
            "metallb_k8s_client_update_errors",
            "Number of k8s object updates that failed for some reason.",
            registry=registry,
        )
        self.config_loaded = Gauge(
            "metallb_k8s_client_config_loaded_bool",
            "1 if the MetalLB configuration was successfully loaded at least once.",
            registry=registry,
        )
        self.config_stale = Gauge(
            "metallb_k8s_client_config_stale_bool",
            "1 if running on a stale configuration, because the latest config failed to load.",
            registry=registry,
        )


class ApiMetrics:
    """The traffic with an API server: implements `metalpy.cluster.traffic.Traffic`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "metallb_k8s_client_requests",
            "Number of requests to the API server, by verb, resource and HTTP status of the answer.",
            ["verb", "resource", "code"],
            registry=registry,
        )
        self._lists = Counter(
            "metallb_k8s_client_lists",
            "Number of times that all objects of a resource were listed.",
            ["resource"],
            registry=registry,
        )
        self._watches = Counter(
            "metallb_k8s_client_watches_ended",
            "Number of watches that were over, by cause: ended by the server in good order, expired, error.",
            ["resource", "cause"],
            registry=registry,
        )

    def answered(self, verb: str, resource: str, code: str) -> None:
        """Count one request."""
        self._requests.labels(verb, resource, code).inc()

    def listed(self, resource: str) -> None:
        """Count one list."""
        self._lists.labels(resource).inc()

    def watch_ended(self, resource: str, cause: str) -> None:
        """Count one watch that was over."""
        self._watches.labels(resource, cause).inc()


class AllocatorMetrics:
    """The figures of the pools, counted when they are asked for: a change among many Services costs nothing here."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counts: Callable[[], Mapping[str, PoolCounts]] = dict
        registry.register(self)

    def read(self, counts: Callable[[], Mapping[str, PoolCounts]]) -> None:
        """Take the figures from here from now on."""
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """Give the metrics to a scrape."""
        counts = self._counts()
        for name, (text, figure) in _ALLOCATOR_GAUGES.items():
            metric = GaugeMetricFamily(name, text, labels=["pool"])
            for pool, figures in counts.items():
                metric.add_metric([pool], figure(figures))
            yield metric


class StatusMetrics:
    """Statuses that somebody else writes as well as this controller."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.contested = Counter(
            "metallb_controller_status_contested",
            "Number of times that a status was found overwritten by somebody else again, and its next write put off.",
            registry=registry,
        )
        self._services = Gauge(
            "metallb_controller_contested_services",
            "Services of which somebody else writes the status too.",
            registry=registry,
        )

    def shows(self, count: Callable[[], int]) -> None:
        """Ask `count` for the number of such Services at each scrape."""
        self._services.set_function(count)


class SpeakerMetrics:
    """What this node announces, looked up when it is asked for: that costs the announcing nothing."""

    def __init__(self, registry: CollectorRegistry, node: str) -> None:
        self._node = node
        self._announced: Mapping[Protocol, Mapping[ObjectKey, Sequence[IPAddress]]] = {}
        registry.register(self)

    def read(self, announced: Mapping[Protocol, Mapping[ObjectKey, Sequence[IPAddress]]]) -> None:
        """Take the addresses from here from now on."""
        self._announced = announced

    def collect(self) -> Iterator[Metric]:
        """Give the metrics to a scrape."""
        gauge = GaugeMetricFamily(
            "metallb_speaker_announced",
            "Services being announced from this node. This is desired state, it does not guarantee that the "
            "announcing protocols have converged.",
            labels=["service", "protocol", "node", "ip"],
        )
        for protocol, by_key in self._announced.items():
            for key, addresses in by_key.items():
                for address in addresses:
                    gauge.add_metric([str(key), protocol, self._node, str(address)], 1)
        yield gauge


class FailoverMetrics:
    """How addresses came to this node from others: metalpy's own, hence by its own name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "metalpy_layer2_failover_seconds",
            "Time from when this speaker saw why an address of another node is its own now, until it answered for it.",
            ["cause"],
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
            registry=registry,
        )

    def took(self, cause: str, seconds: float) -> None:
        """Note one Service that came here."""
        self._seconds.labels(cause).observe(seconds)


class Layer2Metrics:
    """What the answering on the LAN has counted, by address; `show` takes the figures of now."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._rows: dict[str, tuple[int, int, int]] = {}
        self._conflicts: dict[str, int] = {}
        registry.register(self)

    def show(self, rows: Mapping[str, tuple[int, int, int]], conflicts: Mapping[str, int]) -> None:
        """Show requests received, responses sent and unasked announcements sent, and conflicts, by address."""
        self._rows = dict(rows)
        self._conflicts = dict(conflicts)

    def collect(self) -> Iterator[Metric]:
        """Give the metrics to a scrape."""
        for index, (name, text) in enumerate(_LAYER2_COUNTERS.items()):
            metric = Metric(name, text, "counter")
            for ip, row in sorted(self._rows.items()):
                metric.add_sample(name, {"ip": ip}, row[index])
            yield metric
        conflicts = CounterMetricFamily(_CONFLICTS, "Number of times another host claimed an owned IP", labels=["ip"])
        for ip, many in sorted(self._conflicts.items()):
            conflicts.add_metric([ip], many)
        yield conflicts


class BGPMetrics:
    """What a node's sessions have counted, by peer; `show` takes the figures of now."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._sessions: Mapping[str, SessionCounts] = {}
        registry.register(self)

    def show(self, sessions: Mapping[str, SessionCounts]) -> None:
        """Show these sessions and no others."""
        self._sessions = sessions

    def collect(self) -> Iterator[Metric]:
        """Give the metrics to a scrape."""
        updates = CounterMetricFamily("metallb_bgp_updates", "Number of BGP UPDATE messages sent", labels=["peer"])
        for peer, counts in sorted(self._sessions.items()):
            updates.add_metric([peer], counts.updates_sent)
        yield updates
        for name, (text, figure) in _BGP_GAUGES.items():
            gauge = GaugeMetricFamily(name, text, labels=["peer"])
            for peer, counts in sorted(self._sessions.items()):
                gauge.add_metric([peer], figure(counts))
            yield gauge


def exposition(registry: CollectorRegistry) -> bytes:
    """Write all metrics as Prometheus reads them, by the reference's names: its layer 2 counters end in no `_total`."""
    page = generate_latest(registry)
    for name in _LAYER2_COUNTERS:
        page = page.replace(f"{name}_total".encode(), name.encode())
    return page
