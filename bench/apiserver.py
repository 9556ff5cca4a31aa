"""A real apiserver in a process of its own, filled with as many objects as a large cluster has."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import uvloop

from bench.processes import listens, running
from podyard.api.errors import StatusError
from podyard.api.resources import NAMESPACES, Resource
from podyard.client.client import Client, Object
from podyard.process.tls import TlsFiles
from tests.support.certificates import Authority

T = TypeVar("T")
AT_ONCE = 64
HOST = "127.0.0.1"


class Apiserver:
    """One that runs. `target` is its component API, `tls` the administrator's certificate."""

    def __init__(self, target: str, tls: TlsFiles) -> None:
        self.target = target
        self.tls = tls
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._client = self._wait(self._dial())

    async def _dial(self) -> Client:
        return Client(self.target, self.tls)

    def _wait(self, what: Awaitable[T]) -> T:
        async def run() -> T:
            return await what

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def do(self, what: Callable[[Client], Awaitable[T]]) -> T:
        """Wait for a coroutine that has a client."""
        return self._wait(what(self._client))

    def create(self, objects: Iterable[tuple[Resource, Object]]) -> None:
        """Create them, AT_ONCE at a time."""
        source = iter(objects)

        async def worker(client: Client) -> None:
            for resource, obj in source:
                await client.create(resource, obj)

        async def all_of_them(client: Client) -> None:
            await asyncio.gather(*(worker(client) for _ in range(AT_ONCE)))

        self.do(all_of_them)

    def close(self) -> None:
        """Hang up."""
        self.do(Client.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def arguments(self) -> list[str]:
        """What a component is told to speak to it."""
        words = {"server": self.target, "ca-file": self.tls.ca, "cert-file": self.tls.cert}
        words["key-file"] = self.tls.key
        return [word for name, value in words.items() for word in (f"--{name}", str(value))]


@contextlib.contextmanager
def apiserver(service_cidr: str) -> Iterator[Apiserver]:
    """Start one that gives Services addresses of `service_cidr`."""
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="podyard-bench-")))
        authority = Authority(place)
        own = authority.issue("apiserver")
        port, grpc_port = _free_ports(2)
        target = f"{HOST}:{grpc_port}"
        command = [
            sys.executable, "-m", "podyard.cli", "apiserver", "--data-dir", str(place), "--port", str(port),
            "--grpc-address", target, "--service-cluster-ip-range", service_cidr,
            "--client-ca-file", str(own.ca), "--tls-cert-file", str(own.cert),
            "--tls-private-key-file", str(own.key),
            "--service-account-signing-key-file", str(authority.key_file),
        ]  # fmt: skip
        stack.enter_context(running(command, lambda: listens(HOST, grpc_port)))
        server = Apiserver(target, authority.issue("kubernetes-admin", "system:masters"))
        stack.callback(server.close)
        server.do(_until_it_serves)
        yield server


async def _until_it_serves(client: Client) -> None:
    while True:
        with contextlib.suppress(StatusError):
            await client.get(NAMESPACES, "default")
            return
        await asyncio.sleep(0.01)


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.socket()) for _ in range(number)]
        for sock in socks:
            sock.bind((HOST, 0))
        return [sock.getsockname()[1] for sock in socks]
