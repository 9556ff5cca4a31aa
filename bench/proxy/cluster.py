"""An apiserver with many Services, in a thread of the benchmark, for the proxies under test."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import uvloop

from bench.proxy.services import BACKENDS, PORTS, Range, endpoint_slice, service
from podyard.api.resources import ENDPOINTSLICES, SERVICES
from podyard.client.client import Client
from tests.support.apiserver import running_apiserver

T = TypeVar("T")
AT_ONCE = 64


class Cluster:
    """Runs coroutines in the apiserver's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, client: Client, arguments: list[str]) -> None:
        self._loop = loop
        self.client = client
        self.arguments = arguments
        """What a proxy needs to speak to it."""

    def do(self, what: Callable[[Client], Awaitable[T]]) -> T:
        """Wait for a coroutine."""

        async def run() -> T:
            return await what(self.client)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def fill(self, addresses: Range, endpoints: tuple[str, ...] = BACKENDS, ports: int = len(PORTS)) -> None:
        """Create one Service, and its slice, for every address."""

        async def create(client: Client) -> None:
            slots = asyncio.Semaphore(AT_ONCE)

            async def one(number: int, address: str) -> None:
                async with slots:
                    await client.create(SERVICES, service(number, address, ports))
                    await client.create(ENDPOINTSLICES, endpoint_slice(number, endpoints, ports))

            await asyncio.gather(*(one(number, a) for number, a in enumerate(addresses.addresses())))

        self.do(create)


@contextlib.contextmanager
def cluster(cidr: str, node_ip: str) -> Iterator[Cluster]:
    """A running apiserver whose Services have addresses of `cidr`."""
    made: list[Cluster] = []
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with running_apiserver(service_cidr=cidr) as server:
            client = Client(server.target, server.tls)
            tls = server.tls
            words = ["--server", server.target, "--node-name", "node1", "--node-ip", node_ip]
            words += ["--ca-file", str(tls.ca), "--cert-file", str(tls.cert), "--key-file", str(tls.key)]
            made.append(Cluster(asyncio.get_running_loop(), client, words))
            ready.set()
            await asyncio.to_thread(stop.wait)
            await client.close()

    thread = threading.Thread(target=lambda: uvloop.run(serve()))
    thread.start()
    ready.wait()
    try:
        yield made[0]
    finally:
        stop.set()
        thread.join()
