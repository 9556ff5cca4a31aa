"""The workers of a proxy: started, told what to do, replaced when they end.

The proxy keeps every socket open beside the worker that serves it. So when a worker is killed its
clients wait in the sockets' queues for the next one, which is there in a fraction of a second; lost is only
what the killed one had in its hands.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterable

from podyard.process.clock import RealClock
from podyard.process.silence import Silence
from podyard.proxy.channel import MOST_DESCRIPTORS, Receiver, Sender
from podyard.proxy.metrics import ProxyMetrics
from podyard.proxy.table import Frontend, Rule, ServiceKey
from podyard.proxy.worker import Order

STOP_SECONDS = 2.0
QUICK_SECONDS = 1.0
"""A worker that ends sooner than this after its start is replaced only after as long a wait."""
HUNG_SECONDS = 30.0
"""A worker that says nothing for so long is killed, and so replaced. It has a word every 2 s."""
AGAIN_SECONDS = 0.01
"""The kernel takes no further descriptors in flight until some have arrived (ETOOMANYREFS)."""

logger = logging.getLogger("proxy")


class Workers:
    """`number` processes that serve the same frontends, each with a socket of its own (SO_REUSEPORT)."""

    def __init__(self, number: int, metrics: ProxyMetrics) -> None:
        self.number = number
        self.metrics = metrics
        self._workers = [_Worker(index, metrics, self._close_removed) for index in range(number)]
        self._rules: dict[Frontend, Rule] = {}
        self._sockets: dict[Frontend, list[socket.socket]] = {}
        self._changed: dict[Frontend, None] = {}
        self._opened: dict[Frontend, None] = {}
        self._removed: dict[Frontend, None] = {}
        self._forgotten: list[ServiceKey] = []
        self._closing: list[socket.socket] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start them all; from now on one that ends is replaced."""
        for worker in self._workers:
            self._tasks += [
                asyncio.create_task(self._keep(worker)),
                asyncio.create_task(worker.kill_when_hung()),
            ]

    async def stop(self) -> None:
        """End them, and the connections that they have."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(worker.stop() for worker in self._workers))
        for sock in [*self._closing, *(sock for sockets in self._sockets.values() for sock in sockets)]:
            sock.close()

    def open(self, frontend: Frontend, rule: Rule, sockets: list[socket.socket]) -> None:
        """Serve a frontend: a bound socket for each worker."""
        self._rules[frontend] = rule
        self._sockets[frontend] = sockets
        self._opened[frontend] = None

    def update(self, frontend: Frontend, rule: Rule) -> None:
        """Let it follow another rule."""
        self._rules[frontend] = rule
        self._changed[frontend] = None

    def remove(self, frontend: Frontend) -> None:
        """Stop serving it, once those are served who wait in its queue."""
        self._rules.pop(frontend, None)
        self._changed.pop(frontend, None)
        if frontend in self._opened:
            del self._opened[frontend]
        else:
            self._removed[frontend] = None
        self._closing += self._sockets.pop(frontend)

    def forget(self, service: ServiceKey) -> None:
        """A Service is gone: its numbers need not be kept."""
        self.metrics.forget(service)
        self._forgotten.append(service)

    def flush(self) -> None:
        """Send all that has been said since the last time."""
        updated = tuple((f, self._rules[f]) for f in self._changed if f not in self._opened)
        order = Order(removed=tuple(self._removed), updated=updated, forgotten=tuple(self._forgotten))
        if order != Order():
            for worker in self._workers:
                worker.tell(order, [])
        for worker in self._workers:
            self._send_opened(worker, self._opened)
        self._close_removed()
        self._changed.clear()
        self._opened.clear()
        self._removed.clear()
        self._forgotten.clear()

    def _send_opened(self, worker: _Worker, frontends: Iterable[Frontend]) -> None:
        rest = list(frontends)
        while rest:
            some, rest = rest[:MOST_DESCRIPTORS], rest[MOST_DESCRIPTORS:]
            sockets = [self._sockets[frontend][worker.index] for frontend in some]
            worker.tell(Order(opened=tuple((f, self._rules[f]) for f in some)), sockets)

    def _close_removed(self) -> None:
        """Close the sockets of removed frontends, but none that still waits to be sent."""
        if all(worker.heard_all for worker in self._workers):
            for sock in self._closing:
                sock.close()
            self._closing.clear()

    async def _keep(self, worker: _Worker) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await worker.start()
            self._send_opened(worker, [f for f in self._sockets if f not in self._opened])
            status = await worker.ended()
            self.metrics.worker_restarts += 1
            logger.error("worker %d ended (exit status %d), starting another", worker.index, status)
            if loop.time() - began < QUICK_SECONDS:
                await asyncio.sleep(QUICK_SECONDS)


class _Worker:
    """One worker's process and channel, as the proxy has them."""

    def __init__(self, index: int, metrics: ProxyMetrics, on_heard: Callable[[], None]) -> None:
        self.index = index
        self._metrics = metrics
        self._on_heard = on_heard
        self._silence = Silence(HUNG_SECONDS, RealClock())
        self._process: asyncio.subprocess.Process | None = None
        self._channel: socket.socket | None = None
        self._sender: Sender | None = None

    @property
    def heard_all(self) -> bool:
        """Whether there is nothing that it has yet to be sent."""
        return self._sender is None or self._sender.empty

    async def start(self) -> None:
        """Start the process."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            level = logging.getLevelName(logging.getLogger().getEffectiveLevel()).lower()
            words = [str(theirs.fileno()), str(os.getppid()), level]
            command = [sys.executable, "-m", "podyard.proxy.worker", *words]
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
        self._channel, self._sender = ours, Sender(ours)
        self._receiver = Receiver(ours)
        self._silence.heard()
        asyncio.get_running_loop().add_reader(ours, self._reported)

    async def ended(self) -> int:
        """Its exit status, once it has ended."""
        assert self._process is not None
        status = await self._process.wait()
        self._hang_up()
        self._metrics.ended(self.index)
        return status

    async def kill_when_hung(self) -> None:
        """Kill it whenever it has said nothing for HUNG_SECONDS; the next one takes its clients."""
        while True:
            await self._silence.lasts()
            if self._process is not None and self._process.returncode is None:
                logger.error("worker %d has said nothing for %g s, killing it", self.index, HUNG_SECONDS)
                self._process.kill()

    async def stop(self) -> None:
        """Have it end."""
        if self._process is None or self._process.returncode is not None:
            return
        self.tell(Order(stop=True), [])
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._hang_up()

    def tell(self, order: Order, sockets: list[socket.socket]) -> None:
        """Send an order; one that does not run hears all when it starts."""
        if self._sender is not None:
            self._sender.put(order, sockets)
            self._flush()

    def _flush(self) -> None:
        if self._sender is None or self._channel is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_writer(self._channel)
        try:
            if not self._sender.flush():
                loop.add_writer(self._channel, self._flush)
            else:
                self._on_heard()
        except OSError as error:
            if error.errno == errno.ETOOMANYREFS:
                loop.call_later(AGAIN_SECONDS, self._flush)
            # Else it has ended, which `ended` notices.

    def _reported(self) -> None:
        reports = self._receiver.take()
        if reports is not None:
            self._silence.heard()
        for report, _ in reports or ():
            if report is not None:
                self._metrics.reported(self.index, report)

    def _hang_up(self) -> None:
        if self._channel is not None:
            asyncio.get_running_loop().remove_reader(self._channel)
            asyncio.get_running_loop().remove_writer(self._channel)
            self._channel.close()
        self._channel = self._sender = None
