"""What the DNS server counts, and how Prometheus sees it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from podyard.dns.types import RCODES
from podyard.dns.zone import Zone


class DnsMetrics(Collector):
    """Plain numbers, because they change with every query; two threads count."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._lock = threading.Lock()
        self.queries: Counter[str] = Counter()
        """By transport: udp, tcp."""
        self.responses: Counter[int] = Counter()
        """By response code."""
        self.forwarded = 0
        self.dropped = 0

    def asked(self, transport: str) -> None:
        """Count a query."""
        with self._lock:
            self.queries[transport] += 1

    def answered(self, answer: bytes) -> None:
        """Count an answer that is sent."""
        with self._lock:
            self.responses[answer[3] & 15] += 1

    def answered_kept(self, transport: str, codes: bytes) -> None:
        """Count queries that had kept answers; `codes` has the fourth byte of each answer."""
        with self._lock:
            self.queries[transport] += len(codes)
            for code in set(codes):
                self.responses[code & 15] += codes.count(code)

    def drop(self, number: int = 1) -> None:
        """Count messages, or connections, that get no answer."""
        with self._lock:
            self.dropped += number

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client at every scrape."""
        queries = CounterMetricFamily("podyard_dns_queries", "Queries by transport", labels=("proto",))
        for transport, number in self.queries.items():
            queries.add_metric((transport,), number)
        responses = CounterMetricFamily(
            "podyard_dns_responses", "Answers by response code", labels=("rcode",)
        )
        for rcode, number in self.responses.items():
            responses.add_metric((RCODES.get(rcode, str(rcode)),), number)
        yield from (queries, responses)
        yield CounterMetricFamily("podyard_dns_forwarded", "Queries that went upstream", self.forwarded)
        yield CounterMetricFamily(
            "podyard_dns_dropped", "Messages that were no queries, and what was too much", self.dropped
        )
        yield GaugeMetricFamily("podyard_dns_services", "Services whose names are known", len(self._zone))

    def publish(self) -> None:
        """Show the numbers in this process' metrics."""
        REGISTRY.register(self)

    def withdraw(self) -> None:
        """The opposite of `publish`."""
        REGISTRY.unregister(self)
