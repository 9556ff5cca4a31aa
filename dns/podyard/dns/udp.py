"""The hot path: queries over UDP whose answers are kept are answered here, and never read.

A query that came before is known by its bytes; all that its answer needs is the query's id, which is
in its place already when the answer is written over the query. So one query costs a look-up, a copy
and a sixty-fourth of two system calls.

It has a thread of its own, which sleeps in the system call that receives: no event loop stands between
a query and its answer, and a lone query costs two system calls. What has no kept answer goes to
`handle` in the event loop's thread, where the zone and the upstreams are.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import operator
import socket
import threading
from collections.abc import Callable

from podyard.dns.answers import Answers
from podyard.dns.counters import DnsMetrics
from podyard.dns.datagrams import SLOT_BYTES, Datagrams

BACKLOG = 4096
"""Queries that wait for the event loop's thread; more are dropped, as a full socket drops them."""

Client = tuple[str, int]
Message = tuple[bytes, Client]
Handle = Callable[[bytes, Callable[[bytes], None]], bool]
"""Answers one message through the function that it is given, now or later."""

logger = logging.getLogger("dns")


class UdpServer:
    """Answers on one blocking UDP socket, which it owns."""

    def __init__(self, sock: socket.socket, answers: Answers, handle: Handle, metrics: DnsMetrics) -> None:
        self._sock = sock
        self._datagrams = Datagrams(sock)
        self._begins = [start + 2 for start in self._datagrams.starts]  # after the id
        self._rcodes = memoryview(self._datagrams.bytes)[3::SLOT_BYTES]
        self._answers = answers
        self._handle = handle
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._passed = 0  # to the event loop's thread, which counts what it has done: one writer each
        self._done = 0
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="udp", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop to serve."""
        self._closed = True
        with contextlib.suppress(OSError):  # it is not connected; the thread wakes up all the same
            self._sock.shutdown(socket.SHUT_RD)
        self._thread.join()
        self._sock.close()

    def _serve(self) -> None:
        while not self._closed:
            lengths = self._datagrams.receive(wait=True)
            try:
                if self._closed:
                    return
                if len(lengths) == 1:
                    self._lone(lengths[0])
                elif lengths:
                    self._batch(lengths)
            except Exception:
                logger.exception("queries were not answered")

    def _lone(self, length: int) -> None:
        """Answer the datagram in the first slot: `_batch` without what it takes to do it for many."""
        datagrams, answers = self._datagrams, self._answers
        asked = datagrams.bytes[2:length]
        answer = answers.ready.get(asked) or answers.find(asked)
        if answer is None:
            self._pass_on([self._message(0, length)])
            return
        size = len(answer) + 2
        datagrams.bytes[2:size] = answer
        datagrams.send_first(size)
        self._metrics.answered_kept("udp", answer[1:2])

    def _batch(self, lengths: list[int]) -> None:
        """Answer the datagrams in the first slots, which are so long."""
        datagrams, answers = self._datagrams, self._answers
        data, ready = datagrams.bytes, answers.ready.get
        sizes: list[int] = []
        missing: list[int] = []
        ends = map(operator.add, datagrams.starts, lengths)
        for begin, end in zip(self._begins, ends, strict=False):
            answer = ready(data[begin:end]) or answers.find(data[begin:end])
            if answer is None:
                missing.append(len(sizes))
                answer = b""
            size = len(answer)
            data[begin : begin + size] = answer
            sizes.append(size + 2)
        datagrams.resize(sizes)
        begin = 0
        for slot in (*missing, len(sizes)):
            if begin < slot:
                datagrams.send(begin, slot)
                self._metrics.answered_kept("udp", bytes(self._rcodes[begin:slot]))
            begin = slot + 1
        if missing:
            self._pass_on([self._message(slot, lengths[slot]) for slot in missing])

    def _message(self, slot: int, length: int) -> Message:
        start = self._datagrams.starts[slot]
        return self._datagrams.bytes[start : start + length], self._datagrams.client(slot)

    def _pass_on(self, messages: list[Message]) -> None:
        room = BACKLOG - (self._passed - self._done)
        if len(messages) > room:
            self._metrics.drop(len(messages) - room)
            messages = messages[:room]
        self._passed += len(messages)
        self._loop.call_soon_threadsafe(self._handle_all, messages)

    def _handle_all(self, messages: list[Message]) -> None:
        for raw, client in messages:
            self._done += 1
            self._handle(raw, functools.partial(self._send, client=client))

    def _send(self, answer: bytes, client: Client) -> None:
        try:
            self._sock.sendto(answer, socket.MSG_DONTWAIT, client)
        except OSError:
            pass  # the client is gone, its buffer is full, or the server has stopped: datagrams get lost
