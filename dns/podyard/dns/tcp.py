"""DNS over TCP: several queries a connection (RFC 7766)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import cast

from podyard.dns.counters import DnsMetrics
from podyard.dns.wire import HEADER_BYTES

MESSAGES = 16
"""Queries of one connection that are answered before anything else gets its turn."""
CONNECTIONS = 1000
"""With more of them, the one that has not asked for the longest time is closed (RFC 7766, 6.2.3)."""
IDLE_SECONDS = 20.0
"""A connection without a query for so long is closed."""
PENDING = 100
"""Queries of one connection under way upstream; it is not read on until some are answered."""


Send = Callable[[bytes], None]
Handle = Callable[[bytes, Send], bool]
"""Answers one message through the function that it is given, now or later; False: it gets no answer."""


class TcpServer:
    """Listens on one address."""

    def __init__(self, handle: Handle, metrics: DnsMetrics, most: int) -> None:
        self.handle = handle
        self.metrics = metrics
        self._most = most
        self._connections: OrderedDict[_Connection, float] = OrderedDict()  # when they asked; oldest first
        self._server: asyncio.Server | None = None
        self._loop = asyncio.get_running_loop()
        self._sweeper: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    async def start(self, address: str, port: int, *, shared: bool) -> None:
        """Bind and serve. Raises OSError."""
        self._server = await self._loop.create_server(
            lambda: _Connection(self), address, port, backlog=1024, reuse_port=shared or None
        )
        self._sweep()

    def close(self) -> None:
        """Listen no more, and end the connections."""
        if self._server is not None:
            self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._connections):
            connection.abort()

    def asks(self, connection: _Connection) -> None:
        """A new connection, or one with a query, is the last to be closed."""
        self._connections[connection] = self._loop.time()
        self._connections.move_to_end(connection)
        if len(self._connections) > self._most:
            self.metrics.drop()
            self._end_oldest()

    def ends(self, connection: _Connection) -> None:
        """It is closed."""
        self._connections.pop(connection, None)

    def _end_oldest(self) -> None:
        connection, _ = self._connections.popitem(last=False)
        connection.abort()

    def _sweep(self) -> None:
        while self._connections and self._oldest() <= self._loop.time() - IDLE_SECONDS:
            self._end_oldest()
        self._sweeper = self._loop.call_later(IDLE_SECONDS / 20, self._sweep)

    def _oldest(self) -> float:
        return next(iter(self._connections.values()))


class _Connection(asyncio.Protocol):
    """One client. Answers may come in another order than the queries, as RFC 7766 allows."""

    def __init__(self, server: TcpServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._pending = 0
        self._blocked = False
        self._scheduled = False
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.asks(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.ends(self)

    def abort(self) -> None:
        """Close at once, whatever is still to be sent."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._scheduled:
            self._go_on()

    def eof_received(self) -> bool:
        self._ended = True
        return self._busy()  # stay open for the answers that are still to come

    def pause_writing(self) -> None:
        """The client does not read: nor do we read what else it asks."""
        self._blocked = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._blocked = False
        self._later()

    def _go_on(self) -> None:
        self._scheduled = False
        for _ in range(MESSAGES):
            if self._transport.is_closing():
                return
            message = self._next()
            if message is None:
                break
            self._server.asks(self)
            self._pending += 1
            if len(message) < HEADER_BYTES or not self._server.handle(message, self._reply):
                self._transport.abort()  # whatever that is, it is not a DNS client
                return
        else:
            self._later()
        if self._blocked or self._scheduled or self._pending >= PENDING:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _next(self) -> bytes | None:
        """The next whole message, unless answers have to go out first."""
        if self._blocked or self._pending >= PENDING or len(self._buffer) < 2:
            return None
        end = 2 + int.from_bytes(self._buffer[:2], "big")
        if len(self._buffer) < end:
            return None
        message = bytes(self._buffer[2:end])
        del self._buffer[:end]
        return message

    def _later(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _reply(self, answer: bytes) -> None:
        full = self._pending >= PENDING
        self._pending -= 1
        if self._transport.is_closing():
            return
        self._transport.write(len(answer).to_bytes(2, "big") + answer)
        if full:
            self._later()
        if self._ended and not self._busy():
            self._transport.close()

    def _busy(self) -> bool:
        return self._pending > 0 or self._scheduled
