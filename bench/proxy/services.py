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


PORTS = (("web", TCP_PORT, "TCP", WEB), ("bulk", BULK_PORT, "TCP", BULK), ("echo", UDP_PORT, "UDP", ECHO))
"""(name, port, protocol, the endpoints' port)."""


def service(number: int, cluster_ip: str, ports: int = len(PORTS)) -> Object:
    """A Service with the first so many of PORTS."""
    made = [
        {"name": name, "port": port, "protocol": protocol, "targetPort": target}
        for name, port, protocol, target in PORTS[:ports]
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "default", "name": f"s{number}"},
        "spec": {"type": "ClusterIP", "clusterIP": cluster_ip, "ports": made},
    }


def endpoint_slice(number: int, addresses: tuple[str, ...] = BACKENDS, ports: int = len(PORTS)) -> Object:
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
            {
                "addresses": [address],
                "nodeName": "node1",
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {
                    "kind": "Pod",
                    "namespace": "default",
                    "name": f"s{number}-{place}",
                    "uid": str(place),
                },
            }
            for place, address in enumerate(addresses)
        ],
        "ports": [
            {"name": name, "port": target, "protocol": protocol}
            for name, _, protocol, target in PORTS[:ports]
        ],
    }
