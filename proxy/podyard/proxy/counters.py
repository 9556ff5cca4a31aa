"""What a forwarding process counts, by Service; plain attributes, because they change with every packet."""

from __future__ import annotations

from dataclasses import dataclass

from podyard.proxy.descriptors import Descriptors
from podyard.proxy.table import ServiceKey

Numbers = tuple[int, int, int, int, int]
"""Connections, active ones, bytes received, bytes sent, errors."""


class Tally:
    """A number of bytes, shared by all connections of a Service."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Counters:
    """The numbers of one Service."""

    __slots__ = ("active", "connections", "errors", "received", "sent")

    def __init__(self) -> None:
        self.connections = 0
        """TCP connections accepted and UDP flows begun."""
        self.active = 0
        """Those that are there now."""
        self.received = Tally()
        """Bytes from clients."""
        self.sent = Tally()
        """Bytes to clients."""
        self.errors = 0
        """Connects that failed, and connections and flows given up for it."""

    def numbers(self) -> Numbers:
        """All of them."""
        return self.connections, self.active, self.received.count, self.sent.count, self.errors


@dataclass(frozen=True, slots=True)
class Report:
    """What a forwarding process has counted since it started."""

    services: dict[ServiceKey, Numbers]
    pauses: int
    paused: bool


class ServiceCounters:
    """Counters by Service."""

    def __init__(self) -> None:
        self._services: dict[ServiceKey, Counters] = {}

    def of(self, service: ServiceKey) -> Counters:
        """The counters of a Service, made at the first call."""
        counters = self._services.get(service)
        if counters is None:
            counters = self._services[service] = Counters()
        return counters

    def forget(self, service: ServiceKey) -> None:
        """The Service is gone. Its connections that live on still count, unseen."""
        self._services.pop(service, None)

    def active(self) -> int:
        """Connections and flows of all Services."""
        return sum(counters.active for counters in self._services.values())

    def report(self, descriptors: Descriptors) -> Report:
        """The numbers of all Services that anybody has used."""
        used = {key: counters.numbers() for key, counters in self._services.items() if counters.connections}
        return Report(used, descriptors.pauses, descriptors.paused)
