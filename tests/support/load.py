"""An HTTP client that asks steadily in a thread of its own, and remembers every request that failed."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time
from collections.abc import Sequence
from types import TracebackType

import uvloop

from podyard.process.namespaces import in_network

Address = tuple[str, int]

ANSWER_SECONDS = 10.0
AT_ONCE = 100
"""Requests under way; beyond that the next one waits, lest a machine too busy for it is slow for all."""
SLOW_SECONDS = 0.5
REQUEST = b"GET / HTTP/1.1\r\nHost: load\r\n\r\n"
LAST_REQUEST = REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


class Load:
    """`rate` requests a second in all, each on a new connection, to the `targets` in turn.

    Beside them `keepers` connections for each target ask again and again (HTTP keep-alive). As every
    client does (RFC 9110, section 9.2.2) they repeat a request when a connection that has answered
    before ends without a byte of an answer: the server may have closed it at the moment of asking.
    All of them come from the network namespace `network` (a path), if one is given.
    """

    def __init__(
        self, targets: Sequence[Address], rate: float, keepers: int = 2, *, network: str = ""
    ) -> None:
        self.targets = targets
        self.rate = rate
        self.keepers = keepers
        self.answered = 0
        self.failures: list[str] = []
        self.longest_connect = 0.0
        """Seconds that the slowest of the new connections took."""
        self.failed_at: list[float] = []
        """When the new connections that failed were begun, as time.monotonic() tells."""
        self.slow: list[tuple[float, float]] = []
        """New connections that took more than SLOW_SECONDS to their answer: their beginning, and how long."""
        self._stop = threading.Event()
        self._network = network or "/proc/self/ns/net"
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ask no more, and wait for the answers that are due."""
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        in_network(self._network, lambda: uvloop.run(self._run()))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for target in self.targets:
                for _ in range(self.keepers):
                    group.create_task(self._keep_asking(target))
            began = loop.time()
            for number, target in enumerate(itertools.cycle(self.targets)):
                if self._stop.is_set():
                    return
                await slots.acquire()
                await asyncio.sleep(max(began + number / self.rate - loop.time(), 0))
                asked = group.create_task(self._ask_once(target))
                asked.add_done_callback(lambda _: slots.release())

    async def _ask_once(self, target: Address) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                with _socket() as sock:
                    await asyncio.get_running_loop().sock_connect(sock, target)
                    self.longest_connect = max(self.longest_connect, time.monotonic() - began)
                    self._count(target, await _exchange(sock, LAST_REQUEST))
        except OSError as error:
            self.failed_at.append(began)
            self._failed(target, error)
        took = time.monotonic() - began
        if took > SLOW_SECONDS:
            self.slow.append((began, took))

    async def _keep_asking(self, target: Address) -> None:
        while not self._stop.is_set():
            try:
                with _socket() as sock:
                    await asyncio.get_running_loop().sock_connect(sock, target)
                    await self._converse(sock, target)
            except OSError as error:
                self._failed(target, error)

    async def _converse(self, sock: socket.socket, target: Address) -> None:
        """Ask on one connection until the server ends it."""
        for number in itertools.count():
            if self._stop.is_set():
                return
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    answer = await _exchange(sock, REQUEST)
            except (ConnectionResetError, BrokenPipeError):
                answer = b""
                if not number:
                    raise
            if number and not answer:
                return
            self._count(target, answer)
            if b"\r\nConnection: close" in answer:
                return
            await asyncio.sleep(0.01)

    def _count(self, target: Address, answer: bytes) -> None:
        if answer[:6] == b"HTTP/1" and answer[8:12] == b" 200":
            self.answered += 1
        else:
            self._failed(target, f"answered {answer[:80]!r}")

    def _failed(self, target: Address, reason: object) -> None:
        self.failures.append(f"{target[0]}:{target[1]}: {reason!r}")


def _socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)


async def _exchange(sock: socket.socket, request: bytes) -> bytes:
    """Send a request; give its whole answer, or b"" when the connection ends before one begins."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, request)
    answer = b""
    while not _is_whole(answer):
        piece = await loop.sock_recv(sock, 65536)
        if not piece:
            if answer:
                raise ConnectionResetError(f"cut off after {len(answer)} bytes")
            return b""
        answer += piece
    return answer


def _is_whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    lines = head.lower().split(b"\r\n")
    length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
    return len(body) >= length
