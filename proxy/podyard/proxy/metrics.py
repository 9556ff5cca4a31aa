"""How Prometheus sees the proxy: the reports of its forwarding processes, added up."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import REGISTRY, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from podyard.proxy.counters import Numbers, Report
from podyard.proxy.table import ServiceKey

SYNC_SECONDS = Histogram(
    "kubeproxy_sync_proxy_rules_duration_seconds",
    "From the change of a Service or slice at hand to the listeners in force",
    buckets=(0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
)
PROGRAMMING_SECONDS = Histogram(
    "kubeproxy_network_programming_duration_seconds",
    "From the change of a pod or Service (its slice's last-change-trigger-time) to the listeners in force",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30),
)
_NOTHING: Numbers = (0, 0, 0, 0, 0)


class ProxyMetrics(Collector):
    """The listeners that are open or cannot be opened, and what the workers report."""

    def __init__(self) -> None:
        self._ended: dict[ServiceKey, Numbers] = {}  # of workers that are gone
        self._ended_pauses = 0
        self._reports: dict[int, Report] = {}
        self.listeners = 0
        self.failed_listeners = 0
        self.worker_restarts = 0

    def reported(self, worker: int, report: Report) -> None:
        """A worker's newest numbers."""
        self._reports[worker] = report

    def ended(self, worker: int) -> None:
        """A worker is gone; what it has counted stays."""
        report = self._reports.pop(worker, None)
        if report is not None:
            for key, (connections, _, received, sent, errors) in report.services.items():
                self._ended[key] = _sum(self._ended.get(key), (connections, 0, received, sent, errors))
            self._ended_pauses += report.pauses

    def forget(self, service: ServiceKey) -> None:
        """The Service is gone."""
        self._ended.pop(service, None)

    def services(self) -> dict[ServiceKey, Numbers]:
        """The numbers of every Service that has been used."""
        total = dict(self._ended)
        for report in self._reports.values():
            for key, numbers in report.services.items():
                total[key] = _sum(total.get(key), numbers)
        return total

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
        for key, numbers in self.services().items():
            connections.add_metric(key, numbers[0])
            active.add_metric(key, numbers[1])
            data.add_metric((*key, "received"), numbers[2])
            data.add_metric((*key, "sent"), numbers[3])
            errors.add_metric(key, numbers[4])
        yield from (connections, active, data, errors)
        yield GaugeMetricFamily("podyard_proxy_listeners", "Frontends with open sockets", self.listeners)
        yield GaugeMetricFamily(
            "podyard_proxy_failed_listeners", "Frontends that cannot be bound", self.failed_listeners
        )
        yield CounterMetricFamily(
            "podyard_proxy_worker_restarts", "Workers that ended and were replaced", self.worker_restarts
        )
        yield CounterMetricFamily(
            "podyard_proxy_accept_pauses",
            "How often accepting has paused because descriptors were used up",
            self._ended_pauses + sum(report.pauses for report in self._reports.values()),
        )
        yield GaugeMetricFamily(
            "podyard_proxy_accept_paused",
            "Workers that do not accept now because descriptors are used up",
            sum(report.paused for report in self._reports.values()),
        )

    def publish(self) -> None:
        """Show the numbers in this process' metrics."""
        REGISTRY.register(self)

    def withdraw(self) -> None:
        """The opposite of `publish`."""
        REGISTRY.unregister(self)


def _sum(one: Numbers | None, other: Numbers) -> Numbers:
    a, b = one or _NOTHING, other
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4]
