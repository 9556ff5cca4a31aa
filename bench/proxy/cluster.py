"""An apiserver with many Services, for the proxies under test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from bench.apiserver import Apiserver, apiserver
from bench.proxy.services import BACKENDS, PORTS, Range, endpoint_slice, service
from podyard.api.resources import ENDPOINTSLICES, SERVICES, Resource
from podyard.client.client import Object


class Cluster:
    """The apiserver, and what a proxy needs to be one of its node's."""

    def __init__(self, server: Apiserver, node_ip: str) -> None:
        self.server = server
        self.arguments = [*server.arguments, "--node-name", "node1", "--node-ip", node_ip]

    def fill(self, addresses: Range, endpoints: tuple[str, ...] = BACKENDS, ports: int = len(PORTS)) -> None:
        """Create one Service, and its slice, for every address."""

        def objects() -> Iterator[tuple[Resource, Object]]:
            for number, address in enumerate(addresses.addresses()):
                yield SERVICES, service(number, address, ports)
                yield ENDPOINTSLICES, endpoint_slice(number, endpoints, ports)

        self.server.create(objects())


@contextlib.contextmanager
def cluster(cidr: str, node_ip: str) -> Iterator[Cluster]:
    """A running apiserver whose Services have addresses of `cidr`."""
    with apiserver(cidr) as server:
        yield Cluster(server, node_ip)
