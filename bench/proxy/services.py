"""The Services that every peer is configured with, and the addresses at which each peer serves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

TCP_PORT = 80
UDP_PORT = 53
BULK_PORT = 81
BACKENDS = ("127.201.0.1", "127.201.0.2")
WEB = 8080
ECHO = 5353
BULK = 8081


@dataclass(frozen=True, slots=True)
class Range:
    """`count` addresses below `prefix` (two octets), one a Service; x.x.0.* is left to the cluster."""

    prefix: str
    count: int

    def address(self, number: int) -> str:
        """The address of Service `number`."""
        return f"{self.prefix}.{number // 250 + 1}.{number % 250 + 1}"

    @property
    def middle(self) -> str:
        """One of them."""
        return self.address(self.count // 2)

    def addresses(self) -> list[str]:
        """All of them."""
        return [self.address(number) for number in range(self.count)]


def service(number: int, cluster_ip: str) -> Object:
    """A Service with a web port, a bulk port and a UDP port."""
    ports = [
        {"name": name, "port": port, "protocol": protocol, "targetPort": target}
        for name, port, protocol, target in (
            ("web", TCP_PORT, "TCP", WEB),
            ("bulk", BULK_PORT, "TCP", BULK),
            ("echo", UDP_PORT, "UDP", ECHO),
        )
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "default", "name": f"s{number}"},
        "spec": {"type": "ClusterIP", "clusterIP": cluster_ip, "ports": ports},
    }


def endpoint_slice(number: int, addresses: tuple[str, ...] = BACKENDS) -> Object:
    """The slice of that Service."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": "default",
            "name": f"s{number}-1",
            "labels": {"kubernetes.io/service-name": f"s{number}"},
        },
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [address], "nodeName": "node1", "conditions": {"ready": True}}
            for address in addresses
        ],
        "ports": [
            {"name": "web", "port": WEB, "protocol": "TCP"},
            {"name": "bulk", "port": BULK, "protocol": "TCP"},
            {"name": "echo", "port": ECHO, "protocol": "UDP"},
        ],
    }
