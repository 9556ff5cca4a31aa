"""The DNS server: a UDP socket, and a TCP listener with several queries a connection (RFC 7766)."""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
from collections.abc import Callable

from dnslib import DNSRecord

from podyard.dns.answers import Answers
from podyard.dns.counters import DnsMetrics
from podyard.dns.forwarding import Forwarder, NoAnswer
from podyard.dns.responder import Chase, Forward, Reply, Responder
from podyard.dns.tcp import CONNECTIONS, TcpServer
from podyard.dns.types import NOERROR, NXDOMAIN, REFUSED, SERVFAIL
from podyard.dns.udp import UdpServer
from podyard.dns.wire import BadQuery, NotAQuery, Query, error, is_truncated, parse, question

RECEIVE_BYTES = 4 << 20
"""Kernel buffer for queries that come in a burst."""

Send = Callable[[bytes], None]

logger = logging.getLogger("dns")


class Server:
    """Serves one address over UDP and TCP."""

    def __init__(
        self,
        responder: Responder,
        answers: Answers,
        forwarder: Forwarder,
        metrics: DnsMetrics,
        connections: int = CONNECTIONS,
    ) -> None:
        """`connections` is how many there may be over TCP."""
        self._responder = responder
        self._answers = answers
        self._forwarder = forwarder
        self.metrics = metrics
        self._connections = connections
        self._udp: UdpServer | None = None
        self._tcp: TcpServer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._recursion = False

    async def start(self, address: str, port: int, *, shared: bool = False) -> int:
        """Bind and serve; the port (a free one was chosen if it is 0). Raises OSError.

        `shared`: other processes serve the same address, too, and the kernel spreads the clients.
        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            if shared:
                udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            udp.bind((address, port))
            port = udp.getsockname()[1]
            self._tcp = TcpServer(functools.partial(self.handle, tcp=True), self.metrics, self._connections)
            await self._tcp.start(address, port, shared=shared)
        except OSError:
            udp.close()
            raise
        self._udp = UdpServer(udp, self._answers, functools.partial(self.handle, tcp=False), self.metrics)
        return port

    async def stop(self) -> None:
        """Stop to serve; queries under way are dropped."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
        self._forwarder.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def handle(self, raw: bytes, send: Send, *, tcp: bool) -> bool:
        """Answer one message through `send`, now or later; False when it gets no answer at all."""
        self.metrics.asked("tcp" if tcp else "udp")
        kept = self._answers.find(raw[2:])
        if kept is not None and not (tcp and is_truncated(raw[:2] + kept)):
            self._answer(raw[:2] + kept, send)
            return True
        if self._forwarder.available() != self._recursion:
            self._recursion = not self._recursion
            self._answers.clear()  # they say whether there is recursion
        try:
            query = parse(raw)
            answer = self._responder.answer(query, tcp=tcp)
        except NotAQuery:
            self.metrics.drop()
            return False
        except BadQuery as bad:
            answer = Reply(error(*bad.args))
        except Exception:
            logger.exception("a query was not answered: %s", raw.hex())
            answer = Reply(error(int.from_bytes(raw[:2], "big"), 0, SERVFAIL))
        if isinstance(answer, Forward):
            answer = self._from_upstream(query, tcp) or answer
        if isinstance(answer, Reply):
            if answer.names and (not tcp or len(answer.data) <= query.udp_bytes):
                self._answers.keep(query, answer.data, answer.names)
            self._answer(answer.data, send)
        else:
            task = asyncio.create_task(self._later(query, answer, send, tcp))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return True

    def _from_upstream(self, query: Query, tcp: bool) -> Reply | None:
        """What is known without asking."""
        if self._forwarder.loops.comes_back(query.name):
            return Reply(self._responder.failure(query, REFUSED, tcp=tcp))
        kept = self._forwarder.kept(query, tcp=tcp)
        return None if kept is None else Reply(kept)

    def _answer(self, data: bytes, send: Send) -> None:
        self.metrics.answered(data)
        send(data)

    async def _later(self, query: Query, how: Forward | Chase, send: Send, tcp: bool) -> None:
        self.metrics.forwarded += 1
        try:
            if isinstance(how, Chase):
                answer = await self._chase(query, how, tcp)
            else:
                answer = await self._forwarder.ask(query, tcp=tcp)
        except NoAnswer:
            answer = self._responder.failure(query, SERVFAIL, tcp=tcp)
        self._answer(answer, send)

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
