"""Service addresses in a namespace of the proxy's own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest

from podyard.proxy.listeners import Runtime
from podyard.proxy.listeners.tcp import TcpListener, listen
from podyard.proxy.service_network import ServiceNetwork
from podyard.proxy.sockets import bind
from podyard.proxy.table import Frontend, Rule
from tests.support.networks import Network, needs_root, networks

pytestmark = needs_root

RANGE = IPv4Network("10.96.0.0/16")


def service_network(node: Network) -> ServiceNetwork:
    with_address = "ip addr add 10.10.0.1/24 dev up0"
    if "up0" not in node.shell("ip -br link"):
        node.shell(f"ip link add up0 type bridge; ip link set up0 up; {with_address}")
    return node.do(lambda: ServiceNetwork([RANGE], "10.10.0.1"))


def test_the_whole_range_answers_and_nothing_of_the_node_takes_its_ports() -> None:
    with networks(1) as (node,):
        made = service_network(node)
        everywhere = node.do(lambda: socket.create_server(("0.0.0.0", 80)))  # a pod on the host's network
        with everywhere, made.socket("10.96.200.7", socket.AF_INET, socket.SOCK_STREAM) as service:
            service.bind(("10.96.200.7", 80))
            service.listen()
            with node.do(lambda: socket.create_connection(("10.96.200.7", 80), 2)):
                client, (address, _) = service.accept()
                client.close()
            assert address == "10.10.0.1", "as a connection of the node's"
            refused = node.do(lambda: socket.socket().connect_ex(("10.96.200.8", 80)))
            assert refused == 111, "no one else's port 80 answers for a Service without endpoints"
        with node.do(lambda: made.socket("10.10.0.1", socket.AF_INET, socket.SOCK_STREAM)) as of_the_node:
            of_the_node.bind(("10.10.0.1", 30080))
        made.close()


def test_it_goes_with_the_proxy_and_can_be_had_again() -> None:
    with networks(1) as (node,):
        service_network(node)
        again = service_network(node)
        assert node.shell("ip route show 10.96.0.0/16").split()[:3] == ["10.96.0.0/16", "via", "169.254.96.2"]
        again.close()


@pytest.fixture
def node() -> Iterator[Network]:
    with networks(1) as (made,):
        yield made


async def test_a_service_is_forwarded(runtime: Runtime, node: Network) -> None:
    made = await asyncio.to_thread(service_network, node)
    backend = socket.create_server(("127.0.0.1", 0))
    frontend = Frontend("TCP", "10.96.0.9", 80)
    rule = Rule(("default", "web"), "", "ClusterIP", (backend.getsockname(),))
    sock = bind(frontend, made.socket)
    listen(sock)
    listener = TcpListener(rule, sock, runtime)
    with node.do(lambda: socket.socket()) as client:
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("10.96.0.9", 80))
        backend.setblocking(False)
        served, _ = await loop.sock_accept(backend)
        served.sendall(b"hi")
        served.close()
        assert await loop.sock_recv(client, 10) == b"hi"
    listener.close()
    backend.close()
    made.close()
