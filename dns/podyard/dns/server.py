"""The DNS server: a UDP socket, and a TCP listener with several queries a connection (RFC 7766)."""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
from collections.abc import Callable
from typing import cast

from dnslib import DNSRecord

from podyard.dns.counters import DnsMetrics
from podyard.dns.forwarding import Forwarder, NoAnswer
from podyard.dns.responder import Chase, Forward, Responder
from podyard.dns.types import NOERROR, NXDOMAIN, SERVFAIL
from podyard.dns.wire import HEADER_BYTES, BadQuery, NotAQuery, Query, error, is_truncated, parse, question

DATAGRAMS = 64
"""Datagrams answered before anything else gets its turn."""
MESSAGES = 16
"""Queries of one TCP connection that are answered before anything else gets its turn."""
RECEIVE_BYTES = 4 << 20
"""Kernel buffer for queries that come in a burst."""
CONNECTIONS = 1000
IDLE_SECONDS = 20.0
"""A TCP connection without a query for so long is closed."""
PENDING = 100
"""Queries of one connection under way upstream; it is not read on until some are answered."""

Reply = Callable[[bytes], None]

logger = logging.getLogger("dns")


class Server:
    """Serves one address over UDP and TCP."""

    def __init__(self, responder: Responder, forwarder: Forwarder, metrics: DnsMetrics) -> None:
        self._responder = responder
        self._forwarder = forwarder
        self.metrics = metrics
        self.connections = 0
        self._udp: socket.socket | None = None
        self._tcp: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, address: str, port: int) -> int:
        """Bind and serve; the port (a free one was chosen if it is 0). Raises OSError."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            udp.bind((address, port))
            port = udp.getsockname()[1]
            loop = asyncio.get_running_loop()
            self._tcp = await loop.create_server(lambda: _Connection(self), address, port, backlog=1024)
        except OSError:
            udp.close()
            raise
        self._udp = udp
        loop.add_reader(udp.fileno(), self._receive, udp)
        return port

    async def stop(self) -> None:
        """Stop to serve; queries under way are dropped."""
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp.fileno())
            self._udp.close()
            self._udp = None
        if self._tcp is not None:
            self._tcp.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _receive(self, udp: socket.socket) -> None:
        for _ in range(DATAGRAMS):
            try:
                raw, client = udp.recvfrom(4096)
            except OSError:
                return  # nothing more, or the error of an answer to a client that is gone
            self.handle(raw, functools.partial(_send, udp, client), tcp=False)

    def handle(self, raw: bytes, reply: Reply, *, tcp: bool) -> bool:
        """Answer one message through `reply`, now or later; False when it gets no answer at all."""
        self.metrics.queries["tcp" if tcp else "udp"] += 1
        try:
            query = parse(raw)
            answer = self._responder.answer(query, tcp=tcp)
        except NotAQuery:
            self.metrics.dropped += 1
            return False
        except BadQuery as bad:
            answer = error(*bad.args)
        except Exception:
            logger.exception("a query was not answered: %s", raw.hex())
            answer = error(int.from_bytes(raw[:2], "big"), 0, SERVFAIL)
        if isinstance(answer, bytes):
            self.metrics.answered(answer)
            reply(answer)
        else:
            task = asyncio.create_task(self._later(query, answer, reply, tcp))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return True

    async def _later(self, query: Query, how: Forward | Chase, reply: Reply, tcp: bool) -> None:
        self.metrics.forwarded += 1
        try:
            if isinstance(how, Chase):
                answer = await self._chase(query, how, tcp)
            else:
                answer = await self._forwarder.ask(query, tcp=tcp)
        except NoAnswer:
            answer = self._responder.failure(query, SERVFAIL, tcp=tcp)
        self.metrics.answered(answer)
        reply(answer)

    async def _chase(self, query: Query, how: Chase, tcp: bool) -> bytes:
        """Add what upstream says of an ExternalName's target to the answer."""
        asked = parse(question(how.target, query.type))
        raw = await self._forwarder.ask(asked, tcp=False)
        if is_truncated(raw):
            raw = await self._forwarder.ask(asked, tcp=True)
        try:
            found = DNSRecord.parse(raw)
        except Exception as problem:  # dnslib raises many kinds on garbage
            raise NoAnswer("an answer that cannot be read") from problem
        if found.header.rcode not in (NOERROR, NXDOMAIN):
            raise NoAnswer("the upstream refuses")
        how.record.header.rcode = found.header.rcode
        how.record.add_answer(*found.rr)
        how.record.add_auth(*found.auth)
        return self._responder.finish(how.record, query, tcp=tcp)


def _send(udp: socket.socket, client: tuple[str, int], answer: bytes) -> None:
    try:
        udp.sendto(answer, client)
    except OSError:
        pass  # the client is gone, its buffer is full, or the server has stopped: datagrams get lost


class _Connection(asyncio.Protocol):
    """One TCP client. Answers may come in another order than the queries, as RFC 7766 allows."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = bytearray()
        self._pending = 0
        self._blocked = False
        self._scheduled = False
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections += 1
        if self._server.connections > CONNECTIONS:
            self._server.metrics.dropped += 1
            self._transport.abort()
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections -= 1
        if self._timer is not None:
            self._timer.cancel()

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
            self._wait()
            self._pending += 1
            if len(message) < HEADER_BYTES or not self._server.handle(message, self._reply, tcp=True):
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

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._idle)

    def _idle(self) -> None:
        self._transport.abort()
