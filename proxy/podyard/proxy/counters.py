"""What the proxy counts, by Service, and how Prometheus sees it."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import REGISTRY, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from podyard.proxy.table import ServiceKey

SYNC_SECONDS = Histogram(
    "kubeproxy_sync_proxy_rules_duration_seconds",
    "From the change of a Service or slice at hand to the listeners in force",
    buckets=(0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
)


class Counters:
    """The numbers of one Service; plain attributes, because they change with every packet."""

    __slots__ = ("active", "connections", "errors", "received", "sent")

    def __init__(self) -> None:
        self.connections = 0
        """TCP connections accepted and UDP flows begun."""
        self.active = 0
        """Those that are there now."""
        self.received = 0
        """Bytes from clients."""
        self.sent = 0
        """Bytes to clients."""
        self.errors = 0
        """Connects that failed, and connections and flows given up for it."""


class ProxyMetrics(Collector):
    """Counters by Service, and the listeners that are open or cannot be opened."""

    def __init__(self) -> None:
        self._services: dict[ServiceKey, Counters] = {}
        self.listeners = 0
        self.failed_listeners = 0

    def of(self, service: ServiceKey) -> Counters:
        """The counters of a Service, made at the first call."""
        counters = self._services.get(service)
        if counters is None:
            counters = self._services[service] = Counters()
        return counters

    def forget(self, service: ServiceKey) -> None:
        """The Service is gone. Its connections that live on still count, unseen."""
        self._services.pop(service, None)

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client at every scrape."""
        labels = ("namespace", "service")
        connections = CounterMetricFamily(
            "podyard_proxy_connections", "TCP connections and UDP flows", labels=labels
        )
        active = GaugeMetricFamily(
            "podyard_proxy_active_connections",
            "TCP connections and UDP flows that are there now",
            labels=labels,
        )
        data = CounterMetricFamily(
            "podyard_proxy_bytes",
            "Bytes from clients (received) and to them (sent)",
            labels=(*labels, "direction"),
        )
        errors = CounterMetricFamily(
            "podyard_proxy_errors", "Failed connects to endpoints, connections given up", labels=labels
        )
        for key, counters in self._services.items():
            connections.add_metric(key, counters.connections)
            active.add_metric(key, counters.active)
            data.add_metric((*key, "received"), counters.received)
            data.add_metric((*key, "sent"), counters.sent)
            errors.add_metric(key, counters.errors)
        yield from (connections, active, data, errors)
        yield GaugeMetricFamily("podyard_proxy_listeners", "Open sockets of frontends", self.listeners)
        yield GaugeMetricFamily(
            "podyard_proxy_failed_listeners", "Frontends that cannot be bound", self.failed_listeners
        )

    def publish(self) -> None:
        """Show the numbers in this process' metrics."""
        REGISTRY.register(self)

    def withdraw(self) -> None:
        """The opposite of `publish`."""
        REGISTRY.unregister(self)
